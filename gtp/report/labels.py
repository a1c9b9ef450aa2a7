"""Names beside the points of a scatter, which keep clear of each other and of the points."""

from collections.abc import Mapping, Sequence

from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

Named = Sequence[tuple[str, float, float, str]]
"""(name, x, y, colour) of each point, in the coordinates of its axes."""

HALO = withStroke(linewidth=1.6, foreground="white")
LOOK = {"fontsize": 6.5, "zorder": 8, "ha": "center", "va": "center"}


def label_points(figure: Figure, panels: Mapping[Axes, tuple[Named, Sequence[tuple[float, float]]]]) -> None:
    """Write the names of points; the second part of each panel are further points that names keep clear of.

    Names are placed for the figure as it stands, so its layout is fixed here: this comes last. The same
    figure gets the same places.
    """
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, (named, others) in panels.items():
        texts = [
            axes.text(x, y, name, color=color, path_effects=[HALO], **LOOK) for name, x, y, color in named
        ]
        at = [(x, y) for _, x, y, _ in named] + list(others)
        adjust_text(
            texts,
            *map(list, zip(*at, strict=True)),
            ax=axes,
            expand=(1.05, 1.35),
            force_text=(0.3, 0.8),
            force_static=(0.2, 0.4),
            force_explode=(0.4, 1.0),
            prevent_crossings=False,
            arrowprops={"arrowstyle": "-", "color": "#8c8c8c", "linewidth": 0.4, "shrinkB": 2},
            iter_lim=500,
        )
