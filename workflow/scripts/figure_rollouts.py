"""Figure: paths of the trained policies through the mazes, rows of tasks and columns of methods."""

import math
import sys
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import UserError
from gtp.plotting import (
    INK,
    TEXT_WIDTH,
    MethodStyle,
    add_row,
    draw_maze,
    footnote,
    house_style,
    maze_of,
    method_styles,
    save_figure,
)
from gtp.results import StudyRecord, read_results, read_study

GAP, NAMES, COUNTS, LEGEND, NOTE, MARGIN = 0.1, 0.18, 0.16, 0.22, 0.18, 0.2
"""Inches: between columns, methods' names, counts below mazes, legend, footnote, tasks' names at the left."""
HIGHEST, PER_ROW = 1.4, 7

SUCCESS = {"linestyle": "-", "linewidth": 0.8, "alpha": 0.8, "zorder": 4}
FAILURE = {"color": INK, "linestyle": (0, (1, 1)), "linewidth": 0.7, "alpha": 0.8, "zorder": 3}
STOPPED = {"color": INK, "marker": "x", "markersize": 3.5, "markeredgewidth": 0.9, "zorder": 5}


@house_style()
def draw(rollouts: pd.DataFrame, mazes: pd.DataFrame, study: StudyRecord, files: tuple[str, str]) -> Figure:
    """The figure from the rows of rollouts.csv and mazes.csv; `files` name them in messages.

    With more than PER_ROW methods each task takes several rows. Raises UserError when no path is there.
    """
    parts = math.ceil(len(study.methods) / PER_ROW)
    cuts = [i * len(study.methods) // parts for i in range(parts + 1)]
    groups = [study.methods[start:end] for start, end in pairwise(cuts)]
    columns = max(map(len, groups))
    width = (TEXT_WIDTH - MARGIN) / columns - GAP
    rows = []
    for task in (task for task in study.tasks if task.maze):
        maze = maze_of(mazes, task.name, files[1])
        rows += [(task, maze, group, min(HIGHEST, width / maze.aspect)) for group in groups]
    names = [NAMES if parts > 1 or row == 0 else 0.0 for row in range(len(rows))]
    heights = [height for *_, height in rows]
    figure = Figure(figsize=(TEXT_WIDTH, LEGEND + NOTE + sum(names) + sum(heights) + COUNTS * len(rows)))
    styles, top = method_styles(study), LEGEND
    for (task, maze, group, height), above in zip(rows, names, strict=True):
        top += above
        spare = width - height * maze.aspect
        panels = add_row(
            figure, [maze] * len(group), left=MARGIN + spare / 2, top=top, gap=GAP + spare, height=height
        )
        for axes, method in zip(panels, group, strict=True):
            draw_maze(axes, maze)
            paths = rollouts[(rollouts["task"] == task.name) & (rollouts["method"] == method.name)]
            draw_paths(axes, paths, styles[method.name])
            if above:
                axes.set_title(method.label)
        y = 1 - (top + height / 2) / figure.get_figheight()
        figure.text(0.02 / TEXT_WIDTH, y, task.label, rotation=90, ha="left", va="center")
        top += height + COUNTS
    handles = [
        Line2D([], [], color=INK, label="reaches the goal", linestyle="-", linewidth=0.8),
        Line2D([], [], label="does not; ends at the cross", **{**FAILURE, **STOPPED, "alpha": 1}),
        Line2D([], [], label="start", **ring("o", 4.5)),
        Line2D([], [], label="goal", **ring("*", 7)),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=4, borderaxespad=0.1)
    footnote(figure, study.data_notice())
    return figure


def ring(marker: str, size: float) -> dict:
    """A mark of the maze in the legend."""
    return {
        "marker": marker,
        "markersize": size,
        "linestyle": "",
        "markerfacecolor": "white",
        "markeredgecolor": INK,
        "markeredgewidth": 0.8,
    }


def draw_paths(axes: Axes, paths: pd.DataFrame, look: MethodStyle) -> None:
    """All recorded episodes of a method in one maze, and how many of them reach the goal."""
    reached = total = 0
    for _, path in paths.sort_values("step").groupby(["seed", "episode"]):
        total += 1
        if path["success"].iloc[-1]:
            reached += 1
            axes.plot(path["x"], path["y"], color=look.color, **SUCCESS)
        else:
            axes.plot(path["x"], path["y"], **FAILURE)
            axes.plot(path["x"].iloc[-1], path["y"].iloc[-1], **STOPPED)
    # A seed that diverged has no paths.
    axes.set_xlabel(f"{reached} of {total}" if total else "no paths", fontsize=7)


if __name__ == "__main__":
    try:
        study = read_study(snakemake.input.study)
        files = snakemake.input.rollouts, snakemake.input.mazes
        figure = draw(read_results(files[0], "rollouts"), read_results(files[1], "mazes"), study, files)
        save_figure(figure, snakemake.output.pdf, snakemake.output.png)
    except UserError as error:
        sys.exit(f"error: {error}")
