"""Figure: normalised score against the time that an action takes, a scatter for each suite of tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from gtp.acting import ActingRule
from gtp.errors import ending_in_one_line
from gtp.report.labels import label_points
from gtp.report.layout import (
    footnote,
    legend_above,
    sample_notice,
    scatter_grid,
    set_score_limits,
    task_title,
    wrap,
)
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.speed import ActingCosts, read_acting_costs
from gtp.report.statistics import Estimate, SeedScores, read_seed_scores
from gtp.report.style import INK, MethodStyle, house_style, method_styles, save_figure

TICKS = (1, 2, 5)
"""Leading digits of the times that an axis names."""
RINGS = ("o", "s", "D", "h")
"""Markers around the points of the acting rules after the first, which has none."""
BARS = {"elinewidth": 0.5, "capsize": 0, "zorder": 2}
FRONTIER = {"color": "#8c8c8c", "linestyle": (0, (2, 1.5)), "linewidth": 0.8}


@dataclass(frozen=True)
class Point:
    """A method at one K by one rule: time of an action (µs) and score, both with intervals."""

    method: MethodRecord
    rule: str
    nfe: int
    time: Estimate
    score: Estimate


@house_style()
def draw(scores: SeedScores, costs: ActingCosts, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores and the time of one action, at the smallest batch.

    Methods with a colour stand there at every K and by every rule, those in grey at the headline K by their
    first. The dashed line joins the points that no other beats in both time and score.
    """
    styles = method_styles(study)
    suites = study.suites()
    figure, panels = scatter_grid(len(suites))
    names = []
    for axes, (suite, tasks) in zip(panels, suites.items(), strict=True):
        points = points_of(scores, costs, study, tasks, styles)
        axes.set_title(title_of(suite, tasks, axes))
        set_times(axes, *time_limits([point.time for point in points]))
        set_score_limits(
            axes, all(task.is_goal_reaching for task in tasks), [point.score.mean for point in points]
        )
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.12 * (high - low))  # room for names above the best
        axes.set_xlabel("time of an action (µs)")
        axes.grid(axis="y")
        draw_points(axes, points, study, styles)
        steps = frontier(points)
        steps.append((axes.get_xlim()[1], steps[-1][1]))
        axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", zorder=1, **FRONTIER)
        named = [p for p in points if (p.nfe, p.rule) == (study.headline(p.method), p.method.acting[0])]
        others = [p for p in points if p not in named]
        names.append((axes, named, others))
    panels[0].set_ylabel("normalised score")
    legend_above(figure, legend_of(study))
    footnote(
        figure,
        sample_notice(study, scores.episodes()),
        "A suite's score is the mean over its tasks." if len(suites) < len(study.tasks) else "",
        time_notice(costs, study, costs.batch_sizes()[0]),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    label_points(
        figure,
        {
            axes: (
                [(p.method.label, p.time.mean, p.score.mean, styles[p.method.name].color) for p in named],
                [(p.time.mean, p.score.mean) for p in others],
            )
            for axes, named, others in names
        },
    )
    return figure


def title_of(suite: str, tasks: Sequence[TaskRecord], axes: Axes) -> str:
    """The suite, and its task where it has one alone."""
    name = task_title(tasks[0]) if len(tasks) == 1 else f"{suite}, {len(tasks)} tasks"
    return wrap(name, axes.figure.get_figwidth() / 3)


def points_of(
    scores: SeedScores,
    costs: ActingCosts,
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    styles: dict[str, MethodStyle],
) -> list[Point]:
    """What is drawn of a suite, in the order of methods, rules and K."""
    batch, measured = costs.batch_sizes()[0], costs.measured_on(study, tasks[0].suite).name
    points = []
    for method in study.methods:
        everything = styles[method.name].colored
        for rule in method.acting if everything else method.acting[:1]:
            for nfe in study.evaluated_nfe(method) if everything else [study.headline(method)]:
                seconds = costs.seconds(measured, method.name, nfe, batch, rule)
                time = Estimate(1e6 * seconds.mean, 1e6 * seconds.low, 1e6 * seconds.high, seconds.n)
                points.append(Point(method, rule, nfe, time, scores.estimate(tasks, method.name, nfe, rule)))
    return points


def frontier(points: Sequence[Point]) -> list[tuple[float, float]]:
    """(time, score) of the points that score above all faster ones, in order of time."""
    best: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point.time.mean, -point.score.mean)):
        if not best or point.score.mean > best[-1][1]:
            best.append((point.time.mean, point.score.mean))
    return best


