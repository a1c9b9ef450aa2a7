"""Measures of time: what training and acting cost one method as a multiple of another."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from gtp.report.ledger.measure import SAMPLE, Evidence, Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.ledger.scores import Way, way_of
from gtp.report.statistics import Estimate, combine_means

RATE = "seed_updates_per_second"


def exponential(value: Estimate) -> Estimate:
    """A ratio from its logarithm."""
    mean, low, high = (float(np.exp(x)) for x in (value.mean, value.low, value.high))
    return Estimate(mean, low, high, value.n)


@dataclass(frozen=True, kw_only=True)
class UpdateTime(Measure):
    """Time of an update of a method over that of another, without compilation: geometric mean over tasks.

    Measured once a task, so that the interval is Student's over tasks. Other work on the machine is in it.
    """

    unit: ClassVar[str] = "times"
    replicates: ClassVar[str] = "tasks"

    method: str
    over: str

    def in_words(self) -> str:
        return f"time of an update of {self.method} over that of {self.over}, geometric mean over tasks"

    def parts(self, results: Results) -> list[Part | Missing]:
        cost = results.table("cost")
        own, other = (
            cost[(cost["method"] == results.method(name).name) & (cost["quantity"] == RATE)].set_index("task")
            for name in (self.method, self.over)
        )
        tasks = [task for task in own.index if task in other.index]
        if not tasks:
            raise Untestable("training was timed on no common task")
        logs = np.log(other.loc[tasks, "value"].to_numpy() / own.loc[tasks, "value"].to_numpy())
        return [
            Part(
                f"against {self.over}",
                lambda confidence: exponential(combine_means([logs], [1.0], confidence)),
                tuple(
                    Evidence("cost", {"task": task, "method": name, "quantity": RATE}, "value")
                    for task in tasks
                    for name in (self.method, self.over)
                ),
                tuple(tasks),
            )
        ]

    def methods(self) -> tuple[str, ...]:
        return (self.method, self.over)


@dataclass(frozen=True, kw_only=True)
class ActionTime(Measure):
    """Time of an action of a method over that of another, at the K of each: geometric mean over tasks.

    The interval is over rounds of measurements, of which each times both: how steady the machine was.
    """

    unit: ClassVar[str] = "times"
    replicates: ClassVar[str] = "rounds"

    method: str
    over: str
    nfe: int
    over_nfe: int
    acting: Literal["sample"] = SAMPLE

    def in_words(self) -> str:
        return (
            f"time of one action of {self.method} at K = {self.nfe} over that of {self.over} at"
            f" K = {self.over_nfe}, batch of one, geometric mean over tasks"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        costs = results.acting_costs
        ways = (
            way_of(results, self.method, self.acting, self.nfe),
            way_of(results, self.over, self.acting, self.over_nfe),
        )
        tasks = list(dict.fromkeys(costs.table["task"]))
        weights = [1.0 / len(tasks)] * len(tasks)
        own, other = ([self._logs(costs.table, task, way) for task in tasks] for way in ways)
        samples = [(a - b).dropna().to_numpy() for a, b in zip(own, other, strict=True)]
        return [
            Part(
                f"against {self.over}",
                lambda confidence: exponential(combine_means(samples, weights, confidence)),
                tuple(Evidence("cost", self._where(task, way), "value") for task in tasks for way in ways),
                tuple(tasks),
                tuple(dict.fromkeys(way.nfe for way in ways)),
                tuple(dict.fromkeys(way.acting for way in ways)),
            )
        ]

    def _where(self, task: str, way: Way) -> dict[str, object]:
        where = {"task": task, "method": way.method.name, "nfe": way.nfe, "acting": way.acting}
        return where | {"quantity": "seconds_per_action", "batch_size": 1}

    def _logs(self, table: pd.DataFrame, task: str, way: Way) -> pd.Series:
        """Logarithms of the times by round."""
        rows = table
        for column, value in self._where(task, way).items():
            if column in rows:
                rows = rows[rows[column] == value]
        if rows.empty:
            raise Untestable(f"actions of {way.method.name} not timed at K = {way.nfe} on {task}")
        return np.log(rows.set_index("repetition")["value"])

    def methods(self) -> tuple[str, ...]:
        return (self.method, self.over)
