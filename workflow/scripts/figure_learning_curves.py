"""Figure: normalised score during training, mean over seeds with its 95 % interval, a panel for each task."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtp.errors import ending_in_one_line
from gtp.report.layout import Panels, task_figure
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import MethodStyle, house_style, method_styles, save_figure

BOUNDED = 6
"""With at most so many methods the bands have outlines, which tell them apart where they overlap."""


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each step of training."""
    styles = method_styles(study)
    factor, unit = update_unit(study.steps)

    def draw_task(task: TaskRecord, panels: Panels) -> list[float]:
        curves = {method.name: scores.curve(task.name, method.name) for method in study.methods}
        for axes, methods in panels:
            draw_curves(axes, {m.name: curves[m.name] for m in methods}, styles, factor)
            # Suites may train for different numbers of updates.
            axes.set_xlim(0, 1.03 * max(curve["step"].max() for curve in curves.values()) / factor)
        return [mean for curve in curves.values() for mean in curve["mean"]]

    return task_figure(study, scores, draw_task, unit, study.acting_notice())


def draw_curves(
    axes: Axes, curves: dict[str, pd.DataFrame], styles: dict[str, MethodStyle], factor: float
) -> None:
    """One panel: the curve of each method on one task; `factor` updates are one unit of the x-axis."""
    # Later methods would cover the first, which the figure is about.
    crowd = len(curves)
    for order, (method, curve) in enumerate(curves.items()):
        look = styles[method]
        updates, layer = curve["step"] / factor, 3 + (crowd - order) / crowd
        axes.plot(updates, curve["mean"], zorder=layer, **look.line(clip_on=False))
        shade = {"color": look.color, "alpha": 0.6 / (crowd + 1), "linewidth": 0}
        axes.fill_between(updates, curve["low"], curve["high"], **shade)
        if crowd <= BOUNDED:
            bound = {"color": look.color, "linestyle": look.linestyle, "linewidth": 0.4, "alpha": 0.7}
            axes.plot(updates, curve[["low", "high"]], **bound)
    axes.grid(axis="y")


def update_unit(steps: int) -> tuple[float, str]:
    """How many updates the horizontal axis counts as one, and its label."""
    if steps >= 1_000_000:
        return 1e6, "updates (millions)"
    return (1e3, "updates (thousands)") if steps >= 1_000 else (1.0, "updates")


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.curves, "curves", study)
        save_figure(draw(scores, study), *snakemake.output)
