"""Seconds per action from cost.csv: where they were measured, and how well they are known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gtp.errors import UserError
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_results
from gtp.report.statistics import Estimate, mean_estimate


@dataclass(frozen=True)
class ActingCosts:
    """The rows of cost.csv about acting; see `acting_costs`."""

    table: pd.DataFrame
    """Columns task, method, device, nfe, acting, batch_size, repetition, value (seconds per action)."""
    counts: pd.DataFrame
    """Columns task, method, nfe, acting, value (network evaluations per action)."""
    file: str
    """Where they come from, for messages."""

    def measured_on(self, study: StudyRecord, suite: str) -> TaskRecord:
        """The task of a suite on which times were measured: networks have the same shapes on all of them.

        Raises UserError when there is none.
        """
        for task in study.suites()[suite]:
            if (self.table["task"] == task.name).any():
                return task
        raise UserError(f"{self.file} has no row of the suite {suite}; {REMEDY}")

    def batch_sizes(self) -> list[int]:
        """Observations per call, in order."""
        return sorted(map(int, self.table["batch_size"].unique()))

    def devices(self, task: str, method: str) -> str:
        """Where a method's times were measured."""
        rows = self.table[(self.table["task"] == task) & (self.table["method"] == method)]
        return ", ".join(sorted(set(rows["device"]))) or "–"

    def nfe(self, study: StudyRecord, method: MethodRecord) -> list[int]:
        """Numbers of function evaluations at which a method must have times: all scored or measured ones."""
        if not method.generative:
            return [1]
        own = self.table[self.table["method"] == method.name]
        return sorted({*study.evaluated_nfe(method), *map(int, own["nfe"].unique())})

    def evaluations(self, task: str, method: str, nfe: int, acting: str) -> int:
        """Network evaluations of one action; raises UserError when their number is missing."""
        rows = self.counts[(self.counts["task"] == task) & (self.counts["method"] == method)]
        rows = rows[(rows["nfe"] == nfe) & (rows["acting"] == acting)]
        if rows.empty:
            raise UserError(
                f"{self.file}, {task}: network_evaluations of {method} at nfe {nfe}, {acting}, is"
                f" missing; {REMEDY}"
            )
        return int(rows["value"].iloc[0])

    def seconds(self, task: str, method: str, nfe: int, batch_size: int, acting: str) -> Estimate:
        """Seconds per action by an acting rule; raises UserError when they are missing.

        Geometric mean of the repetitions with the interval of Student's t over their logarithms, which is
        positive and as wide to both sides on a logarithmic axis. It tells how steady this machine's clock and
        load were, nothing about other machines.
        """
        rows = self.table[(self.table["task"] == task) & (self.table["method"] == method)]
        rows = rows[(rows["nfe"] == nfe) & (rows["batch_size"] == batch_size) & (rows["acting"] == acting)]
        if rows.empty:
            raise UserError(
                f"{self.file}, {task}: seconds_per_action of {method} at nfe {nfe}, {acting}, and batch"
                f" size {batch_size:g} is missing; {REMEDY}"
            )
        logs = mean_estimate(np.log(rows["value"]))
        mean, low, high = (float(np.exp(x)) for x in (logs.mean, logs.low, logs.high))
        return Estimate(mean, low, high, logs.n)

    def repetitions(self) -> str:
        """How often each time was measured: a number, or a range where they differ."""
        counts = self.table.groupby(["task", "method", "nfe", "acting", "batch_size"]).size()
        low, high = counts.min(), counts.max()
        return f"{low}" if low == high else f"{low} to {high}"


def acting_costs(costs: pd.DataFrame, study: StudyRecord, file: str) -> ActingCosts:
    """The rows about acting among `costs`, the content of a cost.csv; other methods' are left out.

    Raises: UserError naming `file` when it has none, when a measurement stands there twice, or when one took
    no time at all.
    """
    own = costs[costs["method"].isin([m.name for m in study.methods])]
    rows, counts = (
        own[own["quantity"] == quantity].drop(columns="quantity")
        for quantity in ("seconds_per_action", "network_evaluations")
    )
    if rows.empty:
        raise UserError(f"{file} has no row of seconds_per_action; {REMEDY}")
    keys = ["task", "method", "nfe", "acting", "batch_size", "repetition"]
    for wrong, problem in (
        (rows.duplicated(keys), "twice"),
        (~(rows["value"] > 0), "without a positive value"),
    ):
        if wrong.any():
            row = rows[wrong].iloc[0]
            raise UserError(
                f"{file} holds seconds_per_action of {row['method']} on {row['task']} {problem}; {REMEDY}"
            )
    return ActingCosts(rows, counts, file)


def read_acting_costs(file: str, study: StudyRecord) -> ActingCosts:
    """The seconds per action from a cost.csv. Raises UserError as its two steps do."""
    return acting_costs(read_results(file, "cost"), study, file)


def parameters(cost: pd.DataFrame, study: StudyRecord, task: TaskRecord, method: MethodRecord) -> float:
    """Trained parameters of a method on a task, or on the one of its suite whose cost was measured."""
    suite = [other.name for other in study.tasks if other.suite == task.suite]
    rows = cost[(cost["quantity"] == "parameters") & (cost["method"] == method.name)]
    for name in (task.name, *suite):
        found = rows.loc[rows["task"] == name, "value"]
        if len(found):
            return float(found.iloc[0])
    raise UserError(
        f"the table of costs has no parameters of {method.name} on {task.name}; run snakemake again"
    )
