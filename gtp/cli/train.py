"""The verbs that train: `gtp train`, `gtp oracle` and `gtp bench`."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Union

import tyro

from gtp import algorithms
from gtp.algorithms.gtp import GTP
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import load_transitions
from gtp.errors import UserError, told_to_the_user
from gtp.evaluation.bench import BenchConfig
from gtp.evaluation.bench import bench as run_bench
from gtp.evaluation.oracle import MIXTURES, check_numbers, measure_accuracy
from gtp.progress import say
from gtp.training.loop import DEFAULT_EXECUTION, check_inputs, closing_line, use_threads
from gtp.training.loop import train as run_training

DEFAULT_BUDGET = TrainConfig()
ORACLE_BUDGET = TrainConfig(steps=6000, batch_size=128, hidden_size=128)

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
    )
    say(closing_line(record, seeds, output, train.steps))


def oracle(
    algorithm: Annotated[GTP, tyro.conf.arg(name="")],
    train: TrainConfig = ORACLE_BUDGET,
    nfe: tuple[int, ...] = (1, 2, 5, 8),
    seeds: tuple[int, ...] = (0, 1),
    mixture: Literal["corners", "off_centre", "wide"] = "corners",
    std: float | None = None,
    threads: int = 1,
) -> None:
    """Clone a Gaussian mixture, whose exact flow is known, and print how far K-step samples are from it.

    Args:
        algorithm: Hyperparameters of GTP; eta counts as 0.
        train: The budget.
        nfe: Numbers of function evaluations K.
        seeds: One run for each; the figures are means over them.
        mixture: Four equal modes at (+-0.6, +-0.6), four unequal ones around (0.4, 0.4), or two broad ones.
        std: Standard deviation of each mode; the mixture's own by default.
        threads: CPU threads of this process.
    """
    modes = MIXTURES[mixture]() if std is None else MIXTURES[mixture](std)
    with told_to_the_user():
        use_threads(threads)
        check_numbers(modes, nfe, seeds)
    print(json.dumps(measure_accuracy(replace(algorithm, eta=0.0), modes, train, nfe, seeds)))


def bench(config: Annotated[BenchConfig, tyro.conf.arg(name="")]) -> None:
    """Measure updates per second, eager and compiled, and milliseconds per action; writes a JSON record."""
    run_bench(config)
