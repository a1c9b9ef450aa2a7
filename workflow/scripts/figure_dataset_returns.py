"""Figure: returns of the episodes in the dataset of each task without a maze, between scores of 0 and 100."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import footnote, legend_above, wrap
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.style import COLUMN_WIDTH, INK, TEXT_WIDTH, house_style, save_figure

BINS, PER_ROW, ROW = 50, 4, 1.2
"""Bins in the range of one environment's returns; the most panels in a row; height of a row in inches."""
HEADROOM = 1.22
"""Height of a panel over its highest bar, for the names of the lines."""
FILL, QUIET = "#9db8cf", "#595959"
STEPS = {"color": INK, "linewidth": 0.6}
LIMIT = {"color": "#bb5566", "linewidth": 0.8, "linestyle": (0, (3, 1.5))}


@house_style()
def draw(episodes: pd.DataFrame, study: StudyRecord, file: str) -> Figure:
    """The figure from the rows of episodes.csv; `file` names it in messages.

    Panels of one environment share bins and horizontal axis, and stand in rows of their own when there are
    several. Raises UserError when all tasks have mazes, or one has no episodes.
    """
    study = study.only(task for task in study.tasks if not task.is_goal_reaching)
    if not study.tasks:
        raise UserError(f"study {study.study} has no task without a maze; add one, or draw the coverage")
    missing = [task.name for task in study.tasks if not (episodes["task"] == task.name).any()]
    if missing:
        raise UserError(f"{file} has no rows for {missing[0]} in the column 'task'; {REMEDY}")
    blocks = {suite: rows_of(tasks) for suite, tasks in study.suites().items()}
    counts = [len(rows) for rows in blocks.values()]
    columns = max(len(row) for rows in blocks.values() for row in rows)
    panel = TEXT_WIDTH / max(columns, 3)
    figure = Figure(figsize=(max(COLUMN_WIDTH, panel * columns), 0.5 + ROW * sum(counts)))
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.02)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=counts)[:, 0]
    for part, (suite, rows) in zip(parts, blocks.items(), strict=True):
        if len(blocks) > 1:
            part.suptitle(suite, x=0.01, ha="left", style="italic", fontsize=8)
        draw_suite(part, rows, columns, episodes, study)
    handles = [
        Patch(label="share of episodes", color=FILL),
        Line2D([], [], label="share of steps", **STEPS),
        Line2D([], [], label="return that scores 0 and 100", **LIMIT),
    ]
    legend_above(figure, handles)
    footnote(figure, study.score_notice(), study.data_notice())
    return figure


def rows_of(tasks: Sequence[TaskRecord]) -> list[list[TaskRecord]]:
    """Tasks of a suite in rows of at most PER_ROW: by environment, unless each has but one task."""
    groups: dict[str, list[TaskRecord]] = {}
    for task in tasks:
        groups.setdefault(task.environment, []).append(task)
    if all(len(group) == 1 for group in groups.values()):
        groups = {"": list(tasks)}
    return [group[i : i + PER_ROW] for group in groups.values() for i in range(0, len(group), PER_ROW)]


def draw_suite(
    part: SubFigure, rows: list[list[TaskRecord]], columns: int, episodes: pd.DataFrame, study: StudyRecord
) -> None:
    """The panels of one suite, row by row."""
    grid = part.subplots(len(rows), columns, squeeze=False)
    for places, row in zip(grid, rows, strict=True):
        for axes, task in zip(places, row, strict=False):
            same = [other for other in study.tasks if other.environment == task.environment]
            draw_task(axes, task, episodes[episodes["task"] == task.name], edges_of(same, episodes))
            title = wrap(task.label, TEXT_WIDTH / max(columns, 3))
            axes.set_title(title, pad=11, linespacing=1)
        for axes in places[len(row) :]:
            axes.remove()
        places[0].set_ylabel("share (%)")
    for index in range(columns):
        lowest = [places[index] for places, row in zip(grid, rows, strict=True) if index < len(row)]
        if lowest:
            lowest[-1].set_xlabel("return of an episode")


def edges_of(tasks: Sequence[TaskRecord], episodes: pd.DataFrame) -> np.ndarray:
    """Edges of the bins, (BINS + 1,), over all returns and reference returns of some tasks."""
    returns = episodes.loc[episodes["task"].isin([task.name for task in tasks]), "return"]
    limits = [limit for task in tasks for limit in (task.reference_min, task.reference_max)]
    return np.linspace(min(returns.min(), *limits), max(returns.max(), *limits), BINS + 1)


def draw_task(axes: Axes, task: TaskRecord, episodes: pd.DataFrame, edges: np.ndarray) -> None:
    """One panel: which share of a dataset's episodes, and of its steps, has which return."""
    returns, steps = episodes["return"], episodes["length"]
    of_episodes = 100 * np.histogram(returns, edges)[0] / len(returns)
    of_steps = 100 * np.histogram(returns, edges, weights=steps)[0] / steps.sum()
    axes.stairs(of_episodes, edges, fill=True, color=FILL, zorder=2)
    axes.stairs(of_steps, edges, zorder=3, **STEPS)
    top = HEADROOM * max(of_episodes.max(), of_steps.max())
    beside = {"fontsize": 6, "color": LIMIT["color"], "va": "top", "textcoords": "offset points"}
    for score, limit in ((0, task.reference_min), (100, task.reference_max)):
        axes.axvline(limit, zorder=4, **LIMIT)
        inside = {"xytext": (-2, 0), "ha": "right"} if score else {"xytext": (2, 0), "ha": "left"}
        axes.annotate(f"{score}", (limit, top), **inside, **beside)
    amount = f"{len(returns):,} episodes, {steps.sum():,.0f} steps"
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
    axes.annotate(amount, (0.5, 1), (0, 2.5), fontsize=6, color=QUIET, **place)
    margin = 0.03 * (edges[-1] - edges[0])
    axes.set(xlim=(edges[0] - margin, edges[-1] + margin), ylim=(0, top))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(3))


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        episodes = read_results(snakemake.input.episodes, "episodes")
        figure = draw(episodes, study, snakemake.input.episodes)
        save_figure(figure, *snakemake.output)
