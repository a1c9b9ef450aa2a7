"""The verbs beside studies: `gtp oracle`, `gtp bench` and `gtp inspect`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from gtp.algorithms.gtp import GTP
from gtp.config import TrainConfig
from gtp.errors import UserError, told_to_the_user
from gtp.evaluation.bench import BenchConfig
from gtp.evaluation.bench import bench as run_bench
from gtp.evaluation.oracle import MIXTURES, check_numbers, measure_accuracy
from gtp.policy import describe
from gtp.training.loop import use_threads

ORACLE_BUDGET = TrainConfig(steps=6000, batch_size=128, hidden_size=128)


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


def inspect(files: tyro.conf.Positional[tuple[Path, ...]] = (), policy: tuple[Path, ...] = ()) -> None:
    """Print what policy files say about themselves: `gtp inspect FILE`.

    Args:
        files: Policy files.
        policy: The same, as a flag.
    """
    if not (*files, *policy):
        raise UserError("no file is named; say which: gtp inspect FILE")
    for path in (*files, *policy):
        print(describe(path))


VERBS = {"oracle": oracle, "bench": bench, "inspect": inspect}
