"""Figure: performance profiles, the share of seeds and tasks that score above each threshold."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtp.errors import ending_in_one_line
from gtp.report.layout import (
    footnote,
    label_panels,
    legend_above,
    legend_lines,
    method_rows,
    panel_grid,
    row_labels,
)
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, performance_profile, read_seed_scores
from gtp.report.style import MethodStyle, house_style, method_styles, save_figure

THRESHOLDS, MARKS = 201, 8
"""Points of a curve, and how many of them carry a marker."""
XLABEL, YLABEL = "normalised score $\\tau$", "share of runs above $\\tau$"


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at the headline K.

    A panel for all tasks, or for each suite where data have several sources. Methods that need several rows
    of panels have them side by side when there is one panel of tasks.
    """
    styles, rows = method_styles(study), method_rows(study)
    pools = {pool or "all tasks": tasks for pool, tasks in study.pools().items()}
    beside = len(pools) == 1 and len(rows) > 1
    if beside:
        figure, panels = panel_grid(len(rows), share_y=True)
    else:
        figure, panels = panel_grid(len(pools), len(rows), share_y=True)
    for index, tasks in enumerate(pools.values()):
        grid = panels[0] if beside else panels[:, index]
        for axes, methods in zip(grid, rows.values(), strict=True):
            draw_profiles(axes, methods, scores, study, tasks, styles)
    if beside:
        label_panels(panels, list(rows), XLABEL, [YLABEL])
    else:
        label_panels(panels, list(pools), XLABEL, row_labels(rows, YLABEL))
    legend_above(figure, legend_lines(study))
    footnote(
        figure,
        f"A run is one of {len(study.seeds)} seeds on one task, {scores.episodes()} episodes.",
        "Bands: pointwise 95 % bootstrap within tasks, too narrow with few seeds."
        if len(study.seeds) > 1
        else "",
        study.acting_notice(),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def draw_profiles(
    axes: Axes,
    methods: Sequence[MethodRecord],
    scores: SeedScores,
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    styles: Mapping[str, MethodStyle],
) -> None:
    """One panel: a falling curve with a band for each method."""
    matrices = {m.name: scores.matrix(tasks, m, study.headline(m)) for m in study.methods}
    low = min(0.0, *(matrix.min() for matrix in matrices.values()))
    high = max(100.0, *(matrix.max() for matrix in matrices.values()))
    thresholds = np.linspace(low, high, THRESHOLDS)
    crowd = len(methods)
    for order, method in enumerate(methods):
        look, layer = styles[method.name], 5 - order / crowd  # the first method on top
        share, lower, upper = performance_profile(matrices[method.name], thresholds)
        # Markers of curves that lie on each other stand beside each other.
        every = THRESHOLDS // MARKS
        axes.plot(thresholds, share, zorder=layer, **look.line(markevery=(order * every // crowd, every)))
        axes.fill_between(thresholds, lower, upper, color=look.color, alpha=0.6 / (crowd + 1), linewidth=0)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(axis="y")


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(scores, study), *snakemake.output)
