"""The verbs beside studies: `gtp oracle`, `gtp theorem` and `gtp bench`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from gtp.algorithms.gtp import GTP
from gtp.config import MixtureName, TrainConfig
from gtp.errors import told_to_the_user
from gtp.evaluation.bench import BenchConfig
from gtp.evaluation.bench import bench as run_bench
from gtp.files import require_writable
from gtp.schema import Accuracy, LossGap, write_rows
from gtp.training.loop import choose_compiled, use_threads

ORACLE_BUDGET = TrainConfig(steps=6000, batch_size=128, hidden_size=128)


def oracle(
    algorithm: Annotated[GTP, tyro.conf.arg(name="")],
    train: TrainConfig = ORACLE_BUDGET,
    nfe: tuple[int, ...] = (1, 2, 5, 8),
    seeds: tuple[int, ...] = (0, 1),
    mixture: MixtureName = "corners",
    std: float | None = None,
    output: Path | None = None,
    compile: Literal["auto", "off"] = "auto",
    threads: int = 1,
) -> None:
    """Clone a Gaussian mixture, whose exact flow is known, and print how far K-step samples are from it.

    Args:
        algorithm: Hyperparameters of GTP; eta counts as 0.
        train: The budget.
        nfe: Numbers of function evaluations K.
        seeds: Trained together on the same draws; the figures that are printed are means over them.
        mixture: Four equal modes at (+-0.6, +-0.6), four unequal ones around (0.4, 0.4), or two broad ones.
        std: Standard deviation of each mode; the mixture's own by default.
        output: CSV of the figures of each seed.
        compile: Compile the update if there is a compiler, which pays for more than a few thousand updates.
        threads: CPU threads of this process.
    """
    from gtp.evaluation.oracle import MIXTURES, check_numbers, means_over_seeds, measure_accuracy

    modes = MIXTURES[mixture]() if std is None else MIXTURES[mixture](std)
    with told_to_the_user():
        use_threads(threads)
        check_numbers(modes, nfe, seeds)
    if output:
        require_writable(output.parent)
    compiled = choose_compiled(compile, torch.device("cpu"))
    rows = measure_accuracy(replace(algorithm, eta=0.0), modes, train, nfe, seeds, compiled)
    if output:
        write_rows(output, Accuracy, rows)
    print(json.dumps(means_over_seeds(rows)))


def theorem(
    output: Path,
    mixture: MixtureName = "off_centre",
    seeds: tuple[int, ...] = (0, 1, 2),
    samples: int = 65536,
    threads: int = 1,
) -> None:
    """Measure how far the consistency loss with a solver is from the ideal one (GTP, Theorem 1).

    Args:
        output: CSV of the gaps, against the solver's step and against the distance of the two times.
        mixture: As of `gtp oracle`.
        seeds: Draws of the samples; one row of each setting for each.
        samples: Draws of action and noise behind a gap.
        threads: CPU threads of this process.
    """
    from gtp.evaluation.oracle import MIXTURES
    from gtp.evaluation.theorem import loss_gaps

    require_writable(output.parent)
    with told_to_the_user():
        use_threads(threads)
        rows = loss_gaps(MIXTURES[mixture](), seeds, samples)
    write_rows(output, LossGap, rows)


def bench(config: Annotated[BenchConfig, tyro.conf.arg(name="")]) -> None:
    """Measure updates per second, eager and compiled, and milliseconds per action; writes a JSON record."""
    run_bench(config)


VERBS = {"oracle": oracle, "theorem": theorem, "bench": bench}
