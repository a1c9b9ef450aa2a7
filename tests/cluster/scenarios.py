"""The workflow on a real Slurm with two nodes, undisturbed and with what happens on clusters.

    python -m tests.cluster.scenarios        # as root, on Debian: minutes

Each disturbance begins when a training has a checkpoint. In the end all results must be those of the
undisturbed run, byte for byte, and the training must have gone on from its checkpoint. The undisturbed run
begins with the datasets and ends with the figures; the others take its datasets and end with the tables
that figures are drawn from.
"""

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from gtp.errors import UserError
from gtp.progress import duration, say
from tests.cluster.head import PATIENCE, STUDY, TABLES, Head, finish, is_training
from tests.cluster.slurm import Slurm, require_slurm, wait_for

STEPS = 500
"""Of the study's training."""
TARGETS = [f"results/{STUDY}/{table}" for table in TABLES]


def node_lost(head: Head) -> None:
    """A node goes down in the middle of a training; the other one takes it over."""
    process = head.start(*TARGETS)
    job = head.hold_training()
    head.slurm.lose(job["node"])
    assert finish(process) == 0
    assert head.slurm.nodes()[job["node"]].startswith("down")
    head.slurm.start_node(job["node"])


def over_time(head: Head) -> None:
    """Slurm ends a training at its time limit; Snakemake submits it again."""
    process = head.start(*TARGETS)
    job = head.hold_training()
    head.slurm.command("scontrol", "update", f"JobId={job['id']}", "TimeLimit=1")
    assert finish(process) == 0
    states = {other["id"]: other["state"] for other in head.slurm.jobs() if is_training(other)}
    assert states[job["id"]] == "TIMEOUT", states


def head_killed(head: Head) -> None:
    """The process that submits is killed; its jobs go on, and are named when it is started again."""
    process = head.start(*TARGETS)
    job = head.hold_training()
    process.send_signal(signal.SIGKILL)
    process.wait()
    status, output = head.run(*TARGETS)
    assert status != 0
    assert "--unlock" in output
    assert head.run("--unlock")[0] == 0
    status, output = head.run(*TARGETS)
    message = f"`scancel {job['id']}`"
    assert status != 0
    assert message in output, f"not in the output: {message}"
    head.slurm.command("scancel", job["id"])
    wait_for("the end of all jobs", head.slurm.is_idle, PATIENCE)
    assert head.run(*TARGETS)[0] == 0


DISTURBANCES = {"node lost": node_lost, "over time": over_time, "head killed": head_killed}


def resumed_at(head: Head) -> int:
    """The step at which the disturbed training went on, by its record and by its log."""
    step = json.loads(head.product("run.json").read_text())["resumed_at"]
    assert step, "the training began anew"
    assert 0 < step < STEPS, step
    first = next(line for line in head.training_log().splitlines() if f"/{STEPS} steps" in line)
    assert f": {step + 1}/{STEPS} steps" in first, first
    return step


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=DISTURBANCES, default=list(DISTURBANCES))
    parser.add_argument("--keep", type=Path, help="a new folder for checkouts and logs, which is kept")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the daemons are stopped
    with contextlib.ExitStack() as stack:
        try:
            require_slurm()
        except UserError as error:
            sys.exit(f"error: {error}")
        place = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtp-cluster-")))
        place.mkdir(exist_ok=True)
        slurm = stack.enter_context(Slurm(place.resolve() / "slurm"))
        plugin = version("snakemake-executor-plugin-slurm")
        say(f"{slurm.command('sinfo', '--version')}, plugin {plugin}, two nodes on this machine")
        undisturbed = Head(place.resolve() / "undisturbed", slurm)
        stack.callback(undisturbed.stop)
        began = time.monotonic()
        assert undisturbed.run()[0] == 0, f"see {undisturbed.log}"
        expected = undisturbed.results()
        say(f"undisturbed: {len(expected)} files, {duration(time.monotonic() - began)}")
        for name in options.only:
            head = Head(place.resolve() / name.replace(" ", "-"), slurm, data_of=undisturbed)
            stack.callback(head.stop)
            began = time.monotonic()
            DISTURBANCES[name](head)
            results = head.results()
            changed = [file for file in expected | results if expected.get(file) != results.get(file)]
            assert not changed, f"{name}: other results in {changed}"
            step, seconds = resumed_at(head), time.monotonic() - began
            say(f"{name}: {len(results)} files equal, resumed at step {step} of {STEPS}, {duration(seconds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
