"""Figure: what a method has learned in one state: trajectories from noise to actions, and where they end."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import footnote, wrap
from gtp.report.record import StudyRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.style import INK, TEXT_WIDTH, house_style, method_styles, save_figure

LEAST_ZOOM, MOST_ZOOM = 1.25, 2.0
"""Limits of the half width of panels of actions; the box of actions is [-1, 1] on both axes."""
SHOWN = 24
"""Paths that a panel shows: more hide where they end, which the panels below show."""
CELLS = 22
"""Hexagons across a panel of end points."""
WIDEST = 1.9
"""Inches of a column."""
STATE = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "markeredgecolor": INK}


@house_style()
def draw(points: pd.DataFrame, study: StudyRecord, file: str, ends: pd.DataFrame | None = None) -> Figure:
    """The figure from the rows of trajectories.csv, which `file` names in messages, and of endpoints.csv.

    A column for each method after one of the data. Without `ends`, which older results lack, the paths' own
    ends are shown, at one K, and the place of the state is not.
    Raises UserError when there are no paths, no data, or more than one state.
    """
    paths, data = (points[points["kind"] == kind] for kind in ("path", "data"))
    if paths.empty or data.empty:
        raise UserError(f"{file} has no {'path' if paths.empty else 'data'} in the column 'kind'; {REMEDY}")
    if len(points[["task", "state"]].drop_duplicates()) > 1:
        raise UserError(f"{file} has more than one state in the column 'state'; {REMEDY}")
    data = data.drop_duplicates("sample")  # each method's file repeats them
    actions = ends_of(paths) if ends is None else ends[ends["kind"] == "action"]
    styles = method_styles(study, dict.fromkeys(paths["method"]))
    methods = [method for method in styles if (paths["method"] == method).any()]
    compared = sorted(map(int, actions["nfe"].unique()))
    last = paths.loc[paths["t"] == paths["t"].min(), ["a0", "a1"]].abs().to_numpy().max()
    zoom = float(np.clip(1.05 * last, LEAST_ZOOM, MOST_ZOOM))

    panel = min(WIDEST, TEXT_WIDTH / (len(methods) + 1))
    size = (1 + len(compared), 1 + len(methods))
    figure = Figure(figsize=(panel * size[1], 0.45 + panel * size[0]))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.02)
    grid = figure.subplots(*size, squeeze=False)
    draw_world(grid[0, 0], ends)
    draw_density(grid[1, 0], data.rename(columns={"a0": "x", "a1": "y"}), INK, zoom)
    grid[1, 0].set_title("data, similar states")
    for unneeded in grid[2:, 0]:
        unneeded.remove()
    for method, column in zip(methods, grid.T[1:], strict=True):
        color = styles[method].color
        draw_paths(column[0], paths[paths["method"] == method], color, zoom)
        column[0].set_title(wrap(study.method_label(method), panel), linespacing=1)
        for axes, nfe in zip(column[1:], compared, strict=True):
            own = actions[(actions["method"] == method) & (actions["nfe"] == nfe)]
            draw_density(axes, own, color, zoom)
            axes.set_title(f"ends, $K$ = {nfe}")
    for axes in grid[-1, 1:]:
        axes.set_xlabel("action $a_1$")
    for axes in grid[:, 1]:
        axes.set_ylabel("action $a_2$")
    name = paths["task"].iloc[0]
    about = study.only(task for task in study.tasks if task.name == name)
    # A state of a task that the study does not train on may be of any data that the study uses.
    notice = (about if about.tasks else study).data_notice()
    samples = len(actions) // (len(methods) * len(compared))
    footnote(
        figure,
        f"One state of {study.task_label(name)}. Above: {min(SHOWN, paths['sample'].nunique())} paths from"
        f" noise, darker towards the action, near the box of actions. Below: share of {samples} samples that"
        " end in a hexagon, darker for more.",
        notice,
    )
    return figure


def ends_of(paths: pd.DataFrame) -> pd.DataFrame:
    """The last points of paths as rows of endpoints.csv, at as many evaluations as a path has jumps."""
    last = paths[paths["t"] == paths["t"].min()]
    ends = last.rename(columns={"a0": "x", "a1": "y"})[["method", "sample", "x", "y"]]
    return ends.assign(kind="action", nfe=float(paths["t"].nunique() - 1))


def draw_world(axes: Axes, ends: pd.DataFrame | None) -> None:
    """Where the dataset has been, and the state in it; nothing where that is not known."""
    places = pd.DataFrame() if ends is None else ends[ends["method"] == ends["method"].iloc[0]]
    if places.empty or not (places["kind"] == "state").any():
        axes.remove()
        return
    visited, state = (places[places["kind"] == kind] for kind in ("visited", "state"))
    axes.plot(visited["x"], visited["y"], ".", markersize=1.6, color="#a6a6a6", markeredgewidth=0)
    axes.plot(state["x"], state["y"], linestyle="", **STATE)
    axes.set(aspect="equal", xticks=[], yticks=[], title="the state in its world")
    axes.set_anchor("C")
    axes.spines[:].set_visible(False)


def draw_paths(axes: Axes, paths: pd.DataFrame, color: str, zoom: float) -> None:
    """Some of the paths near the box, where they end; their segments darken towards the action."""
    ink = np.array(to_rgb(color))
    shown = paths[paths["sample"].isin(sorted(paths["sample"].unique())[:SHOWN])]
    for _, path in shown.sort_values("t", ascending=False).groupby("sample"):
        corners = path[["a0", "a1"]].to_numpy()
        segments = np.stack([corners[:-1], corners[1:]], axis=1)  # (jumps, 2 ends, 2)
        shades = np.linspace(0.3, 1.0, len(segments))[:, None]
        axes.add_collection(LineCollection(segments, colors=1 - shades * (1 - ink), linewidths=0.6, zorder=4))
        axes.plot(*corners[-1], marker="o", markersize=2.4, color=color, markeredgewidth=0, zorder=5)
    frame(axes, zoom)


def draw_density(axes: Axes, ends: pd.DataFrame, color: str, zoom: float) -> None:
    """Share of end points in hexagons, and how many lie outside of the panel."""
    inside = (ends[["x", "y"]].abs() <= zoom).all(axis=1)
    shades = LinearSegmentedColormap.from_list("ends", [*pale_to(color)])
    axes.hexbin(
        ends.loc[inside, "x"],
        ends.loc[inside, "y"],
        gridsize=CELLS,
        extent=(-zoom, zoom, -zoom, zoom),
        mincnt=1,
        cmap=shades,
        norm=PowerNorm(0.5, vmin=0),
        linewidths=0.1,
    )
    if not inside.all():
        axes.text(0.97, 0.02, f"{(~inside).sum()} beyond", transform=axes.transAxes, ha="right", fontsize=6.5)
    frame(axes, zoom)


def pale_to(color: str) -> Sequence[tuple[float, ...]]:
    """Two colours, a pale one and the one given."""
    ink = np.array(to_rgb(color))
    return [tuple(1 - 0.15 * (1 - ink)), tuple(ink)]


def frame(axes: Axes, reach: float) -> None:
    """Equal scales within `reach` of the origin, and the box [-1, 1] that actions are clipped to."""
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=INK, linewidth=0.7, zorder=6))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        points = read_results(snakemake.input.trajectories, "trajectories")
        more = [read_results(file, "endpoints") for file in snakemake.input.more]
        figure = draw(points, study, snakemake.input.trajectories, *more)
        save_figure(figure, *snakemake.output)
