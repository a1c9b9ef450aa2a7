"""What stands where in a figure: grids of panels, rows of methods, legends, limits and footnotes."""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.statistics import SeedScores
from gtp.report.style import COLUMN_WIDTH, TEXT_WIDTH, method_styles

CROWD = 7
"""Most methods in one panel of curves."""


def method_rows(study: StudyRecord) -> dict[str, list[MethodRecord]]:
    """Title -> the methods that one row of panels shows.

    Up to CROWD methods share a row without a title. More are put in rows by what they are, all of which begin
    with the study's first method, so that each can be compared with it.
    """
    first, *_ = methods = study.methods
    if len(methods) <= CROWD:
        return {"": list(methods)}
    kinds: dict[str, list[MethodRecord]] = {"with rewards": [], "cloning": [], "ablations": []}
    for method in methods:
        kind = (
            "cloning" if method.group == "cloning" else "ablations" if method.ablation_of else "with rewards"
        )
        if method is not first:
            kinds[kind].append(method)
    rows = {}
    for kind, members in kinds.items():
        parts = math.ceil(len(members) / (CROWD - 1))
        for part in range(parts):
            cuts = [i * len(members) // parts for i in (part, part + 1)]
            title = kind if part == 0 else f"{kind} ({part + 1})"
            rows[title] = [first, *members[cuts[0] : cuts[1]]]
    return rows


def legend_lines(study: StudyRecord) -> list[Line2D]:
    """Entries of a legend for all methods, in the order of the rows that show them."""
    styles = method_styles(study)
    methods = {method.name: method for row in method_rows(study).values() for method in row}.values()
    return [Line2D([], [], label=m.label, **styles[m.name].line()) for m in methods]


def columns_for(panels: int) -> int:
    """Panels in a row: few empty places, and no panel too narrow to read."""
    if panels <= 4:
        return panels
    return min((3, 4) if panels <= 12 else (4, 5), key=lambda columns: (-panels % columns, -columns))


def panel_grid(panels: int, rows: int = 1, *, share_y: bool = False) -> tuple[Figure, np.ndarray]:
    """A figure with `rows` axes below each other for each panel; a single one fills a column of text.

    Returns the figure and its axes (rows, panels). Panels stand side by side until a line is full; unneeded
    places at the end stay empty.
    """
    columns = columns_for(panels)
    bands = math.ceil(panels / columns)
    width = COLUMN_WIDTH if panels == 1 else TEXT_WIDTH
    height = min(1.9, 0.8 * width / columns + 0.1)
    if rows > 1:
        height = min(height, 1.3)
    figure = Figure(figsize=(width, 0.55 + bands * rows * height))
    figure.set_layout_engine("constrained", w_pad=0.05, h_pad=0.03)
    places = figure.subplots(bands * rows, columns, sharey=share_y, squeeze=False)
    places = places.reshape(bands, rows, columns).swapaxes(0, 1).reshape(rows, bands * columns)
    for place in places[:, panels:].ravel():
        place.remove()
    return figure, places[:, :panels]


def scatter_grid(panels: int) -> tuple[Figure, list[Axes]]:
    """A figure with at most three roomy axes in a line; a single one fills a column of text."""
    columns = min(panels, 3)
    lines = math.ceil(panels / columns)
    width, height = (COLUMN_WIDTH, 2.6) if panels == 1 else (TEXT_WIDTH, 3.0)
    figure = Figure(figsize=(width, 0.6 + lines * height))
    figure.set_layout_engine("constrained", w_pad=0.05, h_pad=0.03)
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    for place in places[panels:]:
        place.remove()
    return figure, list(places[:panels])


def task_titles(study: StudyRecord) -> list[str]:
    """Names of tasks as titles of panels: the suite comes with them where it is not in the name."""
    several = len(study.suites()) > 1
    return [task_title(task) if several else task.label for task in study.tasks]


def task_title(task: TaskRecord) -> str:
    """A task's name with its suite where that is not part of it."""
    return task.label if _bare(task.suite) in _bare(task.label) else f"{task.label} ({task.suite})"


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def label_panels(panels: np.ndarray, titles: Sequence[str], xlabel: str, ylabels: Sequence[str]) -> None:
    """Title a grid's panels above their rows; name x below the lowest panels and y left of the first ones.

    Shapes: panels (rows, n), titles (n,), ylabels (rows,).
    """
    rows, count = panels.shape
    columns = columns_for(count)
    for index, title in enumerate(titles):
        top, bottom = panels[0, index], panels[-1, index]
        top.set_title(wrap(title, top.figure.get_figwidth() / columns), linespacing=1)
        for axes in panels[:-1, index]:
            axes.tick_params(labelbottom=False)
        if index + columns >= count:
            bottom.set_xlabel(xlabel)
        if index % columns == 0:
            for row in range(rows):
                panels[row, index].set_ylabel(ylabels[row], linespacing=1)


def row_labels(rows: Iterable[str], quantity: str) -> list[str]:
    """Names of the vertical axes of rows of methods: the row's title, if any, above the quantity."""
    return [f"{title}\n{quantity}" if title else quantity for title in rows]


def wrap(text: str, width: float) -> str:
    """A label in lines that fit `width` inches at the size of titles."""
    return textwrap.fill(text, max(1, int(width * 14)), break_long_words=False, break_on_hyphens=False)


Panels = list[tuple[Axes, list[MethodRecord]]]
"""A task's panels, one for each row, and the methods that each shows."""


def task_figure(
    study: StudyRecord,
    scores: SeedScores,
    draw_task: Callable[[TaskRecord, Panels], list[float]],
    xlabel: str,
    *notices: str,
    intervals: bool = True,
) -> Figure:
    """Scores of all methods, with panels for each task: the frame of a figure whose curves `draw_task` draws.

    `draw_task` returns the means that it has drawn, from which the panels of a task get common limits.
    The footnote says what the scores are means of (and, with `intervals`, what those are over), then
    `notices`, then what a reader must know of the data.
    """
    rows = method_rows(study)
    share = all(task.is_goal_reaching for task in study.tasks)
    figure, grid = panel_grid(len(study.tasks), len(rows), share_y=share)
    for index, task in enumerate(study.tasks):
        means = draw_task(task, list(zip(grid[:, index], rows.values(), strict=True)))
        for axes in grid[:, index]:
            set_score_limits(axes, task.is_goal_reaching, means)
    label_panels(grid, task_titles(study), xlabel, row_labels(rows, "normalised score"))
    legend_above(figure, legend_lines(study))
    footnote(
        figure,
        sample_notice(study, scores.episodes(), intervals),
        *notices,
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def set_score_limits(axes: Axes, shares: bool, means: Iterable[float]) -> None:
    """Vertical range of a panel of scores. Intervals that reach beyond it are cut by the frame.

    `shares` of successes show all of [0, 100]. Other scores show 0 and all means with room around them: the
    intervals of three seeds can be so wide that an axis that held them would flatten everything else.
    """
    if shares:
        axes.set_ylim(-5, 105)
        axes.set_yticks([0, 25, 50, 75, 100])
        return
    values = [0.0, *means]
    low, high = min(values), max(values)
    margin = 0.2 * max(high - low, 10.0)
    axes.set_ylim(low - (margin if low < 0 else 0.25 * margin), high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(4))


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for all panels, above them, in as many columns as fit; the figure grows for it."""
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    if figure.get_layout_engine():  # else whoever placed the panels has left room for one line
        lines = math.ceil(len(handles) / columns)
        figure.set_figheight(figure.get_figheight() + 0.16 * (lines - 1))
    figure.legend(
        handles=handles,
        loc="outside upper center" if figure.get_layout_engine() else "upper center",
        ncols=columns,
        borderaxespad=0.1,
    )


def legend_columns(labels: Sequence[str], width: float) -> int:
    """The most columns, up to four, in which a legend with these labels fits `width` inches."""
    for columns in range(min(len(labels), 4), 1, -1):
        # Matplotlib fills columns one after the other, and the first ones hold one more.
        ends = np.cumsum([len(part) for part in np.array_split(labels, columns)])
        longest = [max(map(len, labels[start:end])) for start, end in pairwise([0, *ends])]
        if sum(longest) / 19 + 0.55 * columns < width:  # 19 letters to the inch; a line and gaps beside them
            return columns
    return 1


def footnote(figure: Figure, *sentences: str) -> None:
    """What a reader must know even when a figure travels without its caption; skips empty sentences."""
    text = textwrap.fill(" ".join(filter(None, sentences)), int(figure.get_figwidth() * 24))
    look: dict[str, Any] = {"fontsize": 6, "color": "#595959", "x": 0.005, "ha": "left"}
    if text and figure.get_layout_engine():
        figure.supxlabel(text, **look)  # for which the layout makes room
    elif text:
        figure.text(s=text, y=0.03 / figure.get_figheight(), va="bottom", **look)


def sample_notice(study: StudyRecord, episodes: str, intervals: bool = True) -> str:
    """What means of scores, and their intervals where they are drawn, are taken over."""
    seeds, shares = len(study.seeds), any(task.is_goal_reaching for task in study.tasks)
    if seeds == 1:
        return f"One seed, so no interval; {episodes} episodes."
    unit = "episode" if episodes == "1" else "episodes"
    kind = "95 % interval ($t$; Wilson for shares of episodes)" if shares else "95 % $t$ interval"
    return f"Mean{f' and {kind}' if intervals else ''} over {seeds} seeds, {episodes} {unit} each."
