"""Figure: normalised score against the number of function evaluations K, a panel for each task."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtp.errors import ending_in_one_line
from gtp.report.layout import Panels, task_figure
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import Estimate, SeedScores, read_seed_scores
from gtp.report.style import MethodStyle, house_style, method_styles, save_figure

DODGE = 1.06
"""Factor between neighbouring methods on the logarithmic axis, so that their intervals stand side by side."""


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each K."""
    styles = method_styles(study)

    def draw_task(task: TaskRecord, panels: Panels) -> list[float]:
        estimates = {
            method.name: [scores.estimate([task], method.name, k) for k in study.evaluated_nfe(method)]
            for method in study.methods
        }
        for axes, methods in panels:
            draw_scores(axes, methods, estimates, styles)
            set_evaluations(axes, study)
        return [e.mean for several in estimates.values() for e in several]

    return task_figure(study, scores, draw_task, "function evaluations $K$", study.acting_notice())


def draw_scores(
    axes: Axes,
    methods: list[MethodRecord],
    estimates: dict[str, list[Estimate]],
    styles: dict[str, MethodStyle],
) -> None:
    """One panel: a curve for each generative method, a horizontal band for the others, which have no K."""
    generative = [method.name for method in methods if method.generative]
    for order, method in enumerate(methods):
        look, own = styles[method.name], estimates[method.name]
        means = [estimate.mean for estimate in own]
        layer = 5 - order / len(methods)  # the first method on top
        if method.generative:
            place = generative.index(method.name) - (len(generative) - 1) / 2
            axes.errorbar(
                np.array(method.nfe) * DODGE ** (place * min(1, 4 / len(generative))),
                means,
                yerr=np.transpose([e.whiskers for e in own]),
                elinewidth=0.7,
                capsize=1.5,
                capthick=0.7,
                zorder=layer,
                **look.line(),
            )
        else:
            # The marker at the right edge ties the line to the legend's.
            ends = {"markevery": [1], "clip_on": False, "transform": axes.get_yaxis_transform()}
            axes.plot([0, 1], [means[0]] * 2, **look.line(zorder=2, **ends))
            if own[0].n > 1:
                axes.axhspan(own[0].low, own[0].high, color=look.color, alpha=0.15, linewidth=0)
    axes.grid(axis="y")


def set_evaluations(axes: Axes, study: StudyRecord) -> None:
    """A logarithmic axis of K, the same in all panels: those below each other show its numbers once."""
    nfe = sorted({k for method in study.methods if method.generative for k in method.nfe}) or [1]
    axes.set_xscale("log")
    axes.set_xlim(min(nfe) / 1.25, max(nfe) * 1.25)
    axes.set_xticks(nfe, [f"{k:g}" for k in nfe])
    axes.set_xticks([], minor=True)


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(scores, study), *snakemake.output)
