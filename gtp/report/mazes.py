"""Mazes in figures: walls, start and goal of one, and rows of several.

Sizes of figures are in inches, as in gtp.report.style.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from gtp.errors import UserError
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import REMEDY
from gtp.report.style import INK

WALL = "#c4c4c4"
RING: dict[str, Any] = {
    "linestyle": "",
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 0.8,
}
MARKS: dict[str, dict[str, Any]] = {
    "start": {"marker": "o", "markersize": 4.7, **RING},
    "goal": {"marker": "*", "markersize": 7.5, **RING},
}


def maze_marks() -> list[Line2D]:
    """Entries of a legend for what draw_maze marks."""
    return [Line2D([], [], label=kind, **look) for kind, look in MARKS.items()]


def maze_suites(study: StudyRecord) -> dict[str, list[TaskRecord]]:
    """Suite -> its tasks that have a maze. Raises UserError when there are none."""
    suites = {suite: [task for task in tasks if task.maze] for suite, tasks in study.suites().items()}
    suites = {suite: tasks for suite, tasks in suites.items() if tasks}
    if not suites:
        raise UserError(f"study {study.study} has no maze to draw; add a task with a maze")
    return suites


SUITE_WIDTH = 0.22
"""Inches at the left edge that name_suite takes."""


def name_suite(figure: Figure, suite: str, top: float, bottom: float) -> None:
    """Write a suite's name upwards along its rows, between `top` and `bottom` inches from the upper edge."""
    width, height = figure.get_size_inches()
    low, high = 1 - bottom / height, 1 - top / height
    figure.text(0.04 / width, (low + high) / 2, suite, rotation=90, va="center", ha="left", style="italic")
    x = (SUITE_WIDTH - 0.02) / width
    figure.add_artist(Line2D([x, x], [low, high], color=INK, linewidth=0.5))


@dataclass(frozen=True)
class Maze:
    """Cells of one maze; positions and sizes in the simulator's units."""

    cells: pd.DataFrame
    """Columns x, y (centres) and kind: wall, free, start or goal."""
    size: float
    """Edge of a cell."""

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top, in the middle of the outer walls: their other half says nothing."""
        x, y = self.cells["x"], self.cells["y"]
        return x.min(), x.max(), y.min(), y.max()

    @property
    def aspect(self) -> float:
        """Width over height."""
        left, right, bottom, top = self.extent
        return (right - left) / (top - bottom)

    def outline(self) -> np.ndarray:
        """Edges between walls and free cells, (edges, 2 ends, 2)."""
        walls = self.cells[self.cells["kind"] == "wall"]
        free = self.cells.loc[self.cells["kind"] != "wall", ["x", "y"]].to_numpy()
        edges = []
        for step in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            beside = free + np.array(step) * self.size
            gap = np.abs(beside[:, None] - walls[["x", "y"]].to_numpy()).max(axis=2)  # (free, walls)
            middle = (free + beside)[gap.min(axis=1) < self.size / 2] / 2
            along = np.array(step[::-1]) * self.size / 2
            edges.append(np.stack([middle - along, middle + along], axis=1))
        return np.concatenate(edges)

    def place(self, kind: str) -> tuple[float, float]:
        """Centre of the start or goal cell."""
        x, y = self.cells.loc[self.cells["kind"] == kind, ["x", "y"]].iloc[0]
        return float(x), float(y)


def maze_of(mazes: pd.DataFrame, task: str, file: str) -> Maze:
    """The maze of a task from the rows of mazes.csv. Raises UserError naming `file` when it is not there."""
    cells = mazes.loc[mazes["task"] == task, ["x", "y", "kind"]]
    steps = np.diff(np.unique(cells["x"]))
    absent = [kind for kind in ("wall", "start", "goal") if kind not in set(cells["kind"])]
    if absent or not len(steps):
        raise UserError(f"{file} has no {(absent or ['maze'])[0]} for {task} in the column 'kind'; {REMEDY}")
    return Maze(cells, float(steps.min()))


def mark_scale(axes: Axes) -> float:
    """Factor on the size of marks, so that they leave a small maze visible."""
    inches = axes.get_position().width * axes.figure.get_figwidth()  # type: ignore[union-attr]
    return float(np.clip(inches / 1.2, 0.4, 1.0))


def draw_maze(axes: Axes, maze: Maze) -> None:
    """Walls, start (ring) and goal (star) of a maze, at equal scales and without axes."""
    scale = mark_scale(axes)
    left, right, bottom, top = maze.extent
    half = maze.size / 2
    for x, y in maze.cells.loc[maze.cells["kind"] == "wall", ["x", "y"]].itertuples(index=False):
        corner, edge = (x - half, y - half), maze.size
        axes.add_patch(Rectangle(corner, edge, edge, facecolor=WALL, edgecolor=WALL, linewidth=0.2, zorder=1))
    axes.add_collection(LineCollection(list(maze.outline()), colors=INK, linewidths=0.6 * scale, zorder=2.5))
    for kind, look in MARKS.items():
        axes.plot(*maze.place(kind), **{**look, "markersize": scale * look["markersize"]}, zorder=6)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    sns.despine(ax=axes, left=True, bottom=True)


def row_height(mazes: Sequence[Maze], width: float, gap: float, limit: float) -> float:
    """Height at which mazes side by side, `gap` apart, fill `width`; at most `limit`. All in inches."""
    return min(limit, (width - gap * (len(mazes) - 1)) / sum(maze.aspect for maze in mazes))


def add_row(figure: Figure, mazes: Sequence[Maze], *, left: float, top: float, gap: float, height: float):
    """Axes for mazes side by side, all `height` high; `left` and `top` count from the figure's corners.

    All lengths in inches. Returns the axes from left to right.
    """
    width, total = figure.get_size_inches()
    axes = []
    for maze in mazes:
        box = (left / width, (total - top - height) / total, height * maze.aspect / width, height / total)
        axes.append(figure.add_axes(box))
        left += height * maze.aspect + gap
    return axes
