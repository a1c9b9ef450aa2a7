"""Figure: the score of every seed of every method, by each way of acting, on each task or on average."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.acting import ActingRule
from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, legend_above, sample_notice, task_titles, wrap
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import COLUMN_WIDTH, INK, TEXT_WIDTH, house_style, method_styles, save_figure

ROW = 0.2
"""Inches of a method by one rule."""
FACES = ({}, {"markerfacecolor": "white"}, {"markerfacecolor": "#d9d9d9"})
"""Changes of the dots of the study's acting rules."""
NAMES = 1.35
"""Inches of the methods' names."""

Panel = tuple[str, Sequence[TaskRecord]]
"""Title, and the tasks that it averages over."""


@house_style()
def draw(scores: SeedScores, study: StudyRecord, over: str) -> Figure:
    """The figure from the seeds' scores at the headline K.

    `over` is tasks, for a panel for each of them, or average, for one over all of them (for each suite where
    data have several sources), in one column of text.
    """
    if over == "tasks":
        panels: list[Panel] = [
            (title, [task]) for title, task in zip(task_titles(study), study.tasks, strict=True)
        ]
    else:
        panels = [(pool or average_of(study), tasks) for pool, tasks in study.pools().items()]
    lines = sum(len(method.acting) for method in study.methods)
    most = 4 if over == "tasks" else 1
    columns, bands = min(len(panels), most), -(-len(panels) // most)
    width = COLUMN_WIDTH if columns == 1 else TEXT_WIDTH
    figure = Figure(figsize=(width, 0.6 + bands * (0.35 + ROW * max(lines, 4) * 0.75)))
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.03)
    grid = figure.subplots(bands, columns, sharey=True, squeeze=False).ravel()
    for unneeded in grid[len(panels) :]:
        unneeded.remove()
    for axes, (title, tasks) in zip(grid, panels, strict=False):
        draw_seeds(axes, scores, study, tasks)
        axes.set_title(wrap(title, (width - NAMES) / columns + 0.1), linespacing=1)
        axes.set_xlabel("normalised score")
    legend_above(figure, legend_of(study))
    footnote(
        figure,
        sample_notice(study, scores.episodes()),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def average_of(study: StudyRecord) -> str:
    """Title of a panel over all tasks."""
    return study.tasks[0].label if len(study.tasks) == 1 else f"average of {len(study.tasks)} tasks"


def draw_seeds(axes: Axes, scores: SeedScores, study: StudyRecord, tasks: Sequence[TaskRecord]) -> None:
    """One panel: for each method and rule a dot for each seed, a stroke at the mean and its interval."""
    styles = method_styles(study)
    place, ticks = 0.0, {}
    for method in study.methods:
        color = styles[method.name].color
        ticks[method.label] = place + (len(method.acting) - 1) / 2
        for order, rule in enumerate(method.acting):
            nfe = study.headline(method)
            seeds = scores.matrix(tasks, method, nfe, rule).mean(axis=1)
            value = scores.estimate(tasks, method.name, nfe, rule)
            axes.plot([value.low, value.high], [place] * 2, color=color, linewidth=0.7, alpha=0.6)
            axes.plot(value.mean, place, marker="|", markersize=7, markeredgewidth=1.2, color=color)
            dots = styles[method.name].line(marker="o", markersize=3.2, linestyle="", markeredgecolor=color)
            axes.plot(
                seeds, np.full(len(seeds), place), **dots | {"markerfacecolor": color} | FACES[order % 3]
            )
            place += 1.0
        place += 0.35
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - 0.6, -0.7)
    axes.grid(axis="x")
    if all(task.is_goal_reaching for task in tasks):
        axes.set_xlim(-4, 104)
    else:
        limit_to_seeds(axes, scores, study, tasks)


def limit_to_seeds(axes: Axes, scores: SeedScores, study: StudyRecord, tasks: Sequence[TaskRecord]) -> None:
    """Show every seed and 0; intervals of few seeds may be so wide that the frame cuts them."""
    values = [0.0]
    for method in study.methods:
        for rule in method.acting:
            values += scores.matrix(tasks, method, study.headline(method), rule).mean(axis=1).tolist()
    room = 0.08 * (max(values) - min(values) or 1.0)
    axes.set_xlim(min(values) - room, max(values) + room)


def legend_of(study: StudyRecord) -> list[Line2D]:
    """What a dot, a hollow one and a stroke are."""
    dot = {"linestyle": "", "marker": "o", "markersize": 3.2, "color": INK}
    names = [ActingRule.parse(rule).label for rule in study.acting]
    handles = [
        Line2D([], [], label=f"a seed, {name}", **dot | FACES[order % 3]) for order, name in enumerate(names)
    ]
    mean = Line2D([], [], label="mean", linestyle="", marker="|", markersize=7, color=INK)
    return [*handles, mean]


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(scores, study, snakemake.params.over), *snakemake.output)
