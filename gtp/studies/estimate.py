"""How long a study takes: from what committed runs cost, and how fast its environments step here.

A job is taken to last as long as a reference's of the same method and network sizes did per update and per
action, at this machine's speed. Of several measurements the fastest counts: what else ran beside them can
only have slowed them down. Observations and actions of another size change little.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.config import TaskSpec
from gtp.data.sources import Generated
from gtp.envs.make import make_environment
from gtp.errors import UserError
from gtp.report.results import read_results
from gtp.studies.plan import Plan
from gtp.studies.tasks import Origin

START = 8.0
"""Seconds in which a job's process is started and imports what it needs."""
WRITING, READING = 0.006, 0.004
"""Seconds in which an episode of a dataset is written and described, and in which it is read for training."""
DRAWING = 150.0
"""Seconds in which figures, tables and the page are made, by one core."""
SIZES = ("batch_size", "hidden_size", "hidden_layers")
"""Fields of the budget that decide what an update and an action cost."""


@dataclass(frozen=True)
class Cost:
    """What one method costs on a core of the reference's machine."""

    compilation: float
    """Seconds."""
    update: float
    """Seconds of one update of one seed."""
    calls: Mapping[tuple[str, int], Mapping[int, float]]
    """(acting rule, K) -> observations in a call -> its seconds."""

    def call(self, nfe: int, acting: str, batch: int) -> float:
        """Seconds of one call for `batch` observations: linear in them, and by the nearest K at least."""
        known = [k for rule, k in self.calls if rule == acting]
        if not known:
            acting = next(rule for rule, _ in self.calls)
            known = [k for rule, k in self.calls if rule == acting]
        nearest = min(known, key=lambda k: abs(k - nfe))
        sizes, seconds = zip(*sorted(self.calls[acting, nearest].items()), strict=True)
        slope, base = np.polyfit(sizes, seconds, 1) if len(sizes) > 1 else (seconds[0] / sizes[0], 0.0)
        return max(base + slope * batch, min(seconds)) * max(1.0, nfe / nearest)


@dataclass(frozen=True)
class Measured:
    """The committed runs whose costs an estimate takes: their plans, and the folders of their tables."""

    plans: Mapping[Path, Plan]

    @cached_property
    def costs(self) -> pd.DataFrame:
        """The rows of every cost.csv, with the algorithm beside the method."""
        parts = []
        for folder, plan in self.plans.items():
            table = read_results(folder / "cost.csv", "cost")
            table["algorithm"] = table["method"].map(lambda name, plan=plan: plan.methods[name].algorithm)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def lengths(self) -> Mapping[str, float]:
        """Task -> mean steps of an evaluation episode."""
        tables = [read_results(folder / "scores.csv", "scores") for folder in self.plans]
        return pd.concat(tables).groupby("task")["length"].mean().to_dict()

    def check(self, plan: Plan) -> None:
        """Raises UserError when the networks or batches of a study are of another size."""
        for folder, other in self.plans.items():
            for size in SIZES:
                here, there = getattr(plan.study.train, size), getattr(other.study.train, size)
                if here != there:
                    raise UserError(
                        f"{folder} was measured at {size} {there}, and the study has {here}; name finished"
                        " runs of its sizes with --measured"
                    )

    def stand_in(self, name: str, plan: Plan) -> str:
        """The measured method that tells of another: itself, what it derives from, or one of its algorithm.

        Raises UserError when there is none.
        """
        method, known = plan.methods[name], set(self.costs["method"])
        alike = self.costs.loc[self.costs["algorithm"] == method.algorithm, "method"]
        for other in (name, method.ablation_of, method.size_of, method.trial_of, *alike):
            if other in known:
                return other
        raise UserError(
            f"no cost.csv of {', '.join(map(str, self.plans))} has {method.algorithm}; name a finished run of"
            " it with --measured"
        )

    def cost(self, method: str) -> Cost:
        """What a method costs that has rows."""
        rows = self.costs[self.costs["method"] == method]
        values = {quantity: part["value"] for quantity, part in rows.groupby("quantity")}
        calls: dict[tuple[str, int], dict[int, float]] = {}
        timed = rows[rows["quantity"] == "seconds_per_action"].groupby(["acting", "nfe", "batch_size"])[
            "value"
        ]
        for (acting, nfe, batch), seconds in timed.min().items():
            calls.setdefault((acting, int(nfe)), {})[int(batch)] = batch * seconds
        return Cost(
            compilation=values["compilation_seconds"].min(),
            update=1 / values["seed_updates_per_second"].max(),
            calls=calls,
        )


@dataclass(frozen=True)
class Share:
    """Seconds of one core that a stage of a study takes for one task and method; "" where it is for all."""

    stage: str
    task: str
    method: str
    seconds: float
    longest: float
    """Seconds of the longest of its jobs."""
    alone: bool = False
    """Whether nothing else may run meanwhile."""


def seconds_per_step(task: TaskSpec, budget: float = 0.5) -> float:
    """CPU seconds of a step in a task's environment with random actions, measured here for about `budget`."""
    environment = make_environment(task)
    environment.reset(seed=0)
    began, steps = time.process_time(), 0  # not the clock on the wall: other work may share the cores
    while (passed := time.process_time() - began) < budget:
        *_, terminated, truncated, _ = environment.step(environment.action_space.sample())
        steps += 1
        if terminated or truncated:
            environment.reset()
    environment.close()
    return passed / steps


def recorded_length(origin: Origin) -> float:
    """Steps of an episode of a dataset that is recorded here: as its task expects, or until it is cut off."""
    if (expected := origin.expect.episode_length) is not None:
        return sum(expected) / 2
    options = dict(origin.dataset.options) if isinstance(origin.dataset, Generated) else {}
    return options.get("horizon", origin.spec.max_episode_steps)


