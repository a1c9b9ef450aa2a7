"""Figure: normalised score against the time that an action takes, a panel for each task."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from gtp.acting import ActingRule
from gtp.errors import ending_in_one_line
from gtp.report.layout import Panels, task_figure
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.speed import ActingCosts, read_acting_costs
from gtp.report.statistics import Estimate, SeedScores, mean_estimate, read_seed_scores
from gtp.report.style import MethodStyle, house_style, method_styles, save_figure

TICKS = (1, 2, 5)
"""Leading digits of the times that an axis names."""
RINGS = ("o", "s", "D", "h")
"""Markers around the points of the acting rules after the first, which has none."""
RING_NAMES = ("circle", "square", "diamond", "hexagon")


@house_style()
def draw(scores: SeedScores, costs: ActingCosts, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each K and the time of one action there, at the smallest batch."""
    styles = method_styles(study)
    batch = costs.batch_sizes()[0]

    def draw_task(task: TaskRecord, panels: Panels) -> list[float]:
        points = {
            (method.name, rule): points_of(scores, costs, study, task, method, batch, rule)
            for method in study.methods
            for rule in method.acting
        }
        limits = time_limits([time for several in points.values() for time, _ in several])
        for axes, methods in panels:
            draw_points(axes, methods, points, study, styles)
            set_times(axes, *limits)
        return [score.mean for several in points.values() for _, score in several]

    return task_figure(study, scores, draw_task, "time of an action (ms)", time_notice(costs, study, batch))


def points_of(
    scores: SeedScores,
    costs: ActingCosts,
    study: StudyRecord,
    task: TaskRecord,
    method: MethodRecord,
    batch: int,
    rule: str,
) -> list[tuple[Estimate, Estimate]]:
    """Time of an action (ms) and score of a method on one task by a rule, at each K that is scored."""
    measured = costs.measured_on(study, task.suite).name
    points = []
    for nfe in study.evaluated_nfe(method):
        seconds = costs.seconds(measured, method.name, nfe, batch, rule)
        time = Estimate(1e3 * seconds.mean, 1e3 * seconds.low, 1e3 * seconds.high, seconds.n)
        points.append((time, mean_estimate(scores.of(task.name, method.name, nfe, rule))))
    return points


def draw_points(
    axes: Axes,
    methods: Sequence[MethodRecord],
    points: Mapping[tuple[str, str], list[tuple[Estimate, Estimate]]],
    study: StudyRecord,
    styles: Mapping[str, MethodStyle],
) -> None:
    """One panel: a line for each method and rule, a point with both intervals at each K.

    The first rule's points are as in all figures; others have a ring and a thin line. Numbers are K.
    """
    ways = [(method, rule) for method in methods for rule in method.acting]
    for order, (method, rule) in enumerate(ways):
        times, scores = zip(*points[method.name, rule], strict=True)
        look = styles[method.name].line()
        layer = 5 - order / len(ways)  # the first method on top
        if rule != method.acting[0]:
            look["linewidth"] = 0.6
            means = [[estimate.mean for estimate in several] for several in (times, scores)]
            axes.plot(*means, zorder=layer, **ring(study.acting.index(rule), look["color"]))
        axes.errorbar(
            [time.mean for time in times],
            [score.mean for score in scores],
            xerr=np.transpose([(e.mean - e.low, e.high - e.mean) for e in times]),
            yerr=np.transpose([(e.mean - e.low, e.high - e.mean) for e in scores]),
            elinewidth=0.7,
            capsize=1.2,
            capthick=0.7,
            zorder=layer,
            **look,
        )
    named = next((method for method in methods if method.generative), None)
    named_points = points[named.name, named.acting[0]] if named else ()
    for nfe, (time, score) in zip(study.evaluated_nfe(named), named_points, strict=True) if named else ():
        color = styles[named.name].color
        axes.annotate(
            f"{nfe:g}", (time.mean, score.mean), (2.2, 2.5), textcoords="offset points", fontsize=5.5,
            color=color, zorder=6,
        )  # fmt: skip
    axes.grid(axis="y")


def ring(rule: int, color: str) -> dict[str, Any]:
    """Arguments for Axes.plot: outlines around the points of the study's rule at this place, from 1."""
    outline = {"markerfacecolor": "none", "markeredgecolor": color, "markeredgewidth": 0.6}
    return {"linestyle": "", "marker": RINGS[(rule - 1) % len(RINGS)], "markersize": 6.5, **outline}


def time_limits(times: Sequence[Estimate]) -> tuple[float, float]:
    """Range of the horizontal axis: all means and intervals, with room around them."""
    low = min(np.nanmin([time.mean, time.low]) for time in times)
    high = max(np.nanmax([time.mean, time.high]) for time in times)
    room = (high / low) ** 0.08 * 1.05
    return low / room, high * room


def set_times(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis of milliseconds with a few plain numbers."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    powers = [decade for decade in decades if low <= decade <= high]
    digits = TICKS if high / low < 30 or len(powers) < 2 else TICKS[:1]  # one number alone gives no scale
    ticks = [digit * decade for decade in decades for digit in digits if low <= digit * decade <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
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
    first, *rest = [ActingRule.parse(rule).label for rule in study.acting]
    first += ", or the method's one way of acting"
    others = "".join(f"; in a {name}: {rule}" for name, rule in zip(cycle(RING_NAMES), rest, strict=False))
    return (
        f"Time: {what}, on {', '.join(sorted(devices))}, {interval}; measured on {where}."
        f" Numbers beside points: $K$. Points as in the legend: {first}{others}."
    )


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        costs = read_acting_costs(snakemake.input.cost, study)
        save_figure(draw(scores, costs, study), *snakemake.output)
