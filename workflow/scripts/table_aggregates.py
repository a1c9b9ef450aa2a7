"""Aggregates over all tasks: mean, interquartile mean, and how often the first method is better."""

from collections.abc import Sequence

import pandas as pd

from gtp.errors import ending_in_one_line
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import (
    Estimate,
    SeedScores,
    average_difference,
    interquartile_mean,
    probability_of_improvement,
    read_seed_scores,
)
from gtp.report.tables import Cell, Row, Table, plus_minus, protocol, score, with_limits, write_table

CAPTION = (
    "Normalised score over {pools}. Mean: every task weighs the same; ± half-width of the 95 % interval"
    " (Student's t over seeds, tasks independent). {first} minus it: difference of the means ± half-width of"
    " the 95 % Welch interval; bold: it does not hold 0; no correction for several comparisons. IQM:"
    " interquartile mean over all seeds and tasks [95 % bootstrap interval]. P({first} better): chance that a"
    " seed of {first} scores above a seed of the method on the same task, a tie counting one half, averaged"
    " over tasks [95 % bootstrap interval]. Bootstraps draw seeds anew within each task and are too narrow"
    " with few seeds; where all draws agree there is none. {protocol} {acting}"
)


def aggregate_table(scores: SeedScores, study: StudyRecord) -> tuple[Table, pd.DataFrame]:
    """The table, rows methods, and its numbers: one row for each cell.

    Tasks whose data have one source are put together, others by suite.
    """
    pools = study.pools()
    first = study.methods[0]
    rows, numbers = [], []
    for pool, tasks in pools.items():
        if pool:
            rows.append(Row(pool, rule=bool(rows)))
        for method in study.methods:
            row, cells = method_row(scores, study, tasks, method)
            rows.append(row)
            numbers += [
                {
                    "over": "suite" if pool else "all",
                    "suite": pool,
                    "tasks": len(tasks),
                    "method": method.name,
                    "acting": method.acting[0],
                    "nfe": study.headline(method),
                    **cell,
                }
                for cell in cells
            ]
    over = "all tasks" if "" in pools else "all tasks of a suite, since their data are of several sources"
    notices = [
        CAPTION.format(
            pools=over, first=first.label, protocol=protocol(scores, study), acting=study.acting_notice()
        ),
        study.score_notice(),
        study.data_notice(),
        scores.divergence_notice(study),
    ]
    headings = ("Method", "Mean", f"{first.label} minus it", "IQM", f"P({first.label} better)")
    return Table(headings, tuple(rows), " ".join(filter(None, notices)), "tab:aggregates"), pd.DataFrame(
        numbers
    )


def method_row(
    scores: SeedScores, study: StudyRecord, tasks: Sequence[TaskRecord], method: MethodRecord
) -> tuple[Row, list[dict]]:
    """The aggregates of a method over `tasks`: the row for print, and its numbers."""
    first = study.methods[0]
    own = scores.matrix(tasks, method, study.headline(method))
    mean, iqm = scores.estimate(tasks, method.name, study.headline(method)), interquartile_mean(own)
    shares = all(task.is_goal_reaching for task in tasks)
    cells = [Cell(score(mean, shares)), Cell(with_limits(iqm))]
    numbers = [number_of("mean", mean), number_of("iqm", iqm)]
    if method is first:
        cells = [cells[0], Cell("–"), cells[1], Cell("–")]
    else:
        others = scores.matrix(tasks, first, study.headline(first))
        ahead = average_difference(list(others.T), list(own.T), scores.episodes_of(tasks))
        better = probability_of_improvement(others, own)
        told = Cell(("+" if ahead.mean > 0 else "") + plus_minus(ahead), bold=ahead.excludes_zero)
        cells = [cells[0], told, cells[1], Cell(with_limits(better, 2))]
        numbers.append(number_of("difference", ahead, over=first.name))
        numbers.append(number_of("probability_of_improvement", better, over=first.name))
    return Row(method.label, tuple(cells)), numbers


def number_of(statistic: str, value: Estimate, over: str = "") -> dict:
    """Columns of the CSV for one cell; `over` is the method that is held against the row's."""
    return {
        "statistic": statistic,
        "better": over,
        "seeds": value.n,
        "estimate": value.mean,
        "low": value.low,
        "high": value.high,
    }


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = aggregate_table(scores, study)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
