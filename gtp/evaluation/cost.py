"""What a method costs: parameters, training rate, memory, and the time of an action in each way of acting."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gtp.acting import ActingRule
from gtp.errors import UserError
from gtp.evaluation.rollouts import rules_for
from gtp.evaluation.timing import seconds_in_rounds
from gtp.files import read_json
from gtp.plain import conform
from gtp.policy import Policy, load_policy
from gtp.schema import Cost, write_rows

ROUNDS = 5
"""Repeated measurements of the time of an action: enough for an interval, and a few seconds in all."""
RECORDED = (
    "parameters",
    "seed_updates_per_second",
    "training_seconds",
    "compilation_seconds",
    "peak_memory_mb",
)
"""Quantities that a training run measures itself, in its run.json."""


class Setting(NamedTuple):
    """A way to act that is timed, and the rows of its policy."""

    batch_size: int
    nfe: int
    rule: ActingRule
    policy: Policy
    device: str
    rows: list[Cost]

    def call(self) -> Callable[[], np.ndarray]:
        """Acts for a batch of observations: the policy's noise and transfers of the device included."""
        obs = np.zeros((self.batch_size, len(self.policy.observation_mean)), dtype=np.float32)
        return partial(self.policy.act, obs, self.nfe, self.rule)


def measure(
    subjects: Sequence[tuple[Path, Path]],
    nfe: list[int],
    batch_sizes: list[int],
    acting_rules: Sequence[str] = ("sample",),
    environment: str | None = None,
) -> list[list[Cost]]:
    """For each pair of a policy file and its run.json every figure of its cost, those of its training first.

    Training figures come from the run's own record, acting figures are measured here and now, with the
    threads that this process has: seconds of a call divided by the batch, once in each of ROUNDS rounds. A
    round goes through all policies in turn, so that a machine that slows down for a while does so for all.
    Methods that cannot choose it have nfe 1 alone; rules that a method cannot follow are left out.
    `environment` is that of `load_policy`.
    Raises UserError for unusable files, ValueError as `ways_to_act` does.
    """
    costs = [recorded(run) for _, run in subjects]
    settings: list[Setting] = []
    for (file, _), rows in zip(subjects, costs, strict=True):
        device = "cuda" if rows[0].device == "cuda" and torch.cuda.is_available() else "cpu"
        policy = load_policy(file, device=device, environment=environment)
        policy.diverged_at = None  # an action takes its time whether or not the numbers are finite
        for k, rule in ways_to_act(policy, nfe, batch_sizes, acting_rules):
            evaluations = float(rule.evaluations(policy.algorithm, k))
            rows.append(Cost("network_evaluations", k, rule.name, None, None, device, evaluations))
            settings += [Setting(batch, k, rule, policy, device, rows) for batch in batch_sizes]
    # Of the same setting one policy after the other: what is compared is timed side by side.
    settings.sort(key=lambda setting: (setting.batch_size, setting.nfe, setting.rule.name))
    rounds = seconds_in_rounds([setting.call() for setting in settings], ROUNDS)
    for (batch, k, rule, _, device, rows), seconds in zip(settings, zip(*rounds, strict=True), strict=True):
        rows += [
            Cost("seconds_per_action", k, rule.name, batch, repetition, device, value / batch)
            for repetition, value in enumerate(seconds)
        ]
    return costs


def recorded(run_file: Path) -> list[Cost]:
    """What a training run measured of itself. Raises UserError when the file is not its run.json."""
    try:
        run = read_json(run_file)
        device = conform(str, run["device"], "device")
        return [Cost(name, None, "", None, None, device, number(run[name])) for name in RECORDED]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run_file} is not the run.json of a training run; train it again") from error


def ways_to_act(
    policy: Policy, nfe: list[int], batch_sizes: list[int], acting_rules: Sequence[str] = ("sample",)
) -> list[tuple[int, ActingRule]]:
    """The K and rules that `measure` takes for a policy's method.

    Raises ValueError for numbers below 1 and for rules as gtp.evaluation.rollouts.rules_for does.
    """
    if min(nfe, default=0) < 1 or min(batch_sizes, default=0) < 1:
        raise ValueError(f"nfe and batch sizes must be at least 1, got {nfe} and {batch_sizes}")
    return list(product(nfe if policy.algorithm.choosable_nfe else [1], rules_for(policy, acting_rules)))


def number(value: float | None) -> float | None:
    """A figure as a float, so that all are written with six digits; None where it was not measured.

    Raises: ValueError when it is no number, or one that no machine reaches.
    """
    figure = conform(float | None, value, "a figure")
    if figure is not None and not 0 <= figure < 1e15:
        raise ValueError(f"a figure is {figure}")
    return figure


def write_cost(path: Path, rows: list[Cost]) -> None:
    """Rows of `measure` as CSV, atomically."""
    write_rows(path, Cost, rows)
