"""Measures of normalised scores: differences of methods, of K, of sizes, of trials and of policies kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from gtp.acting import DETERMINISTIC
from gtp.report.ledger.measure import SAMPLE, Evidence, Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.record import MethodRecord, TaskRecord
from gtp.report.speed import parameters
from gtp.report.statistics import average_estimate, paired_difference

LEARNED = 10.0
"""Points of normalised score below which a method counts as one that has learned nothing yet."""


@dataclass(frozen=True)
class Way:
    """A method at a number of function evaluations and by an acting rule."""

    method: MethodRecord
    nfe: int
    acting: str

    def __str__(self) -> str:
        return f"{self.method.name} (K = {self.nfe}, {self.acting})"

    def scores(self, results: Results, task: TaskRecord) -> np.ndarray:
        """Scores of the seeds on a task."""
        return results.scores.of(task.name, self.method.name, self.nfe, self.acting)

    def evidence(self, task: TaskRecord, table: str = "scores", **more: float) -> Evidence:
        """The episodes behind its score on a task."""
        where = {"task": task.name, "method": self.method.name, "nfe": self.nfe, "acting": self.acting}
        return Evidence(table, where | more, "normalized_score")


def way_of(results: Results, name: str, acting: str, nfe: int | None = None) -> Way:
    """A method as a study has scored it: by the rule, or in its only way, at K, or at the study's headline K.

    Raises: Untestable when it has not been scored so.
    """
    method = results.method(name)
    rule = DETERMINISTIC.name if method.acting == (DETERMINISTIC.name,) else acting
    at = results.study.headline(method) if nfe is None else nfe
    if rule not in method.acting:
        raise Untestable(f"{name} not scored by {rule}")
    if at not in method.nfe:
        raise Untestable(f"{name} not scored at K = {at}")
    return Way(method, at, rule)


def difference(results: Results, first: Way, second: Way, label: str, tasks: Sequence[TaskRecord]) -> Part:
    """First minus second, averaged over the tasks on which either has learned something.

    Raises: Untestable when there is no such task, or tasks whose scores have no common average.
    """
    if len({task.source for task in tasks}) > 1:
        raise Untestable("data of several sources have no common average")
    scores = {task: (first.scores(results, task), second.scores(results, task)) for task in tasks}
    able = [task for task, both in scores.items() if max(np.mean(s) for s in both) >= LEARNED]
    if not able:
        raise Untestable(f"at this budget neither reaches {LEARNED:g} points on a task")
    ours, theirs = ([scores[task][side] for task in able] for side in (0, 1))
    episodes = [results.study.episodes if task.is_goal_reaching else None for task in able]
    return Part(
        label,
        lambda confidence: paired_difference(ours, theirs, confidence, episodes),
        tuple(way.evidence(task) for task in able for way in (first, second)),
        tuple(task.name for task in able),
        tuple(dict.fromkeys([first.nfe, second.nfe])),
        tuple(dict.fromkeys([first.acting, second.acting])),
        tuple(task.name for task in tasks if task not in able),
    )


def missing_unless(label: str, make: Callable[[], Part]) -> Part | Missing:
    """What `make` returns, or why it is missing."""
    try:
        return make()
    except Untestable as reason:
        return Missing(label, str(reason))


@dataclass(frozen=True, kw_only=True)
class ScoreDifference(Measure):
    """Score of a method minus that of each of some others, paired by task and seed."""

    method: str
    minus: tuple[str, ...]
    acting: str = SAMPLE
    """Rule by which all act; methods with one way act in that."""
    nfe: Mapping[str, int] = field(default_factory=dict)
    """Method -> its K; the study's headline K for those that are not named."""

    def in_words(self) -> str:
        at = ", ".join(f"K = {k} for {name}" for name, k in self.nfe.items())
        return (
            f"normalised score of {self.method} minus that of {', '.join(self.minus)}, acting {self.acting}"
            f"{f' ({at})' if at else ''}, averaged over tasks, paired by task and seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        own = way_of(results, self.method, self.acting, self.nfe.get(self.method))

        def part(other: str) -> Part:
            way = way_of(results, other, self.acting, self.nfe.get(other))
            return difference(results, own, way, f"against {other}", results.study.tasks)

        return [missing_unless(f"against {other}", partial(part, other)) for other in self.minus]

    def methods(self) -> tuple[str, ...]:
        return (self.method, *self.minus)


@dataclass(frozen=True, kw_only=True)
class NfeDifference(Measure):
    """Score of a method at one number of evaluations K minus that at another, from the same weights."""

    method: str
    nfe: int
    minus_nfe: int
    acting: str = SAMPLE

    def in_words(self) -> str:
        return (
            f"normalised score of {self.method} at K = {self.nfe} minus that at K = {self.minus_nfe}, acting"
            f" {self.acting}, averaged over tasks, paired by task and seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        one, other = (way_of(results, self.method, self.acting, k) for k in (self.nfe, self.minus_nfe))
        label = f"K = {self.nfe} against {self.minus_nfe}"
        return [difference(results, one, other, label, results.study.tasks)]

    def methods(self) -> tuple[str, ...]:
        return (self.method,)


@dataclass(frozen=True, kw_only=True)
class SizeSteps(Measure):
    """Score of each size of a method minus that of the next smaller one."""

    method: str
    acting: str = SAMPLE

    def in_words(self) -> str:
        return (
            f"normalised score of each size of {self.method} minus that of the next smaller one, averaged"
            " over tasks, paired by task and seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        study = results.study
        members = study.sizes().get(self.method)
        if members is None:
            raise Untestable(f"fewer than three sizes of {self.method}")
        cost, first = results.table("cost"), study.tasks[0]
        members = sorted(members, key=lambda method: parameters(cost, study, first, method))
        ways = [way_of(results, method.name, self.acting) for method in members]
        steps = [
            (f"{large.method.name} against {small.method.name}", large, small)
            for small, large in pairwise(ways)
        ]
        return [
            missing_unless(label, partial(difference, results, one, other, label, study.tasks))
            for label, one, other in steps
        ]

    def methods(self) -> tuple[str, ...]:
        return (self.method,)


@dataclass(frozen=True, kw_only=True)
class BestTrial(Measure):
    """What another setting gains on a task over the one that is best on average: the price of one for all."""

    method: str
    acting: str = SAMPLE

    def in_words(self) -> str:
        return (
            f"normalised score of every other trial of {self.method} on each task minus that of the trial"
            f" with the best average, acting {self.acting}, paired by seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        study = results.study
        trials = [method for method in study.methods if method.trial_of == self.method]
        if len(trials) < 2:
            raise Untestable(f"no trials of {self.method}")
        ways = [way_of(results, trial.name, self.acting) for trial in trials]
        averages = [
            average_estimate([way.scores(results, task) for task in study.tasks]).mean for way in ways
        ]
        chosen = ways[int(np.argmax(averages))]
        labels = {
            f"{way.method.name} on {task.name}": (way, task)
            for way in ways
            for task in study.tasks
            if way is not chosen
        }
        return [
            missing_unless(label, partial(difference, results, way, chosen, label, [task]))
            for label, (way, task) in labels.items()
        ]

    def methods(self) -> tuple[str, ...]:
        return (self.method,)


@dataclass(frozen=True, kw_only=True)
class LateChange(Measure):
    """Score of a method at the end of training minus that of each policy kept in the second half of it."""

    method: str

    def in_words(self) -> str:
        return (
            f"normalised score of {self.method} at the end of training minus that of each policy kept in the"
            " second half, averaged over tasks, paired by task and seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        study = results.study
        method = results.method(self.method)
        way, curves = Way(method, study.headline(method), method.acting[0]), results.curves.table
        own = curves[
            (curves["method"] == method.name) & (curves["nfe"] == way.nfe) & (curves["acting"] == way.acting)
        ]
        # Tasks may differ in their number of updates: policies of the same share of training belong together.
        kept = {}
        for task in study.tasks:
            rows = own[own["task"] == task.name].sort_values("seed")
            steps = sorted(rows["step"].unique())
            late = [step for step in steps if step >= steps[-1] / 2]
            kept[task] = {step: rows.loc[rows["step"] == step, "score"].to_numpy() for step in late}
        count = min(len(late) for late in kept.values())
        if count < 2:
            raise Untestable("no policy was kept in the second half of training")
        return [self._part(kept, way, back) for back in range(1, count)]

    def _part(self, kept: Mapping[TaskRecord, dict[float, np.ndarray]], way: Way, back: int) -> Part:
        """The end against the policy kept so many places before it."""
        ends, others = ([list(late.values())[-1 - place] for late in kept.values()] for place in (0, back))
        return Part(
            f"the end against {back} kept before",
            lambda confidence: paired_difference(ends, others, confidence),
            tuple(
                way.evidence(task, "curves", step=list(late)[-1 - place])
                for task, late in kept.items()
                for place in (0, back)
            ),
            tuple(task.name for task in kept),
            (way.nfe,),
            (way.acting,),
        )

    def methods(self) -> tuple[str, ...]:
        return (self.method,)
