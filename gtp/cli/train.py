"""The verb that trains: `gtp train`."""

import sys
from pathlib import Path
from typing import Annotated, Union

import tyro

from gtp import algorithms
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import load_transitions
from gtp.errors import UserError
from gtp.progress import say
from gtp.training.loop import DEFAULT_EXECUTION, closing_line
from gtp.training.loop import train as run_training

DEFAULT_BUDGET = TrainConfig()

try:
    AnyAlgorithm = Union[  # noqa: UP007 (the members are known at run time only)
        tuple(Annotated[algorithms.get(name), tyro.conf.subcommand(name)] for name in algorithms.names())
    ]
except UserError as error:  # a method's file that cannot be imported
    sys.exit(f"gtp: error: {error}")


def train(
    algorithm: AnyAlgorithm,
    data: Path,
    output: Path,
    seeds: tuple[int, ...] = (0,),
    checkpoints: Path = Path("checkpoints"),
    label: str = "",
    train: TrainConfig = DEFAULT_BUDGET,
    execution: Execution = DEFAULT_EXECUTION,
) -> None:
    """Train one method on prepared transitions, all seeds in one process; resumes a run that was cut off.

    Args:
        algorithm: The method and its hyperparameters.
        data: Transitions, from `gtp dataset prepare`.
        output: Folder for policy-<step>.safetensors, training.csv and run.json.
        seeds: One policy is trained for each.
        checkpoints: Folder for the state of unfinished runs.
        label: Name of the run in messages and files; the method's by default.
        train: The budget and everything else that methods share.
        execution: Where and how fast; not meant to change what is learned.
    """
    record = run_training(
        algorithm,
        train,
        load_transitions(data),
        seeds,
        output=output,
        checkpoints=checkpoints,
        execution=execution,
        label=label,
    )
    say(closing_line(record, seeds, output, train.steps))


VERBS = {"train": train}