def draw_points(
    axes: Axes, points: Sequence[Point], study: StudyRecord, styles: dict[str, MethodStyle]
) -> None:
    """The points of a panel with their intervals, those of a method and rule joined, each with its K."""
    ways = dict.fromkeys((point.method.name, point.rule) for point in points)
    for order, (name, rule) in enumerate(ways):
        own = [point for point in points if (point.method.name, point.rule) == (name, rule)]
        first = rule == own[0].method.acting[0]
        times, scores = ([getattr(point, what) for point in own] for what in ("time", "score"))
        look = styles[name].line() if first else styles[name].line(linewidth=0.6)
        means = [[estimate.mean for estimate in several] for several in (times, scores)]
        bars = [np.transpose([e.whiskers for e in several]) for several in (times, scores)]
        axes.errorbar(
            *means, xerr=bars[0], yerr=bars[1], fmt="none", ecolor=look["color"], alpha=0.35, **BARS
        )
        axes.plot(*means, **look, zorder=6 - order / len(ways))
        if not first:
            mark = ring(study.acting.index(rule), look["color"])
            axes.plot(*means, linestyle="", zorder=6, **mark)
        for point in own if first and len(own) > 1 else ():
            axes.annotate(
                f"{point.nfe:g}", (point.time.mean, point.score.mean), (1.8, 2.4), fontsize=5,
                textcoords="offset points", color=look["color"], zorder=7,
            )  # fmt: skip


def ring(rule: int, color: str) -> dict:
    """Arguments for Axes.plot: outlines around the points of the study's rule at this place, from 1."""
    outline = {"markerfacecolor": "none", "markeredgecolor": color, "markeredgewidth": 0.6}
    return {"marker": RINGS[(rule - 1) % len(RINGS)], "markersize": 6.5, **outline}


def legend_of(study: StudyRecord) -> list[Line2D]:
    """What rings and the dashed line mean; methods are named where they stand."""
    first, *others = [ActingRule.parse(rule).label for rule in study.acting]
    dot = {"linestyle": "", "marker": "o", "markersize": 3.6, "color": INK}
    handles = [Line2D([], [], label=f"{first}, or the one way of a method", **dot)]
    handles += [
        Line2D([], [], label=name, linestyle="", **ring(place, INK))
        for place, name in enumerate(others, start=1)
    ]
    return [*handles, Line2D([], [], label="no point is faster and better", **FRONTIER)]


def time_limits(times: Sequence[Estimate]) -> tuple[float, float]:
    """Range of the horizontal axis: all means and intervals, with room around them."""
    low = min(np.nanmin([time.mean, time.low]) for time in times)
    high = max(np.nanmax([time.mean, time.high]) for time in times)
    room = (high / low) ** 0.08 * 1.05
    return low / room, high * room


def set_times(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis of times with a few plain numbers."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    digits = TICKS if high / low < 150 else TICKS[:1]
    ticks = [digit * decade for decade in decades for digit in digits if low <= digit * decade <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def time_notice(costs: ActingCosts, study: StudyRecord, batch: int) -> str:
    """What a time is, and what its interval is over."""
    tasks = {costs.measured_on(study, suite).name: None for suite in study.suites()}
    devices = {costs.devices(task, method.name) for task in tasks for method in study.methods}
    what = "one observation" if batch == 1 else f"a batch of {batch}, per observation"
    repetitions = costs.repetitions()
    interval = (
        "measured once, so no interval"
        if repetitions == "1"
        else f"geometric mean and 95 % $t$ interval over {repetitions} rounds in one process"
    )
    where = ", ".join(study.task_label(task) for task in tasks)
    return (
        f"Time: {what}, on {', '.join(sorted(devices))}, {interval}; measured on {where}."
        " Numbers beside points: $K$, which grows along a line; a lone point has"
        f" $K$ = {study.headline_nfe}, or the method's only one."
    )


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        costs = read_acting_costs(snakemake.input.cost, study)
        save_figure(draw(scores, costs, study), *snakemake.output)
