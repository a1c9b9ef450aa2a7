"""Figure: the trajectories from noise to actions that each method has learned in one state."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, Rectangle

from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import footnote, legend_above, wrap
from gtp.report.record import StudyRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.style import INK, TEXT_WIDTH, MethodStyle, house_style, method_styles, save_figure

PER_ROW = 4
LEAST_ZOOM, MOST_ZOOM = 1.25, 2.0
"""Limits of the half width of the lower panels; the box of actions is [-1, 1] on both axes."""
TICKS = tuple(digit * 10**power for power in range(4) for digit in (1, 2, 5))
"""Distances from 0 that an axis may name."""
DATA = {"marker": "D", "markersize": 4.2, "markerfacecolor": "white", "markeredgecolor": "#8c8c8c"}
NOISE = {"marker": "o", "markersize": 1.6, "color": "#8c8c8c", "markeredgewidth": 0}


@house_style()
def draw(points: pd.DataFrame, study: StudyRecord, file: str) -> Figure:
    """The figure from the rows of trajectories.csv; `file` names it in messages.

    For each method the whole paths above, and below the surroundings of the box in which actions lie.
    Raises UserError when there are no paths, no data, or more than one state.
    """
    paths, data = (points[points["kind"] == kind] for kind in ("path", "data"))
    if paths.empty or data.empty:
        raise UserError(f"{file} has no {'path' if paths.empty else 'data'} in the column 'kind'; {REMEDY}")
    if len(points[["task", "state"]].drop_duplicates()) > 1:
        raise UserError(f"{file} has more than one state in the column 'state'; {REMEDY}")
    data = data.drop_duplicates("sample")  # each method's file repeats them
    styles = method_styles(study, dict.fromkeys(paths["method"]))
    methods = [method for method in styles if (paths["method"] == method).any()]
    columns = min(len(methods), PER_ROW)
    bands = math.ceil(len(methods) / columns)
    panel = TEXT_WIDTH / max(columns, 3)
    figure = Figure(figsize=(panel * columns, 0.5 + bands * (2 * panel + 0.1)))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.02)
    grid = figure.subplots(2 * bands, columns, squeeze=False)
    reach = 1.05 * float(paths[["a0", "a1"]].abs().to_numpy().max())
    last = paths.loc[paths["t"] == paths["t"].min(), ["a0", "a1"]].abs().to_numpy().max()
    zoom = float(np.clip(1.05 * last, LEAST_ZOOM, MOST_ZOOM))
    for axes in grid.T.reshape(columns, bands, 2).swapaxes(0, 1).reshape(-1, 2)[len(methods) :].ravel():
        axes.remove()
    for index, method in enumerate(methods):
        band, column = divmod(index, columns)
        above, below = grid[2 * band : 2 * band + 2, column]
        own, look = paths[paths["method"] == method], styles[method]
        draw_whole(above, own, look, max(reach, zoom))
        draw_box(below, own, data, look, zoom)
        connect(figure, above, below, zoom)
        above.set_title(wrap(study.method_label(method), panel), linespacing=1)
        below.set_xlabel("action $a_1$")
        if column == 0:
            above.set_ylabel("action $a_2$")
            below.set_ylabel("action $a_2$")
    handles = [
        Line2D([], [], label="noise, $t = T$", linestyle="", **{**NOISE, "markersize": 3}),
        Line2D([], [], label="learned trajectory", color=INK, linewidth=0.8),
        Line2D([], [], label="its action, $t = 0$", linestyle="", marker="o", markersize=3.4, color=INK),
        Line2D([], [], label="actions of the dataset nearby", linestyle="", **DATA),
    ]
    legend_above(figure, handles)
    name = paths["task"].iloc[0]
    about = study.only(task for task in study.tasks if task.name == name)
    # A state of a task that the study does not train on may be of any data that the study uses.
    notice = (about if about.tasks else study).data_notice()
    footnote(figure, f"One state of {study.task_label(name)}.", notice)
    return figure


def draw_whole(axes: Axes, paths: pd.DataFrame, look: MethodStyle, reach: float) -> None:
    """Paths from the noise inwards, and the box of actions."""
    add_paths(axes, paths, look.color, 0.5)
    frame(axes, reach)


def draw_box(axes: Axes, paths: pd.DataFrame, data: pd.DataFrame, look: MethodStyle, zoom: float) -> None:
    """The same paths near the box, where they end, and the dataset's actions in similar states."""
    axes.plot(data["a0"], data["a1"], linestyle="", zorder=3, clip_on=False, **DATA)
    add_paths(axes, paths, look.color, 0.6)
    ends = paths[paths["t"] == paths["t"].min()]
    inside = (ends[["a0", "a1"]].abs() <= zoom).all(axis=1)
    axes.plot(
        ends.loc[inside, "a0"],
        ends.loc[inside, "a1"],
        **replace(look, hollow=False).line(marker="o", markersize=3.4, linestyle="", zorder=5),
    )
    if not inside.all():
        axes.text(0.97, 0.02, f"{(~inside).sum()} beyond", transform=axes.transAxes, ha="right", fontsize=6.5)
    frame(axes, zoom)


def add_paths(axes: Axes, paths: pd.DataFrame, color: str, width: float) -> None:
    """Each sample of noise and its path, whose segments darken towards the action."""
    starts = paths[paths["t"] == paths["t"].max()]
    axes.plot(starts["a0"], starts["a1"], linestyle="", zorder=4, **NOISE)
    ink = np.array(to_rgb(color))
    for _, path in paths.sort_values("t", ascending=False).groupby("sample"):
        corners = path[["a0", "a1"]].to_numpy()
        segments = np.stack([corners[:-1], corners[1:]], axis=1)  # (jumps, 2 ends, 2)
        shades = np.linspace(0.35, 1.0, len(segments))[:, None]
        axes.add_collection(
            LineCollection(segments, colors=1 - shades * (1 - ink), linewidths=width, zorder=4)
        )


def frame(axes: Axes, reach: float) -> None:
    """Equal scales within `reach` of the origin, and the box [-1, 1] that actions are clipped to."""
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=INK, linewidth=0.9, zorder=6))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    tick = max(step for step in TICKS if step <= 0.8 * reach)
    axes.set(xticks=[-tick, 0, tick], yticks=[-tick, 0, tick])


def connect(figure: Figure, above: Axes, below: Axes, zoom: float) -> None:
    """Show which part of the upper panel the lower one magnifies."""
    style = {"edgecolor": "#8c8c8c", "linewidth": 0.5, "zorder": 7}
    above.add_patch(Rectangle((-zoom, -zoom), 2 * zoom, 2 * zoom, fill=False, **style))
    below.spines[:].set(visible=True, color=style["edgecolor"], linewidth=style["linewidth"])
    for side in (-zoom, zoom):
        figure.add_artist(
            ConnectionPatch((side, -zoom), (side, zoom), "data", "data", axesA=above, axesB=below, **style)
        )


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        points = read_results(snakemake.input.trajectories, "trajectories")
        save_figure(draw(points, study, snakemake.input.trajectories), *snakemake.output)
