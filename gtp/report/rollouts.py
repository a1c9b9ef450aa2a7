"""Paths of the trained policies through the mazes, rows of tasks and columns of methods: still and moving."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.report.layout import footnote, legend_above, wrap
from gtp.report.mazes import (
    SUITE_WIDTH,
    Maze,
    add_row,
    draw_maze,
    mark_scale,
    maze_marks,
    maze_of,
    maze_suites,
    name_suite,
)
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.statistics import SeedScores
from gtp.report.style import INK, TEXT_WIDTH, MethodStyle, house_style, method_styles

GAP, COUNTS, LEGEND, NOTE, MARGIN, LINE = 0.1, 0.16, 0.22, 0.18, 0.62, 0.125
"""Inches: between columns, counts below mazes, legend, footnote, tasks' names at the left, a line of text."""
HIGHEST, NARROW, PAGE, PER_ROW, LETTERS = 1.4, 0.7, 8.5, 7, 17
"""Inches: highest maze, least width with level names, page; the most methods in a row; letters in an inch."""

SUCCESS: dict[str, Any] = {"linestyle": "-", "linewidth": 0.8, "alpha": 0.8, "zorder": 4}
FAILURE: dict[str, Any] = {
    "color": INK,
    "linestyle": (0, (1, 1)),
    "linewidth": 0.7,
    "alpha": 0.8,
    "zorder": 3,
}
DIVERGED = "†"
STOPPED: dict[str, Any] = {
    "color": INK,
    "marker": "x",
    "markersize": 3.5,
    "markeredgewidth": 0.9,
    "zorder": 5,
}


@dataclass(frozen=True)
class Layout:
    """Where the panels go; lengths in inches."""

    groups: list[Sequence[MethodRecord]]
    """Methods of the rows that each task takes."""
    width: float
    """Of a column without the gap beside it."""
    highest: float
    """Of a maze."""
    names: float
    """Height of the methods' names."""
    labels: dict[str, str]
    """Method -> its name in lines."""

    @property
    def upright(self) -> bool:
        """Whether methods' names are turned, because columns are narrow."""
        return self.width < NARROW

    def height(self, maze: Maze) -> float:
        """Height of a maze."""
        return min(self.highest, self.width / maze.aspect)

    def total(self, mazes: Sequence[Maze]) -> float:
        """Height of the figure."""
        rows = len(self.groups)
        heights = sum(rows * (self.height(maze) + COUNTS) for maze in mazes)
        return LEGEND + NOTE + heights + self.names * (1 if rows == 1 else rows * len(mazes))


