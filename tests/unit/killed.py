"""Runs that die by SIGKILL right after a checkpoint: of the same step on a machine of any speed."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from gtp.data.transitions import save_transitions

from .training_fixtures import tiny_transitions

TRAINING = """
from pathlib import Path
from gtp import algorithms
from gtp.config import Execution
from gtp.data.transitions import load_transitions
from gtp.training import loop
from tests.unit.killed import die_after
from tests.unit.training_fixtures import CONFIG
die_after(loop, float("{step}"))
loop.train(algorithms.get({method!r})(), CONFIG, load_transitions(Path("data.safetensors")), (0, 1),
           output=Path("out"), checkpoints=Path("out/checkpoints"),
           execution=Execution(device={device!r}, compile="off", checkpoint_seconds=0))
"""


def die_after(loop: ModuleType, step: float) -> None:
    """Have this process die as soon as the loop has saved a checkpoint of `step` steps or more."""
    original = loop.save_checkpoint

    def save_and_die(path: Path, state: dict, **header) -> None:
        original(path, state, **header)
        if header["step"] >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    loop.save_checkpoint = save_and_die


def start(script: str, folder: Path) -> subprocess.Popen:
    """Run a script of Python in a folder, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def start_training(
    folder: Path, method: str, device: str = "cpu", step: float = math.inf
) -> subprocess.Popen:
    """A training into folder/out of seeds 0 and 1; it dies after its first checkpoint of `step` or more."""
    save_transitions(folder / "data.safetensors", tiny_transitions())
    return start(TRAINING.format(method=method, device=device, step=step), folder)


def assert_killed(process: subprocess.Popen) -> None:
    """Wait for its end, which has to be SIGKILL's work."""
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said


def killed_training(folder: Path, method: str, device: str = "cpu") -> Path:
    """The checkpoint of a training as above that died as soon as there was one."""
    assert_killed(start_training(folder, method, device, step=1))
    assert not (folder / "out/run.json").exists()
    [checkpoint] = folder.glob("out/checkpoints/*/checkpoint.safetensors")
    return checkpoint
