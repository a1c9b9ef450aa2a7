"""Measures of what episodes reach: tasks that are solved, and how many goals a policy goes to."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from gtp.report.ledger.measure import SAMPLE, Evidence, Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.ledger.scores import way_of
from gtp.report.record import TaskRecord
from gtp.report.statistics import Estimate, combine_means, share_estimate


@dataclass(frozen=True, kw_only=True)
class SolvedTasks(Measure):
    """Share of episodes that reach the goal, on each task of a suite."""

    unit: ClassVar[str] = "percent"

    method: str
    suite: str
    acting: str = SAMPLE

    def in_words(self) -> str:
        return f"share of the episodes of {self.method} that reach the goal, on each task of {self.suite}"

    def parts(self, results: Results) -> list[Part | Missing]:
        study = results.study
        tasks = [task for task in study.tasks if task.suite == self.suite and task.is_goal_reaching]
        if not tasks:
            raise Untestable(f"no task of {self.suite}")
        way = way_of(results, self.method, self.acting)

        def rate(task: TaskRecord, confidence: float) -> Estimate:
            return share_estimate(way.scores(results, task), study.episodes, confidence)

        return [
            Part(
                f"on {task.name}",
                partial(rate, task),
                (way.evidence(task),),
                (task.name,),
                (way.nfe,),
                (way.acting,),
            )
            for task in tasks
        ]

    def methods(self) -> tuple[str, ...]:
        return (self.method,)


@dataclass(frozen=True, kw_only=True)
class GoalsReached(Measure):
    """How many goals a policy goes to: the exponential of the entropy of the goals that its episodes reach.

    For a task whose goals have different worths, of which every step takes `step_cost`: 4 for four goals
    reached equally often, 1 for one goal alone. With few episodes it errs to the low side.
    """

    unit: ClassVar[str] = "goals"

    method: str
    task: str
    step_cost: float
    acting: str = SAMPLE

    def in_words(self) -> str:
        return f"goals that the episodes of {self.method} reach on {self.task}, as exponential of the entropy"

    def parts(self, results: Results) -> list[Part | Missing]:
        if self.task not in [task.name for task in results.study.tasks]:
            raise Untestable(f"no task {self.task}")
        way = way_of(results, self.method, self.acting)
        where = {"task": self.task, "method": self.method, "nfe": way.nfe, "acting": way.acting}
        evidence = Evidence("scores", where, "return")
        counts = [
            effective_number(worths(rows, self.step_cost))
            for _, rows in evidence.rows(results).groupby("seed")
        ]
        return [
            Part(
                f"{self.method} on {self.task}",
                lambda confidence: combine_means([counts], [1.0], confidence),
                (evidence,),
                (self.task,),
                (way.nfe,),
                (way.acting,),
            )
        ]

    def methods(self) -> tuple[str, ...]:
        return (self.method,)


def worths(episodes: pd.DataFrame, step_cost: float) -> np.ndarray:
    """What each episode reached: its return without the cost of its steps, of those that reached anything."""
    reached = episodes["return"] + step_cost * episodes["length"]
    return reached[reached > step_cost / 2].round(2).to_numpy()


def effective_number(outcomes: np.ndarray) -> float:
    """Exponential of the entropy of the outcomes' frequencies; 0 without outcomes. Shapes: (n,)."""
    if len(outcomes) == 0:
        return 0.0
    shares = np.unique(outcomes, return_counts=True)[1] / len(outcomes)
    return float(np.exp(-(shares * np.log(shares)).sum()))
