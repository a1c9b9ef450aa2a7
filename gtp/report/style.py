"""What every figure looks like: one style, one look for each method, files that repeat to the byte.

Figures are built without pyplot, so nothing global changes and no display is needed. Sizes are in inches;
they fit a two-column page whose text is 6.75 in wide, so that figures are printed as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

from gtp.files import write_atomically
from gtp.report.record import MethodRecord, StudyRecord

COLUMN_WIDTH, TEXT_WIDTH = 3.25, 6.75
INK = "#1a1a1a"

STYLE: dict[str, Any] = {
    "font.family": "STIXGeneral",  # comes with matplotlib: the same letters on every machine
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.4,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlepad": 4,
    "axes.labelpad": 2,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.6,
    "lines.markeredgewidth": 0.5,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType: text stays text, and publishers refuse Type 3
    "svg.hashsalt": "gtp",
}

# Chosen so that the nearest two of them are as far apart as possible for readers with all cones, without red
# and without green ones; neighbours differ in lightness as well. Markers and dashes tell methods apart
# without any colour; the cycles have different lengths, so that no two of a hundred methods look alike.
COLORS = (
    "#004488", "#ddaa33", "#bb5566", "#8099b2", "#004c00", "#ff99ff",
    "#804cb2", "#00cc99", "#66004c", "#1a80ff", "#66661a", "#1a1a1a",
)  # fmt: skip
GREYS = ("#404040", "#8c8c8c", "#595959", "#a6a6a6", "#737373")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
DASHES = ((), (4, 1.2), (1, 1.2), (5, 1.2, 1, 1.2), (2.5, 1.2), (7, 1.5), (4, 1, 1, 1, 1, 1))
COLORED = {
    "gtp": COLORS[0],
    "diffusion_ql": COLORS[1],
    "consistency_ac": COLORS[2],
    "fql": COLORS[7],
    "mbdpo": COLORS[6],
}
"""Method -> its colour: the methods that the studies are about and their nearest rivals. All others are grey,
for a reader tells four colours apart at a glance and fourteen not at all."""


def house_style():
    """Context manager and decorator: matplotlib's defaults with STYLE, whatever the user's matplotlibrc."""
    return style.context(STYLE, after_reset=True)


@dataclass(frozen=True)
class MethodStyle:
    """How one method looks in every figure."""

    color: str
    marker: str
    dashes: tuple[float, ...]
    """Lengths of dashes and gaps in line widths; empty for a solid line."""
    hollow: bool = False
    """Whether markers are outlines only: those of ablations."""
    colored: bool = True
    """Whether it has a colour of its own; the lines of others are thinner."""

    @property
    def linestyle(self) -> tuple[int, tuple[float, ...] | None]:
        """The dashes as matplotlib's (offset, lengths)."""
        return 0, self.dashes or None

    def line(self, **changes) -> dict[str, Any]:
        """Arguments for Axes.plot."""
        edge: dict[str, Any]
        look: dict[str, Any] = {"color": self.color, "marker": self.marker, "linestyle": self.linestyle}
        look["linewidth"] = 1.2 if self.colored else 0.9
        if self.hollow:
            edge = {"markerfacecolor": "white", "markeredgecolor": self.color}
            edge |= {"markeredgewidth": 0.8, "markersize": 3.1}
        else:
            edge = {"markerfacecolor": self.color, "markeredgecolor": "white"}
        return {**look, **edge, **changes}


def method_styles(study: StudyRecord, others: Iterable[str] = ()) -> dict[str, MethodStyle]:
    """The look of each method, which follows its name and its place in the methods file and nothing else.

    `others` are methods that the study does not know; they take looks that its methods do not have.
    """
    styles = {method.name: style_of_method(method) for method in study.methods}
    place = max((method.order for method in study.methods), default=-1)
    for name in others:
        if name not in styles:
            place += 1
            styles[name] = _in_grey(style_of(place, False), place)
    return styles


def style_of_method(method: MethodRecord) -> MethodStyle:
    """Marker and dashes by its place; its colour where it has one, else a thinner line in grey."""
    look = style_of(method.order, bool(method.ablation_of))
    color = COLORED.get(method.size_of or method.name)
    return replace(look, color=color) if color else _in_grey(look, method.order)


def _in_grey(look: MethodStyle, place: int) -> MethodStyle:
    return replace(look, color=_turn(GREYS, place), colored=False)


def style_of(place: int, ablation: bool) -> MethodStyle:
    """The coloured look of what stands at a place of a list; ablations, counted apart, look different.

    An ablation is never solid and never in the first colour, which is that of the first method.
    """
    if ablation:
        colors, markers, dashes = (cycle[1:] for cycle in (COLORS, MARKERS, DASHES))
        return MethodStyle(_turn(colors, place + 1), _turn(markers, place), _turn(dashes, place), True)
    return MethodStyle(_turn(COLORS, place), _turn(MARKERS, place), _turn(DASHES, place))


def _turn(cycle: Sequence, place: int) -> Any:
    return cycle[place % len(cycle)]


def save_figure(figure: Figure, *paths: Path) -> None:
    """Write the figure to each path in the format of its suffix; the same figures in the same order are
    the same bytes.

    Raises UserError when a file cannot be written.
    """
    silent = {
        ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
    }
    for path in map(Path, paths):
        with house_style():
            write_atomically(
                path,
                partial(figure.savefig, format=path.suffix[1:], metadata=silent[path.suffix]),
            )
