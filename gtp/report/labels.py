"""Names beside the points of a scatter, which keep clear of each other and of the points.

Force-directed placement (adjustText) was tried first: names of points that coincide stayed on each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

Named = Sequence[tuple[str, float, float, str]]
"""(name, x, y, colour) of each point, in the coordinates of its axes."""

HALO = withStroke(linewidth=1.6, foreground="white")
LOOK: dict[str, Any] = {"fontsize": 6.5, "zorder": 8, "ha": "center", "va": "center"}
LINE = {"arrowstyle": "-", "color": "#8c8c8c", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
GAPS = (3.0, 7.0, 13.0, 21.0, 31.0, 43.0)
"""Distances of a name from its point that are tried, in points of print."""
DIRECTIONS = 16
ON_NAME, ON_POINT, FARTHER = 50.0, 8.0, 0.4
"""What it costs to lie on a name or on a point, and a point of print farther away."""


def label_points(figure: Figure, panels: Mapping[Axes, tuple[Named, Sequence[tuple[float, float]]]]) -> None:
    """Write the names of points; the second part of each panel are further points that names keep clear of.

    Each name, in the order given, takes the cheapest of many places around its point, inside of the axes if
    it can. Names are placed for the figure as it stands, so its layout is fixed here: this comes last.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    scale = figure.dpi / 72.0  # pixels in a point of print
    for axes, (named, others) in panels.items():
        frame = axes.get_window_extent(renderer)
        corners = np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]])
        marks = axes.transData.transform([*((x, y) for _, x, y, _ in named), *others])
        taken = np.zeros((0, 2, 2))
        for index, (name, x, y, color) in enumerate(named):
            text = axes.annotate(
                name, (x, y), (0, 0), textcoords="offset points", color=color, path_effects=[HALO], **LOOK
            )
            box = text.get_window_extent(renderer)
            size = np.array([box.width, box.height])
            shifts, gaps = places(size, scale)
            boxes = (marks[index] + shifts)[:, None] + size / 2 * np.array([[-1], [1]])
            cost = ON_NAME * overlaps(boxes, taken).sum(axis=1) + FARTHER * gaps
            cost += ON_POINT * inside(marks, boxes).sum(axis=1)
            cost[(boxes[:, 0] < corners[0]).any(axis=1) | (boxes[:, 1] > corners[1]).any(axis=1)] += 1e6
            best = int(cost.argmin())
            taken = np.concatenate([taken, boxes[best : best + 1]])
            text.set_position(tuple(shifts[best] / scale))
            if gaps[best] > GAPS[1]:
                axes.annotate("", (x, y), tuple(shifts[best] / scale), textcoords="offset points",
                              arrowprops=LINE, zorder=7)  # fmt: skip


def places(size: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Shifts (n, 2) in pixels of the centre of a box of `size` around a point, and the gaps (n,) left."""
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    gaps = np.repeat(GAPS, DIRECTIONS)
    return np.tile(around, (len(GAPS), 1)) * (gaps[:, None] * scale + size / 2), gaps


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of the boxes (n, 2 corners, 2) share area with which others (m, 2, 2), as (n, m)."""
    low = np.maximum(boxes[:, None, 0], others[None, :, 0])
    high = np.minimum(boxes[:, None, 1], others[None, :, 1])
    return (high > low).all(axis=-1)


def inside(points: np.ndarray, boxes: np.ndarray, margin: float = 3.0) -> np.ndarray:
    """Which boxes (n, 2, 2) have which points (m, 2) in them or within some pixels, as (n, m)."""
    low, high = boxes[:, None, 0] - margin, boxes[:, None, 1] + margin
    return np.all((points > low) & (points < high), axis=-1)
