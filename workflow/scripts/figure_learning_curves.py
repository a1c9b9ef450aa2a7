"""Figure: normalised score during training, a thin line for each seed, and the tables' scores at the end."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtp.errors import ending_in_one_line
from gtp.report.layout import (
    footnote,
    label_panels,
    legend_above,
    legend_lines,
    panel_grid,
    set_score_limits,
    task_titles,
    wrap,
)
from gtp.report.record import MethodRecord, StudyRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import TEXT_WIDTH, MethodStyle, house_style, method_styles, save_figure

SHARED = 3
"""Most methods whose seeds one panel shows; more have a small panel each."""
NAMES, LEAST, MOST = 1.15, 0.42, 0.6
"""Inches: names of methods beside small panels, and the height of these."""
PAGE = 8.5


@house_style()
def draw(curves: SeedScores, scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at the kept steps, and those of the last one at the headline K.

    Lines end at the latter, which are means of more episodes and stand in the tables. A few methods share a
    panel for each task; else there is a row of small panels for each, with the first method's mean in all.
    """
    factor, unit = update_unit(study.steps)
    runs = {
        (task.name, method.name): with_last_score(
            curves.seed_curves(task.name, method.name),
            scores.of(task.name, method.name, study.headline(method)),
            factor,
        )
        for task in study.tasks
        for method in study.methods
    }
    small = len(study.methods) > SHARED
    if small:
        figure = Figure(figsize=(TEXT_WIDTH, 0.6 + len(study.methods) * row_height(len(study.methods))))
        figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.02)
        size = (len(study.methods), len(study.tasks))
        grid = figure.subplots(*size, sharex="col", sharey="col", squeeze=False)
        groups: Sequence[Sequence[MethodRecord]] = [[method] for method in study.methods]
    else:
        figure, grid = panel_grid(len(study.tasks))
        groups = [study.methods]
    fill(grid, groups, runs, study)
    if small:
        name_rows(figure, grid, study, unit)
    else:
        label_panels(grid, task_titles(study), unit, ["normalised score"])
        legend_above(figure, legend_lines(study))
    footnote(
        figure,
        f"Thin: {len(study.seeds)} seeds, {curves.episodes()} episodes each; bold: their mean; last point:"
        f" the final evaluation with {scores.episodes()} episodes, as in the tables.",
        f"Dotted: {study.methods[0].label}." if small else "",
        study.acting_notice(),
        study.data_notice(),
        curves.divergence_notice(study),
    )
    return figure


def row_height(methods: int) -> float:
    """Height of a row of small panels, such that all fit a page if they can."""
    return min(MOST, max(LEAST, (PAGE - 0.6) / methods))


def with_last_score(curve: pd.DataFrame, last: Sequence[float], factor: float) -> pd.DataFrame:
    """A curve (steps, seeds) whose last step has the scores of the final evaluation; steps in `factor`."""
    ended = curve.copy()
    ended.iloc[-1] = last
    return ended.set_axis(ended.index / factor)


def fill(grid, groups, runs: dict[tuple[str, str], pd.DataFrame], study: StudyRecord) -> None:
    """Draw every panel: a column for each task, a row for each group of methods."""
    styles, first = method_styles(study), study.methods[0]
    for column, task in enumerate(study.tasks):
        means = [mean for method in study.methods for mean in runs[task.name, method.name].mean(axis=1)]
        end = max(runs[task.name, method.name].index.max() for method in study.methods)
        for axes, methods in zip(grid[:, column], groups, strict=True):
            if first not in methods:
                mean = runs[task.name, first.name].mean(axis=1)
                look = {"color": styles[first.name].color, "linewidth": 0.8, "alpha": 0.8}
                axes.plot(mean.index, mean, linestyle=(0, (1, 1)), zorder=2, **look)
            for order, method in enumerate(methods):
                run = runs[task.name, method.name]
                draw_run(axes, run, styles[method.name], 5 - order / len(methods))
            set_score_limits(axes, task.is_goal_reaching, means)
            axes.set_xlim(0, 1.03 * end)  # suites may train for different numbers of updates
            axes.grid(axis="y")


def draw_run(axes: Axes, run: pd.DataFrame, look: MethodStyle, layer: float) -> None:
    """One method on one task: each seed, their mean, and the last point."""
    axes.plot(run.index, run, color=look.color, linewidth=0.5, alpha=0.7, zorder=layer - 2, clip_on=False)
    mean = run.mean(axis=1)
    axes.plot(mean.index, mean, zorder=layer, **look.line(markevery=[-1], clip_on=False))


def name_rows(figure: Figure, grid, study: StudyRecord, unit: str) -> None:
    """Names of tasks above, of methods beside small panels, and few numbers on their axes."""
    width = (TEXT_WIDTH - NAMES) / len(study.tasks)
    for axes, title in zip(grid[0], task_titles(study), strict=True):
        axes.set_title(wrap(title, width), linespacing=1)
    for row, method in zip(grid, study.methods, strict=True):
        label = wrap(method.label, NAMES)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", linespacing=1, fontsize=7)
        for axes in row:
            axes.locator_params(axis="y", nbins=3)
            axes.tick_params(labelsize=6)
    for axes in grid[-1]:
        axes.set_xlabel(unit)


def update_unit(steps: int) -> tuple[float, str]:
    """How many updates the horizontal axis counts as one, and its label."""
    if steps >= 1_000_000:
        return 1e6, "updates (millions)"
    return (1e3, "updates (thousands)") if steps >= 1_000 else (1.0, "updates")


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        curves = read_seed_scores(snakemake.input.curves, "curves", study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(curves, scores, study), *snakemake.output)
