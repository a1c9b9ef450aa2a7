"""Figure: how often policies act far from the data, and Q at their actions beside the returns that follow."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtp.acting import ActingRule
from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import footnote, label_panels, panel_grid
from gtp.report.record import MethodRecord, StudyRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.style import INK, MethodStyle, house_style, method_styles, save_figure

LINE = 0.16
"""Inches that a method takes in a panel."""
APART = 0.36
"""Part of it between two rules of a method."""
EXPECTED = 5.0
"""Percent of the data's own actions that are far, by definition."""


@house_style()
def draw(table: pd.DataFrame, study: StudyRecord, file: str) -> Figure:
    """The figure from the rows of support.csv, two panels for each task, a line for each method."""
    figure, grid = panel_grid(len(study.tasks), 2)
    bands = round((figure.get_figheight() - 0.55) / 2 / 1.3) or 1
    figure.set_figheight(0.75 + bands * 2 * (0.35 + LINE * len(study.methods)))
    styles = method_styles(study)
    for column, task in enumerate(study.tasks):
        far, values = grid[:, column]
        far.axvline(EXPECTED, color=INK, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)
        for place, method in enumerate(study.methods):
            for number, rule in enumerate(method.acting):
                rows = rows_of(table, task.name, method, rule, file)
                look = marker(styles[method.name], number == 0)
                height = place + APART * (number - (len(method.acting) - 1) / 2)
                draw_far(far, rows, height, look)
                draw_values(values, rows, height, look)
        far.set_xlim(-3, 103)
        for axes in (far, values):
            axes.set_ylim(len(study.methods) - 0.4, -0.6)
            labels = [method.label for method in study.methods] if column == 0 else []
            axes.set_yticks(range(len(labels)), labels)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
    label_panels(grid, [task.label for task in study.tasks], "", ["", ""])
    for far, values in grid.T:
        far.tick_params(labelbottom=True)
        far.set_xlabel("actions far from the data (%)")
        values.set_xlabel("Q and the return that follows")
    others = ", ".join(ActingRule.parse(rule).label for rule in study.acting[1:]) or "none"
    footnote(
        figure,
        f"{len(study.seeds)} seeds; K = {study.headline_nfe} where it can be chosen. Filled: one sample, or"
        f" the only way; hollow: {others}. Bars: returns.",
        study.data_notice(),
        divergence_notice(table, study),
    )
    return figure


def rows_of(table: pd.DataFrame, task: str, method: MethodRecord, rule: str, file: str) -> pd.DataFrame:
    """The rows of all seeds that did not diverge. Raises UserError when the table has none at all."""
    rows = table[(table["task"] == task) & (table["method"] == method.name) & (table["acting"] == rule)]
    if rows.empty:
        raise UserError(f"{file} has no rows for {method.name} on {task}, acting {rule}; {REMEDY}")
    return rows[rows["status"] == "ok"]


def marker(style: MethodStyle, filled: bool) -> dict:
    """The marker of a method by its first rule, or by another."""
    face = style.color if filled else "white"
    return {"marker": style.marker, "color": style.color, "markerfacecolor": face, "linestyle": "none"}


def draw_far(axes: Axes, rows: pd.DataFrame, place: float, look: dict) -> None:
    """Share of actions far from the data: seeds as dots, their mean as the marker."""
    share = 100 * rows["far_share"]
    axes.plot(share, [place] * len(share), ".", markersize=1.5, color=look["color"], zorder=2)
    axes.plot([share.mean()], [place], markeredgecolor=look["color"], zorder=3, **look)


def draw_values(axes: Axes, rows: pd.DataFrame, place: float, look: dict) -> None:
    """Mean Q joined to the mean return; nothing for a method without a critic."""
    known = rows.dropna(subset=["q", "mc_return"])
    if known.empty:
        return
    q, value = known["q"].mean(), known["mc_return"].mean()
    axes.plot([value, q], [place, place], linewidth=0.8, color=look["color"], zorder=2)
    axes.plot([value], [place], "|", markersize=6, markeredgewidth=1, color=look["color"], zorder=3)
    axes.plot([q], [place], markeredgecolor=look["color"], zorder=4, **look)


def divergence_notice(table: pd.DataFrame, study: StudyRecord) -> str:
    """One sentence on the seeds that diverged, empty when none did."""
    gone = table[table["status"] != "ok"].drop_duplicates(["task", "method", "seed"])
    counts = gone.groupby(["method", "task"], sort=False).size()
    cells = [
        f"{study.method_label(method)} on {study.task_label(task)} ({count})"
        for (method, task), count in counts.items()
    ]
    return f"Seeds left out because they diverged: {', '.join(cells)}." if cells else ""


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        table = read_results(snakemake.input.support, "support")
        save_figure(draw(table, study, snakemake.input.support), *snakemake.output)
