"""Figure: best average score to expect of each method against the number of its trials."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gtp.acting import DETERMINISTIC, ActingRule
from gtp.errors import ending_in_one_line
from gtp.report.layout import footnote, label_panels, legend_above, panel_grid
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.style import house_style, save_figure, style_of_method
from gtp.report.trials import expected_best, trial_score, tuned_methods


@house_style()
def draw(scores: SeedScores, study: StudyRecord, file: str) -> Figure:
    """The figure: a panel for each acting rule, a row for each suite where data have several sources.

    Methods with one way of acting stand in every panel, others where they can follow the rule.

    Raises UserError naming `file`, the study's record, when a method of it is no trial.
    """
    looks = {method: style_of_method(method) for method in tuned_methods(study, file)}
    pools = study.pools()
    figure, panels = panel_grid(len(study.acting), len(pools), share_y=True)
    for row, tasks in zip(panels, pools.values(), strict=True):
        for axes, rule in zip(row, study.acting, strict=True):
            curves = best_scores(scores, study, tasks, rule, file)
            for place, (method, look) in enumerate(looks.items()):
                if method.name in curves:
                    best = curves[method.name]
                    axes.plot(range(1, len(best) + 1), best, zorder=5 - place / len(looks), **look.line())
            axes.set_xticks(range(1, max(map(len, curves.values())) + 1))
            axes.grid(axis="y")
    titles = [ActingRule.parse(rule).label for rule in study.acting]
    rows = [f"{suite}\nexpected best score".strip() for suite in pools]
    label_panels(panels, titles, "number of trials $k$", rows)
    legend_above(figure, [Line2D([], [], label=m.label, **look.line()) for m, look in looks.items()])
    seeds = "one seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    footnote(
        figure,
        f"Best of $k$ trials, averaged over all choices; {seeds}, {scores.episodes()} episodes for each.",
        "A trial is chosen by the scores that are shown, so the best is flattered.",
        "Methods that act in one way only stand in every panel.",
        study.data_notice(),
        scores.divergence_notice(study),
    )
    return figure


def best_scores(
    scores: SeedScores, study: StudyRecord, tasks: Sequence[TaskRecord], rule: str, file: str
) -> dict[str, np.ndarray]:
    """Method -> expected best of 1 to n of its trials' averages over `tasks`, (n,).

    Methods that cannot follow the rule are left out, but for those that act in one way only.
    """
    best = {}
    for method, trials in tuned_methods(study, file).items():
        own = DETERMINISTIC.name if method.acting == (DETERMINISTIC.name,) else rule
        if own in method.acting:
            averages = [trial_score(scores, study, trial, tasks, own).mean for trial in trials]
            best[method.name] = expected_best(averages)
    return best


if __name__ == "__main__":
    with ending_in_one_line():
        file = snakemake.input.study
        study = read_study(file)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        save_figure(draw(scores, study, file), *snakemake.output)
