"""Figure: normalised score during training, mean over seeds with its 95 % interval, a panel for each task."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.errors import ending_in_one_line
from gtp.plotting import (
    MethodStyle,
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
from gtp.statistics import SeedScores, read_seed_scores

BOUNDED = 6
"""With at most so many methods the bands have outlines, which tell them apart where they overlap."""


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each step of training."""
    styles = method_styles(study)
    figure, panels = panel_grid(len(study.tasks), share_y=all(map(percent_score, study.tasks)))
    factor, unit = update_unit(study.steps)
    for axes, task in zip(panels, study.tasks, strict=True):
        draw_task(axes, task, scores, styles, factor)
    label_panels(panels, [task.label for task in study.tasks], unit, "normalised score")
    legend_above(figure, [Line2D([], [], label=m.label, **styles[m.name].line()) for m in study.methods])
    footnote(
        figure,
        sample_notice(len(study.seeds), scores.episodes()),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def draw_task(
    axes: Axes, task: TaskRecord, scores: SeedScores, styles: dict[str, MethodStyle], factor: float
) -> None:
    """One panel: all methods on one task; `factor` updates are one unit of the horizontal axis."""
    # Later methods would cover the first, which the figure is about.
    crowd = len(styles)
    means: list[float] = []
    last = 0.0
    for order, (method, look) in enumerate(styles.items()):
        curve = scores.curve(task.name, method)
        updates, layer = curve["step"] / factor, 3 + (crowd - order) / crowd
        axes.plot(updates, curve["mean"], zorder=layer, **look.line(clip_on=False))
        shade = {"color": look.color, "alpha": 0.6 / (crowd + 1), "linewidth": 0}
        axes.fill_between(updates, curve["low"], curve["high"], **shade)
        if crowd <= BOUNDED:
            bound = {"color": look.color, "linestyle": look.linestyle, "linewidth": 0.4, "alpha": 0.7}
            axes.plot(updates, curve[["low", "high"]], **bound)
        means += curve["mean"].tolist()
        last = max(last, float(updates.max()))
    axes.set_xlim(0, 1.03 * last)  # suites may train for different numbers of updates
    set_score_limits(axes, task, means)
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
        save_figure(draw(scores, study), snakemake.output.pdf, snakemake.output.png)
