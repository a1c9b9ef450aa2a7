"""The verbs that make policies: `gtp train` and `gtp derive`."""

from pathlib import Path
from typing import Annotated, Union

import tyro

from gtp import algorithms
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import load_transitions
from gtp.errors import told_to_the_user
from gtp.progress import say
from gtp.training import variant
from gtp.training.loop import DEFAULT_EXECUTION, check_inputs, closing_line
from gtp.training.loop import train as run_training

DEFAULT_BUDGET = TrainConfig()

AnyAlgorithm = Union[  # noqa: UP007 (the members are known at run time only)
    tuple(Annotated[method, tyro.conf.subcommand(name)] for name, method in algorithms.sort_out()[0].items())
]


def train(
    algorithm: AnyAlgorithm,
    data: Path,
    output: Path,
    seeds: tuple[int, ...] = (0,),
    checkpoints: Path = Path("checkpoints"),
    label: str = "",
    train: TrainConfig = DEFAULT_BUDGET,
    execution: Execution = DEFAULT_EXECUTION,
    overwrite: bool = False,
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
        overwrite: Whether to replace a run that the folder holds.
    """
    transitions = load_transitions(data)
    with told_to_the_user():
        check_inputs(algorithm, transitions, seeds)
    record = run_training(
        algorithm,
        train,
        transitions,
        seeds,
        output=output,
        checkpoints=checkpoints,
        execution=execution,
        label=label,
        overwrite=overwrite,
    )
    say(closing_line(record, seeds, output, train.steps))


def derive(algorithm: AnyAlgorithm, run: Path, output: Path, label: str, overwrite: bool = False) -> None:
    """Write a finished run's policies such that they act otherwise from the same weights.

    Args:
        algorithm: The run's method; fields that belong to acting may differ.
        run: Folder of the run.
        output: Folder for the policies, with the run's training.csv and a run.json that names the weights.
        label: Name of the new policies in messages and files.
        overwrite: Whether to replace a run that the folder holds.
    """
    if variant.derive(run, algorithm, output, label, overwrite=overwrite):
        say(f"wrote {output}: {label}, which acts from the weights in {run}")


VERBS = {"train": train, "derive": derive}