def shares(plan: Plan, measured: Measured, speed: float) -> Iterator[Share]:
    """What the jobs of a study take. Raises UserError when a method was never measured at the study's sizes.

    `speed` is that of a core here over that of a core of the measured runs' machine.
    """
    measured.check(plan)
    study = plan.study
    steps = {task: seconds_per_step(plan.origin(task).spec) for task in study.tasks}
    costs = {name: measured.cost(measured.stand_in(name, plan)) for name in study.methods}
    for task in study.tasks:
        episodes = 0.0
        if plan.origin(task).dataset.recorded_here:
            episodes = study.dataset_steps / recorded_length(plan.origin(task))
            recorded = START + study.dataset_steps * steps[task] + episodes * WRITING
            yield Share("generate", task, "", recorded, recorded / 2)
        yield Share("prepare", task, "", 2 * START + episodes * READING, START + episodes * READING)
    for task in study.tasks:
        length = measured.lengths.get(task, plan.origin(task).spec.max_episode_steps)
        for name in study.methods:
            yield from shares_of_runs(plan, task, name, costs[name], length, steps[task], speed)
    for suite, task in {plan.tasks[task].suite: task for task in reversed(study.tasks)}.items():
        yield Share("cost", task, "", START, START, alone=True)
        for name in study.methods:
            steps_of = plan.timed_nfe if plan.methods[name].choosable_nfe else [1]
            calls = len(steps_of) * len(plan.acting(name, suite)) * len(study.cost.batch_sizes)
            yield Share("cost", task, name, 5 * 0.04 * calls, 0.0, alone=True)
    yield Share("draw", "", "", DRAWING, DRAWING / 10)


def shares_of_runs(
    plan: Plan, task: str, name: str, cost: Cost, length: float, seconds_per_step: float, speed: float
) -> Iterator[Share]:
    """What training and evaluating one method on one task takes, all seeds together.

    `length` is that of an episode in steps, each of which takes the environment `seconds_per_step`.
    """
    study, evaluation, suite = plan.study, plan.study.evaluation, plan.tasks[task].suite
    train = study.train_config(suite)
    chunks = [len(seeds) for seeds in study.seed_chunks().values()]

    def episodes(count: int, nfe: int, acting: str) -> float:
        """Seconds of the episodes of one seed, side by side."""
        return length * (count * seconds_per_step + cost.call(nfe, acting, count) / speed)

    if not plan.methods[name].weights_of:
        jobs = [START + (cost.compilation + train.steps * seeds * cost.update) / speed for seeds in chunks]
        yield Share("train", task, name, sum(jobs), max(jobs))
    rules = plan.acting(name, suite)
    headline = evaluation.headline_nfe if plan.methods[name].choosable_nfe else 1
    shown = len(train.snapshot_steps())
    per_seed = {
        "evaluate": sum(episodes(evaluation.episodes, nfe, r) for nfe in plan.nfe(name) for r in rules),
        "curve": shown * episodes(evaluation.curve_episodes, headline, rules[0]),
        "support": sum(episodes(evaluation.curve_episodes, headline, rule) for rule in rules),
    }
    for stage, seconds in per_seed.items():
        jobs = [START + seeds * seconds for seeds in chunks]
        yield Share(stage, task, name, sum(jobs), max(jobs))


def minutes(parts: Sequence[Share], cores: int) -> float:
    """Minutes that the shares take on so many cores: as long as the work, or as the longest job."""
    together = [part for part in parts if not part.alone]
    work = sum(part.seconds for part in together) / cores
    return (max([work, *(part.longest for part in together)]) + sum(p.seconds for p in parts if p.alone)) / 60


def estimate_lines(plan: Plan, measured: Measured, speed: float, cores: int) -> Iterator[str]:
    """The estimate as tables, minutes of one core by task, method and stage; then what they add up to."""
    parts = list(shares(plan, measured, speed))
    stages = list(dict.fromkeys(part.stage for part in parts))
    frame = pd.DataFrame(
        {
            "task": [part.task or "all" for part in parts],
            "method": [part.method for part in parts],
            "stage": [part.stage for part in parts],
            "minutes": [part.seconds / 60 for part in parts],
        }
    )
    for by in ("task", "method"):
        rows = frame[frame[by] != ""]
        table = rows.pivot_table(index=by, columns="stage", values="minutes", aggfunc="sum", sort=False)
        table = table.reindex(columns=[stage for stage in stages if stage in table]).assign(
            total=table.sum(axis=1)
        )
        table.index.name = f"core-minutes by {by}"
        yield from (
            table.rename_axis(columns=None)
            .reset_index()
            .to_string(index=False, float_format=lambda value: f"{value:.1f}", na_rep="", justify="right")
            .splitlines()
        )
        yield ""
    total = minutes(parts, cores)
    spoken = f"{total / 60:.1f} hours" if total >= 120 else f"{total:.0f} minutes"
    sources = " and ".join(map(str, measured.plans))
    unmeasured = [task for task in plan.study.tasks if task not in measured.lengths]
    yield f"Study {plan.study.study}: about {spoken} on {cores} cores; a run that is cut off resumes."
    yield f"By the costs in {sources}, a core here being {speed:.2f} times as fast."
    others = {name: measured.stand_in(name, plan) for name in plan.study.methods}
    if guessed := [f"{name} as {other}" for name, other in others.items() if name != other]:
        yield f"Never measured and taken to cost the same: {', '.join(guessed)}."
    if unmeasured:
        yield f"Episodes were never measured on {', '.join(unmeasured)}: all are taken to last to their end."
