"""A real Slurm for the length of a test: a controller and two nodes on this machine, in a temporary folder.

A node is a slurmd in namespaces of its own: killing the first process kills all that runs on the node, as a
power cut does. Its /etc/slurm is the temporary configuration, since jobs lose SLURM_CONF on their way; the
machine's own is not touched. Only the packages stay when it is over.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gtp.errors import UserError
from gtp.progress import say

T = TypeVar("T")

PACKAGES = ("slurm-wlm", "munge")
NODES = ("node1", "node2")
# Each node claims four cores, as a rule takes, whatever the machine has. A node is lost when it is silent for
# SlurmdTimeout seconds; MinJobAge keeps finished jobs where squeue finds them.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=30
BatchStartTimeout=600
MessageTimeout=60
KillWait=5
MinJobAge=3600
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=16000
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=16000
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
"""


def require_slurm() -> None:
    """Install Slurm where it is missing. Raises UserError where it cannot be run or installed."""
    if os.geteuid() != 0:
        raise UserError("the cluster's test starts daemons: run it as root, in a container say")
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "srun"))):
        if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
            raise UserError("the cluster's test needs Slurm and munge, and installs them on Debian alone")
        say(f"installing {' and '.join(PACKAGES)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update", "--quiet=2"], install):
            if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
                raise UserError(f"`{' '.join(command)}` failed; install {' and '.join(PACKAGES)} yourself")
    probe = ["unshare", "--pid", "--mount", "--fork", "true"]
    if subprocess.run(probe, stderr=subprocess.DEVNULL).returncode:
        raise UserError("the cluster's test needs namespaces (unshare), which this machine does not allow")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def wait_for(what: str, condition: Callable[[], T], seconds: float) -> T:
    """The first true value of `condition()`. Raises TimeoutError that says for what was waited."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return value


class Slurm:
    """The cluster; a context manager that stops all it started."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Slurm":
        folder = self.folder
        folder.mkdir()
        for place in (folder, folder / "etc", folder / "state"):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)  # munged refuses a socket that others cannot reach
        key, socket_of_munge = folder / "munge.key", folder / "munge.socket"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        self.configuration = folder / "etc" / "slurm.conf"
        text = CONFIGURATION.format(host=socket.gethostname(), folder=folder, ports=free_ports(3))
        self.configuration.write_text(text.lstrip())
        try:
            places = {"key-file": key, "socket": socket_of_munge, "pid-file": folder / "munge.pid"}
            places["seed-file"] = folder / "munge.seed"
            flags = [f"--{name}={path}" for name, path in places.items()]
            self.start("munged", "munged", "--foreground", "--force", *flags)
            wait_for("munged's socket", socket_of_munge.exists, 60)
            self.start("slurmctld", "slurmctld", "-D", "-f", str(self.configuration))
            for node in NODES:
                self.start_node(node)
            wait_for("two idle nodes", lambda: self.nodes() == dict.fromkeys(NODES, "idle"), 300)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for daemon in reversed(self.daemons.values()):  # nodes first
            daemon.kill()
            daemon.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What a login node of this cluster has in its environment."""
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground of its own log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_node(self, node: str) -> None:
        """Start a node, in which /etc/slurm is this cluster's."""
        namespaces = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
        Path("/etc/slurm").mkdir(exist_ok=True)  # the package's own folder
        script = 'mount --bind "$1" /etc/slurm && exec slurmd -D -N "$2"'
        self.start(node, *namespaces, "sh", "-c", script, "sh", str(self.configuration.parent), node)

    def lose(self, node: str) -> None:
        """Kill a node with everything on it, at once."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def command(self, *command: str) -> str:
        """What a command of Slurm prints."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    def nodes(self) -> dict[str, str]:
        """The state of each node; none while the controller does not answer."""
        command = ["sinfo", "--Node", "--noheader", "--format=%N %T"]
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return dict(line.split() for line in answer.stdout.splitlines())

    def jobs(self) -> list[dict[str, str]]:
        """All jobs, also finished ones: number, state, node and what the job is about."""
        lines = self.command("squeue", "--states=all", "--noheader", "--format=%i|%T|%N|%k").splitlines()
        return [dict(zip(("id", "state", "node", "about"), line.split("|"), strict=True)) for line in lines]

    def is_idle(self) -> bool:
        """Whether no job waits, runs or is about to end."""
        return not self.command("squeue", "--noheader")