def choose_layout(methods: Sequence[MethodRecord], tasks: int, margin: float = MARGIN) -> Layout:
    """At most PER_ROW methods in a row, unless mazes would then be too low to fit a page."""
    for rows in (math.ceil(len(methods) / PER_ROW), 1):
        cuts = [i * len(methods) // rows for i in range(rows + 1)]
        groups = [methods[start:end] for start, end in pairwise(cuts)]
        width = (TEXT_WIDTH - margin) / max(map(len, groups)) - GAP
        room = width if width >= NARROW else 1.2
        labels = {method.name: wrap(method.label, room) for method in methods}
        lines = [label.split("\n") for label in labels.values()]
        longest = max(len(line) for parts in lines for line in parts)
        names = 0.06 + (max(map(len, lines)) * LINE if width >= NARROW else longest / LETTERS)
        named = 1 if rows == 1 else rows * tasks
        highest = min(HIGHEST, (PAGE - LEGEND - NOTE - named * names) / (rows * tasks) - COUNTS)
        if highest >= NARROW:
            break
    return Layout(groups, width, highest, names, labels)


def draw_paths(axes: Axes, paths: pd.DataFrame, look: MethodStyle) -> None:
    """The recorded episodes of a method in one maze."""
    scale = mark_scale(axes)
    solid, dotted = ({**look, "linewidth": scale * look["linewidth"]} for look in (SUCCESS, FAILURE))
    cross = {**STOPPED, "markersize": scale * STOPPED["markersize"], "markeredgewidth": scale * 0.9}
    for _, path in paths.sort_values("step").groupby(["seed", "episode"]):
        if path["success"].iloc[-1]:
            axes.plot(path["x"], path["y"], color=look.color, **solid)
        else:
            axes.plot(path["x"], path["y"], **dotted)
            axes.plot(path["x"].iloc[-1], path["y"].iloc[-1], **cross)


@house_style()
def draw(
    rollouts: pd.DataFrame,
    mazes: pd.DataFrame,
    scores: SeedScores,
    study: StudyRecord,
    files: tuple[str, str],
    draw_panel: Callable[[Axes, pd.DataFrame, MethodStyle], None] = draw_paths,
) -> Figure:
    """The figure from the rows of rollouts.csv and mazes.csv, which `files` name in messages.

    A few paths of each method, put into its panel by `draw_panel`, and below them the share of all its
    episodes that reach the goal, from the seeds' scores: so few paths are no estimate of it.
    """
    suites = maze_suites(study)
    known = {task: maze_of(mazes, task.name, files[1]) for tasks in suites.values() for task in tasks}
    edge = SUITE_WIDTH if len(suites) > 1 else 0
    layout = choose_layout(study.methods, len(known), edge + MARGIN)
    figure = Figure(figsize=(TEXT_WIDTH, layout.total(list(known.values()))))
    styles, top = method_styles(study), LEGEND
    ends: dict[str, tuple[float, float]] = {}  # of each suite's rows
    for row, (task, maze, group) in enumerate((t, m, g) for t, m in known.items() for g in layout.groups):
        named = row == 0 or len(layout.groups) > 1
        top += layout.names if named else 0
        height = layout.height(maze)
        spare = layout.width - height * maze.aspect
        panels = add_row(
            figure,
            [maze] * len(group),
            left=edge + MARGIN + spare / 2,
            top=top,
            gap=GAP + spare,
            height=height,
        )
        for axes, method in zip(panels, group, strict=True):
            draw_maze(axes, maze)
            paths = rollouts[(rollouts["task"] == task.name) & (rollouts["method"] == method.name)]
            draw_panel(axes, paths, styles[method.name])
            axes.set_xlabel(rate_of(scores, study, task, method), fontsize=7)
            if named:
                axes.set_title(layout.labels[method.name], rotation=90 * layout.upright, linespacing=1)
        y = 1 - (top + height / 2) / figure.get_figheight()
        x = 0.01 + edge / TEXT_WIDTH
        figure.text(x, y, wrap(task.label, MARGIN), va="center", linespacing=1)
        ends[task.suite] = ends.get(task.suite, (top, top))[0], top + height
        top += height + COUNTS
    for suite, (upper, lower) in ends.items() if len(suites) > 1 else ():
        name_suite(figure, suite, upper, lower)
    handles = [
        Line2D([], [], color=INK, label="reaches the goal", linestyle="-", linewidth=0.8),
        Line2D([], [], label="does not; ends at the cross", **{**FAILURE, **STOPPED, "alpha": 1}),
        *maze_marks(),
    ]
    legend_above(figure, handles)
    marked = any(axes.get_xlabel().endswith(DIVERGED) for axes in figure.axes)
    footnote(
        figure,
        f"Below: share of all episodes, {scores.episodes()} of each of {len(study.seeds)} seeds, that reach"
        " the goal.",
        f"{DIVERGED} Seeds that diverged have no path and count as 0." if marked else "",
        study.acting_notice(),
        study.only(known).data_notice(),
    )
    return figure


def rate_of(scores: SeedScores, study: StudyRecord, task: TaskRecord, method: MethodRecord) -> str:
    """Share of all episodes at the headline K, by the method's first rule, that reach the goal."""
    rate = scores.of(task.name, method.name, study.headline(method)).mean()
    return f"{rate:.0f} %{DIVERGED if scores.diverged(task.name, method.name) else ''}"
