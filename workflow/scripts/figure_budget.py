"""Figure: normalised score against the number of updates, seed by seed, with a tenth of the budget marked."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gtp.errors import UserError, ending_in_one_line
from gtp.report.layout import Panels, task_figure
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import INK, house_style, method_styles, save_figure


@house_style()
def draw(scores: SeedScores, study: StudyRecord) -> Figure:
    """The figure from the seeds' scores at each step of training."""
    styles = method_styles(study)

    def draw_task(task: TaskRecord, panels: Panels) -> list[float]:
        curves = {method.name: seed_curves(scores, task.name, method.name) for method in study.methods}
        last = max(curve.index.max() for curve in curves.values())
        for axes, methods in panels:
            for place, method in enumerate(methods):
                curve, look, layer = curves[method.name], styles[method.name], 5 - place / len(methods)
                axes.plot(curve.index, curve, color=look.color, linewidth=0.4, alpha=0.5, zorder=layer - 2)
                axes.plot(curve.index, curve.mean(axis=1), zorder=layer, **look.line(clip_on=False))
            axes.axvline(last / 10, color=INK, linewidth=0.6, linestyle=":", zorder=1)
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(axis="y")
        return [value for curve in curves.values() for value in curve.mean(axis=1)]

    notices = "Thin: seeds; dotted: a tenth of the budget.", study.acting_notice()
    return task_figure(study, scores, draw_task, "updates", *notices, intervals=False)


def seed_curves(scores: SeedScores, task: str, method: str) -> pd.DataFrame:
    """Scores by step (index) and seed (columns), by the method's first rule. Raises UserError without any."""
    table = scores.table
    own = (table["task"] == task) & (table["method"] == method) & (table["acting"] == scores.rules[method])
    if not own.any():
        raise UserError(f"{scores.file} has no rows for {method} on {task}; {REMEDY}")
    return table[own].pivot(index="step", columns="seed", values="score")


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.curves, "curves", study)
        save_figure(draw(scores, study), *snakemake.output)
