"""Figure: the gap of Theorem 1 against the solver's step, and against the distance of the two times."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, label_panels, legend_above, panel_grid
from gtp.report.oracle import read_oracle_record
from gtp.report.record import OracleRecord
from gtp.report.results import read_results
from gtp.report.style import COLORS, MethodStyle, house_style, save_figure
from gtp.report.tables import signed
from gtp.report.theorem import FIELDS, SOLVERS, SWEEPS, Order, read_orders

LOOKS = {
    ("exact", "euler"): MethodStyle(COLORS[1], "s", (4, 1.2)),
    ("exact", "heun"): MethodStyle(COLORS[2], "^", (1, 1.2)),
    ("surrogate", "heun"): MethodStyle(COLORS[0], "o", ()),
}
"""The surrogate's field is linear: every solver gives the same, and one line stands for both."""


@house_style()
def draw(table: pd.DataFrame, orders: list[Order], record: OracleRecord) -> Figure:
    """The figure from the rows of theorem.csv, a row of panels for each mixture."""
    figure, panels = panel_grid(len(SWEEPS), len(record.mixtures))
    for row, mixture in zip(panels, record.mixtures, strict=True):
        for axes, sweep in zip(row, SWEEPS, strict=True):
            for (field, solver), look in LOOKS.items():
                own = (mixture, sweep, field, solver)
                mine = table[(table[["mixture", "sweep", "field", "solver"]] == own).all(axis=1)]
                (order,) = [o for o in orders if (o.mixture, o.sweep, o.field, o.solver) == own]
                draw_gaps(axes, mine, order, look)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.margins(x=0.12)
            axes.grid(axis="y")
    titles, labels = list(SWEEPS.values()), [f"{label}\n|gap|" for label in record.mixtures.values()]
    label_panels(panels, titles, "$h$", labels)
    legend_above(figure, [Line2D([], [], label=label_of(*key), **look.line()) for key, look in LOOKS.items()])
    footnote(
        figure,
        f"|gap| = $|L_{{prac}} - L_{{ideal}}|$; {len(record.seeds)} seeds of {record.samples} samples;"
        " numbers are fitted slopes. Left: $t$ = 1, $u$ = 0.5; right: $t$ = 1; $\\tau$ = 0.1.",
    )
    return figure


def draw_gaps(axes: Axes, rows: pd.DataFrame, order: Order, look: MethodStyle) -> None:
    """The gaps of one field and solver: seeds as dots, their mean as a line, the slope at its left end."""
    gaps = rows.assign(gap=rows["gap"].abs())
    axes.plot(gaps["step"], gaps["gap"], ".", markersize=1.5, color=look.color)
    means = gaps.groupby("step")["gap"].mean()
    axes.plot(means.index, means, **look.line())
    place = {"textcoords": "offset points", "xytext": (-3, 3), "ha": "right", "fontsize": 6}
    axes.annotate(signed(order.slope.mean), (means.index[0], means.iloc[0]), color=look.color, **place)


def label_of(field: str, solver: str) -> str:
    """The entry of the legend."""
    return "surrogate, any solver" if field == "surrogate" else f"{FIELDS[field]}, {SOLVERS[solver]}"


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_oracle_record(snakemake.input.study)
        table = read_results(snakemake.input.theorem, "theorem")
        orders = read_orders(table, snakemake.input.theorem)
        save_figure(draw(table, orders, record), *snakemake.output)
