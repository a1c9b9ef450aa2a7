"""Figure: where each maze's dataset has been, on a logarithmic scale, with walls, start and goal."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import footnote
from gtp.report.mazes import (
    SUITE_WIDTH,
    Maze,
    add_row,
    draw_maze,
    maze_marks,
    maze_of,
    maze_suites,
    name_suite,
    row_height,
)
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.style import TEXT_WIDTH, house_style, save_figure

GAP, TITLE, SCALE, NOTE, EDGE = 0.15, 0.22, 0.62, 0.22, 0.05
"""Inches: between mazes, above them for names, colour scale at the right, footnote, left edge."""
HIGHEST, PAGE, PER_ROW = 1.9, 8.5, 4
"""Inches: highest maze, height of a page; and the most mazes in a row."""


@house_style()
def draw(coverage: pd.DataFrame, mazes: pd.DataFrame, study: StudyRecord, files: tuple[str, str]) -> Figure:
    """The figure from the rows of coverage.csv and mazes.csv; `files` name them in messages."""
    suites = {suite: rows_of(tasks) for suite, tasks in maze_suites(study).items()}
    rows = [row for rows in suites.values() for row in rows]
    known = {task.name: maze_of(mazes, task.name, files[1]) for row in rows for task in row}
    pictures = {name: density(coverage, name, maze, files[0]) for name, maze in known.items()}
    edge = EDGE + (SUITE_WIDTH if len(suites) > 1 else 0)
    mazes_of_rows = [[known[task.name] for task in row] for row in rows]
    highest = min(HIGHEST, (PAGE - NOTE) / len(rows) - TITLE)
    height = min(row_height(row, TEXT_WIDTH - SCALE - edge, GAP, highest) for row in mazes_of_rows)
    width = max(height * sum(maze.aspect for maze in row) + GAP * (len(row) - 1) for row in mazes_of_rows)
    figure = Figure(figsize=(edge + width + SCALE, len(rows) * (height + TITLE) + NOTE))
    norm = LogNorm(
        min(np.nanmin(image) for image, _ in pictures.values()),
        max(np.nanmax(image) for image, _ in pictures.values()),
    )
    colors = sns.color_palette("mako_r", as_cmap=True)
    top = TITLE
    for row, row_mazes in zip(rows, mazes_of_rows, strict=True):
        panels = add_row(figure, row_mazes, left=edge, top=top, gap=GAP, height=height)
        for axes, task in zip(panels, row, strict=True):
            image, extent = pictures[task.name]
            draw_maze(axes, known[task.name])
            axes.imshow(
                image,
                extent=extent,
                origin="lower",
                norm=norm,
                cmap=colors,
                interpolation="none",
                aspect="equal",
                zorder=2,
            )
            left, right, bottom, upper = known[task.name].extent
            axes.set(xlim=(left, right), ylim=(bottom, upper), title=task.label)
        top += height + TITLE
    if len(suites) > 1:
        top = TITLE
        for suite, own in suites.items():
            bottom = top + len(own) * (height + TITLE) - TITLE
            name_suite(figure, suite, top, bottom)
            top = bottom + TITLE
    add_scale(figure, ScalarMappable(norm, colors), height)
    figure.legend(handles=maze_marks(), loc="lower right", ncols=2, borderaxespad=0.2, handletextpad=0)
    footnote(figure, study.only(task for row in rows for task in row).data_notice())
    return figure


def rows_of(tasks: Sequence[TaskRecord]) -> list[Sequence[TaskRecord]]:
    """Tasks of a suite in rows of about one length, at most PER_ROW."""
    count = math.ceil(len(tasks) / PER_ROW)
    return [tasks[i * len(tasks) // count : (i + 1) * len(tasks) // count] for i in range(count)]


def density(
    coverage: pd.DataFrame, task: str, maze: Maze, file: str
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Share of the positions of a task's dataset per area of a maze cell, as an image, and its extent.

    Shapes: (bins in y, bins in x), rows from the smallest y upwards; NaN where the data have never been.
    Raises UserError naming `file` when it does not have the task.
    """
    rows = coverage[coverage["task"] == task]
    if rows.empty:
        raise UserError(f"{file} has no rows for {task} in the column 'task'; {REMEDY}")
    steps = [np.diff(np.unique(rows[axis])) for axis in ("x", "y")]
    width = min((float(step.min()) for step in steps if len(step)), default=maze.size)
    x0, y0 = rows["x"].min(), rows["y"].min()
    col = np.rint((rows["x"] - x0) / width).astype(int)
    row = np.rint((rows["y"] - y0) / width).astype(int)
    image = np.full((row.max() + 1, col.max() + 1), np.nan)
    image[row, col] = rows["count"] / rows["count"].sum() * (maze.size / width) ** 2
    height, length = image.shape
    corner = x0 - width / 2, y0 - width / 2
    return image, (corner[0], corner[0] + length * width, corner[1], corner[1] + height * width)


def add_scale(figure: Figure, colors: ScalarMappable, height: float) -> None:
    """The colour scale beside the first row, which is `height` inches high."""
    width, total = figure.get_size_inches()
    left = width - SCALE + 0.1
    axes = figure.add_axes((left / width, (total - TITLE - height) / total, 0.08 / width, height / total))
    scale = figure.colorbar(colors, cax=axes, label="share of positions per cell")
    scale.outline.set_visible(False)
    axes.minorticks_off()


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        files = snakemake.input.coverage, snakemake.input.mazes
        figure = draw(read_results(files[0], "coverage"), read_results(files[1], "mazes"), study, files)
        save_figure(figure, *snakemake.output)
