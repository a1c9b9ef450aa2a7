"""Figure: distance of K-step samples to the exact flow of their noise against K, a panel for each mixture."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, label_panels, legend_above, panel_grid
from gtp.report.oracle import Accuracies, look_of, read_accuracies, read_oracle_record
from gtp.report.record import OracleRecord
from gtp.report.style import house_style, save_figure


@house_style()
def draw(accuracies: Accuracies, record: OracleRecord) -> Figure:
    """The figure from the rows of solution_map.csv."""
    figure, panels = panel_grid(len(record.mixtures))
    for axes, mixture in zip(panels[0], record.mixtures, strict=True):
        for place, method in enumerate(record.methods):
            curves, look = accuracies.seeds(mixture, method.name), look_of(method)
            layer = 5 - place / len(record.methods)
            axes.plot(curves.index, curves, color=look.color, linewidth=0.4, alpha=0.5, zorder=layer - 2)
            axes.plot(curves.index, curves.mean(axis=1), zorder=layer, **look.line())
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(record.nfe, [str(k) for k in record.nfe])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y")
    label_panels(
        panels, list(record.mixtures.values()), "function evaluations $K$", ["distance to the exact map"]
    )
    legend_above(figure, [Line2D([], [], label=m.label, **look_of(m).line()) for m in record.methods])
    footnote(
        figure,
        f"Median over samples, in action units; {len(record.seeds)} seeds (thin) and their mean;"
        f" {record.steps} updates.",
        divergence_notice(accuracies, record),
    )
    return figure


def divergence_notice(accuracies: Accuracies, record: OracleRecord) -> str:
    """One sentence on the seeds that diverged, empty when none did."""
    cells = [
        f"{method.label} on {label.lower()} ({count} of {len(record.seeds)})"
        for mixture, label in record.mixtures.items()
        for method in record.methods
        if (count := accuracies.diverged(mixture, method.name))
    ]
    return f"Left out because they diverged: {', '.join(cells)}." if cells else ""


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_oracle_record(snakemake.input.study)
        accuracies = read_accuracies(snakemake.input.solution_map, record)
        save_figure(draw(accuracies, record), *snakemake.output)
