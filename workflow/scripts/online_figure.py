"""Figure: return during online training, a thin line for each seed and their mean."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, label_panels, legend_above, panel_grid
from gtp.report.online import WAYS, OnlineReturns, read_record, read_returns
from gtp.report.record import OnlineRecord
from gtp.report.style import MethodStyle, house_style, save_figure, style_of


@house_style()
def draw(returns: OnlineReturns, record: OnlineRecord) -> Figure:
    """The figure: every method by its search or its actor, the first one by its prior alone as well."""
    figure, panels = panel_grid(len(record.environments))
    looks = {}
    for axes, environment in zip(panels[0], record.environments, strict=True):
        shown = curves_shown(returns, record, environment)
        for place, (label, (method, way)) in enumerate(shown.items()):
            look = looks.setdefault(label, style_of(place, False))
            curves = returns.curves(environment, method, way)
            thousands = curves.index / 1e3
            layer = 5 - place / len(shown)
            axes.plot(thousands, curves, color=look.color, linewidth=0.5, alpha=0.35, zorder=layer - 2)
            axes.plot(thousands, curves.mean(axis=1), zorder=layer, **look.line(clip_on=False))
        axes.set_xlim(0, 1.03 * record.steps / 1e3)
        axes.grid(axis="y")
    label_panels(panels, record.environments, "steps in the environment (thousands)", ["return"])
    legend_above(figure, [legend_line(label, look) for label, look in looks.items()])
    seeds = "one seed" if len(record.seeds) == 1 else f"{len(record.seeds)} seeds and their mean"
    footnote(figure, f"{seeds[0].upper()}{seeds[1:]}; an evaluation is {record.episodes} episodes.")
    return figure


def curves_shown(
    returns: OnlineReturns, record: OnlineRecord, environment: str
) -> dict[str, tuple[str, str]]:
    """Label -> the method and the way of acting of each curve of a panel."""
    shown = {}
    for method, label in record.labels.items():
        ways = returns.ways(environment, method)
        shown[label] = (method, ways[0])
        if method == next(iter(record.labels)):
            shown |= {f"{label}, {WAYS[way]}": (method, way) for way in ways[1:]}
    return shown


def legend_line(label: str, look: MethodStyle) -> Line2D:
    """The entry of one curve."""
    return Line2D([], [], label=label, **look.line())


if __name__ == "__main__":
    with ending_in_one_line():
        record = read_record(snakemake.input.record)
        returns = read_returns(snakemake.input.online, record)
        save_figure(draw(returns, record), snakemake.output.pdf, snakemake.output.png)
