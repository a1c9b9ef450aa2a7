"""The verbs of the policies that datasets are recorded with, `gtp behaviour ...`."""

from pathlib import Path
from typing import Literal

from gtp.cli.command_line import command_line, write_or_print
from gtp.data.generate.behaviour.robots import LOCOMOTION, ROBOTS, RUNNERS
from gtp.errors import UserError
from gtp.files import require_files
from gtp.progress import say


def train_behaviour(robot: Literal[tuple(ROBOTS)], output: Path, work: Path, seed: int = 0) -> None:
    """Train a robot's behaviour policies; resumes a run that was cut off.

    Args:
        robot: Which robot.
        output: Folder for <robot>.safetensors, .csv and .json.
        work: Folder for the state and the policies of the unfinished run.
        seed: Seed of the simulators and of the networks.
    """
    try:
        from gtp.data.generate.behaviour import training
    except ImportError as error:
        raise UserError(f"{error.name} is missing; pip install 'gtp[behaviour]'") from error

    training.train_behaviour(robot, work, output, seed=seed, command=command_line())


def calibrate(robot: Literal[tuple(RUNNERS)], output: Path | None = None, episodes: int = 200) -> None:
    """Measure the share of their noise with which a robot's behaviour policies record data as D4RL's.

    Args:
        robot: Which robot.
        output: CSV with a row for each share of the noise; without it they are printed.
        episodes: Episodes of the medium policy with each share.
    """
    from gtp.data.generate.calibration import Gain, matching_factor, measure_gains

    require_files(output)
    rows = list(measure_gains(robot, episodes))
    write_or_print(output, Gain, rows)
    wanted = LOCOMOTION[robot].d4rl_gain
    factor = matching_factor(rows, wanted)
    found = "no share" if factor is None else f"{factor:.2f}"
    say(f"D4RL's gain without noise is {wanted:.3f}: {found} of the noise gives the same")


VERBS = {"train": train_behaviour, "calibrate": calibrate}
