"""Figure: normalised score against the number of parameters, a panel for each task."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, label_panels, legend_above, panel_grid, set_score_limits, task_titles
from gtp.report.record import StudyRecord
from gtp.report.results import read_results, read_study
from gtp.report.speed import parameters
from gtp.report.statistics import (
    SeedScores,
    difference_estimate,
    read_seed_scores,
)
from gtp.report.style import house_style, method_styles, save_figure

PARAMETERS = "parameters (millions)"


@house_style()
def draw(scores: SeedScores, cost: pd.DataFrame, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores and the parameters of each size, families of sizes together."""
    figure, grid = panel_grid(len(study.tasks), share_y=False)
    styles, told = method_styles(study), []
    for axes, task in zip(grid[0], study.tasks, strict=True):
        means, verdicts = [], []
        for name, members in study.sizes().items():
            members = sorted(members, key=lambda method: parameters(cost, study, task, method))
            sizes = [parameters(cost, study, task, method) for method in members]
            for k, line in ((study.headline_nfe, "-"), (min(study.nfe), ":")):
                own = [scores.of(task.name, method.name, k) for method in members]
                estimates = [scores.estimate([task], method.name, k) for method in members]
                means += draw_sizes(
                    axes, sizes, own, estimates, styles[name].color, line, f"{members[0].label}, K={k}"
                )
                if line == "-":
                    verdicts.append(verdict(own))
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size / 1e6:.2g}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y")
        set_score_limits(axes, task.is_goal_reaching, means)
        told.append("\n".join([PARAMETERS, *verdicts]))
    label_panels(grid, task_titles(study), PARAMETERS, ["normalised score"])
    for axes, text in zip(grid[0], told, strict=True):
        axes.set_xlabel(text, linespacing=1.3)
    legend_above(figure, legend_of(study))
    footnote(figure, f"{len(study.seeds)} seeds; dots are seeds.", study.acting_notice(), study.data_notice())
    return figure


def draw_sizes(axes: Axes, sizes, own, estimates, color: str, line: str, label: str) -> list[float]:
    """One family at one K: seeds as dots, means with their intervals as a line. Returns what is drawn."""
    for size, values in zip(sizes, own, strict=True):
        face = color if line == "-" else "none"
        axes.plot([size] * len(values), values, "o", markersize=2.2, color=color, markerfacecolor=face)
    axes.errorbar(
        sizes,
        [e.mean for e in estimates],
        yerr=np.transpose([e.whiskers for e in estimates]) if estimates[0].n > 1 else None,
        color=color,
        linestyle=line,
        elinewidth=0.7,
        capsize=1.5,
        label=label,
    )
    return [value for values in own for value in values]


def verdict(own: list[np.ndarray]) -> str:
    """Whether scores rise from size to size, and whether any step is more than chance."""
    steps = [difference_estimate(larger, smaller) for smaller, larger in pairwise(own)]
    rising = "means rise" if all(step.mean > 0.0 for step in steps) else "means do not rise throughout"
    sure = sum(step.low > 0.0 for step in steps)
    return f"{rising}; {sure} of {len(steps)} steps up beyond their intervals"


def legend_of(study: StudyRecord):
    """Lines of the two K, which all families share."""
    colour = next(iter(method_styles(study)[name].color for name in study.sizes()))
    low, high = min(study.nfe), study.headline_nfe
    return [
        Line2D([], [], color=colour, linestyle="-", label=f"$K$ = {high}"),
        Line2D([], [], color=colour, linestyle=":", label=f"$K$ = {low}"),
    ]


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        cost = read_results(snakemake.input.cost, "cost")
        save_figure(draw(scores, cost, study), *snakemake.output)
