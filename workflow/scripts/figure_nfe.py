"""Figure: normalised score against the number of function evaluations K, a panel for each task."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import ending_in_one_line
from gtp.plotting import (
    footnote,
    house_style,
    label_panels,
    legend_above,
    method_styles,
    panel_grid,
    percent_score,
    sample_notice,
    save_figure,
    set_score_limits,
)
from gtp.results import StudyRecord, TaskRecord, read_study
from gtp.statistics import SeedScores, mean_estimate, read_seed_scores

DODGE = 1.06
"""Factor between neighbouring methods on the logarithmic axis, so that their intervals stand side by side."""


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each K."""
    styles = method_styles(study)
    figure, panels = panel_grid(len(study.tasks), share_y=all(map(percent_score, study.tasks)))
    for axes, task in zip(panels, study.tasks, strict=True):
        draw_task(axes, task, scores, study)
    titles = [task.label for task in study.tasks]
    label_panels(panels, titles, "function evaluations $K$", "normalised score")
    plain = {"marker": ""}
    legend_above(
        figure,
        [
            Line2D([], [], label=m.label, **styles[m.name].line(**({} if m.generative else plain)))
            for m in study.methods
        ],
    )
    footnote(
        figure,
        sample_notice(len(study.seeds), scores.episodes()),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def draw_task(axes: Axes, task: TaskRecord, scores: SeedScores, study: StudyRecord) -> None:
    """One panel: a curve for each generative method, a horizontal band for the others, which have no K."""
    styles = method_styles(study)
    generative = [method.name for method in study.methods if method.generative]
    means: list[float] = []
    for order, method in enumerate(study.methods):
        look, nfe = styles[method.name], study.evaluated_nfe(method)
        estimates = [mean_estimate(scores.of(task.name, method.name, k)) for k in nfe]
        means += [estimate.mean for estimate in estimates]
        layer = 5 - order / len(study.methods)  # the first method on top
        if method.generative:
            place = generative.index(method.name) - (len(generative) - 1) / 2
            axes.errorbar(
                np.array(nfe) * DODGE ** (place * min(1, 4 / len(generative))),
                [estimate.mean for estimate in estimates],
                yerr=np.transpose([(e.mean - e.low, e.high - e.mean) for e in estimates]),
                elinewidth=0.7,
                capsize=1.5,
                capthick=0.7,
                zorder=layer,
                **look.line(),
            )
        else:
            axes.axhline(means[-1], color=look.color, linestyle=look.linestyle, zorder=2)
            if estimates[0].n > 1:
                axes.axhspan(estimates[0].low, estimates[0].high, color=look.color, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xlim(min(study.nfe) / 1.25, max(study.nfe) * 1.25)
    axes.set_xticks(study.nfe, [f"{k:g}" for k in study.nfe])
    axes.set_xticks([], minor=True)
    set_score_limits(axes, task, means)
    axes.grid(axis="y")


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(scores, study), snakemake.output.pdf, snakemake.output.png)
