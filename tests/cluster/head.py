"""A clean checkout on the cluster and its head process: the snakemake that submits jobs."""

import contextlib
import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster.slurm import Slurm, wait_for
from tests.workflow.conftest import copy_checkout

STUDY = "cluster"
PROFILE = "profiles/slurm/profile.yaml"
ADAPTED = {"slurm_account": "root", "slurm_partition": "main"}
"""What a laboratory adapts in the profile."""
# squeue, as this cluster keeps no accounts; and every 5 s instead of 40, as its jobs are short.
COMMAND = [
    *(sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm"),
    *("--configfile", "tests/cluster/study.yaml", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "5"),
]
PATIENCE = 3 * 3600
"""Seconds that one step may take: a guard against a hang, far above what a slow machine needs."""
TABLES = ("scores.csv", "curves.csv", "support.csv", "trajectories.csv", "rollouts.csv")
"""The tables of results that do not hold times."""
TIMED = {"cost.csv", "run.json"}
"""Files of a run that hold how long something took."""


class Head:
    """A checkout in `folder` and what runs in it."""

    def __init__(self, folder: Path, slurm: Slurm, *, data_of: "Head | None" = None):
        """A clean checkout; with `data_of`, it has the datasets that another one has made."""
        self.folder, self.slurm = folder, slurm
        self.processes: list[subprocess.Popen] = []
        copy_checkout(folder)
        profile = folder / PROFILE
        text = profile.read_text()
        for key, value in ADAPTED.items():
            assert f"{key}: CHANGE_ME" in text, f"{PROFILE} leaves no {key} to adapt"
            text = text.replace(f"{key}: CHANGE_ME", f"{key}: {value}")
        profile.write_text(text)
        if data_of is not None:
            for made in ("resources/minari", f"results/{STUDY}/data"):
                shutil.copytree(data_of.folder / made, folder / made)  # with their times

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def start(self, *flags: str) -> subprocess.Popen:
        """Start snakemake; its output is appended to the log beside the checkout."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**self.slurm.environment, "PATH": path, "PYTHONPATH": str(self.folder)}
        with open(self.log, "ab") as log:
            outputs = {"stdout": log, "stderr": subprocess.STDOUT}
            process = subprocess.Popen([*COMMAND, *flags], cwd=self.folder, env=environment, **outputs)
        self.processes.append(process)
        return process

    def run(self, *flags: str) -> tuple[int, str]:
        """Run snakemake to its end: exit status, and what it printed."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        status = finish(self.start(*flags))
        return status, self.log.read_bytes()[begin:].decode()

    def stop(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def product(self, name: str) -> Path:
        """A file of the training that is disturbed."""
        return self.folder / f"results/{STUDY}/runs/pointmaze-umaze/gtp/seeds_0-1/{name}"

    def training_log(self) -> str:
        return (self.folder / f"logs/{STUDY}/train/pointmaze-umaze/gtp/seeds_0-1.log").read_text()

    def hold_training(self) -> dict[str, str]:
        """Stop the training of GTP once it has a checkpoint, so that it is in the middle. Returns its job."""
        process = wait_for("a training of gtp", self._training, PATIENCE)
        wait_for("its checkpoint", lambda: self._has_checkpoint(process), PATIENCE)
        os.kill(process, signal.SIGSTOP)
        return next(job for job in self.slurm.jobs() if is_training(job) and job["state"] == "RUNNING")

    def _training(self) -> int | None:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_text().split("\0")
                if words[1:5] == ["-m", "gtp", "train", "gtp"] and (entry / "cwd").samefile(self.folder):
                    return int(entry.name)
            except (OSError, UnicodeDecodeError):  # not a process, or one that has just ended
                pass
        return None

    def _has_checkpoint(self, process: int) -> bool:
        """Whether the run whose lock the process holds has a checkpoint."""
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                target = Path(os.readlink(link))
                if target.suffix == ".lock" and target.is_relative_to(self.folder / "checkpoints"):
                    return (target.with_suffix("") / "checkpoint.safetensors").exists()
        return False

    def results(self) -> dict[str, str]:
        """SHA-256 of every file of the study whose content is not about time."""
        root = self.folder / f"results/{STUDY}"
        found = {}
        for path in sorted(root.glob("runs/**/*")):
            if path.is_file() and path.name not in TIMED:
                content = untimed(path) if path.name == "training.csv" else path.read_bytes()
                found[str(path.relative_to(root))] = hashlib.sha256(content).hexdigest()
        for table in TABLES:
            found[table] = hashlib.sha256((root / table).read_bytes()).hexdigest()
        return found


def is_training(job: dict[str, str]) -> bool:
    """Whether a job is the training that is disturbed; its comment names rule and wildcards."""
    return job["about"].startswith("rule_train_pointmaze_wildcards_pointmaze-umaze_gtp_")


def untimed(path: Path) -> bytes:
    """A table of measurements without the rows of seconds."""
    with open(path, newline="") as file:
        return "\n".join(",".join(row) for row in csv.reader(file) if "seconds" not in row).encode()


def finish(process: subprocess.Popen) -> int:
    """Wait for a process; one that takes too long is killed. Returns its exit status."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
