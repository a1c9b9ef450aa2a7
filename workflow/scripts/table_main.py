"""Scores of all methods on all tasks, with averages and the interquartile mean."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gtp.errors import ending_in_one_line
from gtp.results import SOURCES, MethodRecord, StudyRecord, TaskRecord, read_study
from gtp.statistics import (
    Estimate,
    SeedScores,
    average_estimate,
    interquartile_mean,
    read_seed_scores,
    tied_for_best,
)
from gtp.tables import Cell, Row, Table, plus_minus, protocol, with_limits, write_table

CAPTION = (
    "Normalised score: mean over seeds of each seed's mean over episodes ± half-width of the 95 % interval"
    " (Student's t over seeds), number of seeds in brackets. {protocol} Bold: every method for which the 95 %"
    " Welch interval of its difference to the highest mean holds 0; no correction for several comparisons."
    " Averages weigh tasks equally.{overall}"
)
OVERALL = (
    " IQM: interquartile mean over seeds and tasks with a bootstrap interval stratified by task.",
    " There is no average over all tasks, since their data are of several sources.",
)
"""With tasks of one source, and of several."""


def main_table(scores: SeedScores, study: StudyRecord) -> tuple[Table, pd.DataFrame]:
    """The table, rows tasks and columns methods, and its numbers: one row for each cell."""
    rows, numbers = [], []
    suites = study.suites()
    for suite, tasks in suites.items():
        if len(suites) > 1:
            source = "" if study.one_source else f", {SOURCES[tasks[0].source]} data"
            rows.append(Row(suite + source, rule=bool(rows)))
        for task in tasks:
            row, cells = mean_row(scores, study, [task], task.label)
            rows.append(row)
            numbers += [{"over": "task", "suite": suite, "task": task.name, **cell} for cell in cells]
        if len(suites) > 1:
            row, cells = mean_row(scores, study, tasks, f"Average, {suite}")
            rows.append(row)
            numbers += [{"over": "suite", "suite": suite, "task": "", **cell} for cell in cells]
    if study.one_source:
        average = mean_row(scores, study, study.tasks, "Average", rule=True)
        for row, cells in (average, interquartile_row(scores, study)):
            rows.append(row)
            numbers += [{"over": "all", "suite": "", "task": "", **cell} for cell in cells]
    notices = [
        CAPTION.format(protocol=protocol(scores, study), overall=OVERALL[not study.one_source]),
        study.score_notice(),
        study.data_notice(),
        divergence_notice(scores, study),
    ]
    headings = ("Task", *(method.label for method in study.methods))
    table = Table(headings, tuple(rows), " ".join(filter(None, notices)), "tab:main")
    return table, pd.DataFrame(numbers)


def mean_row(
    scores: SeedScores, study: StudyRecord, tasks: Sequence[TaskRecord], label: str, rule: bool = False
) -> tuple[Row, list[dict]]:
    """The average over `tasks` of every method: the row for print, and its numbers."""
    samples = [samples_of(scores, study, method, tasks) for method in study.methods]
    cells, numbers = [], []
    for method, sample, best in zip(study.methods, samples, tied_for_best(samples), strict=True):
        value = average_estimate(sample)
        number = numbers_of(scores, study, method, tasks, "mean", value)
        cells.append(Cell(f"{plus_minus(value)} ({value.n}){'†' if number['diverged'] else ''}", best))
        numbers.append({**number, "best": best})
    return Row(label, tuple(cells), rule), numbers


def interquartile_row(scores: SeedScores, study: StudyRecord) -> tuple[Row, list[dict]]:
    """The interquartile mean over all tasks of every method: the row for print, and its numbers."""
    cells, numbers = [], []
    for method in study.methods:
        value = interquartile_mean(np.column_stack(samples_of(scores, study, method, study.tasks)))
        cells.append(Cell(with_limits(value)))
        numbers.append({**numbers_of(scores, study, method, study.tasks, "iqm", value), "best": ""})
    return Row("IQM", tuple(cells)), numbers


def samples_of(
    scores: SeedScores, study: StudyRecord, method: MethodRecord, tasks: Sequence[TaskRecord]
) -> list[np.ndarray]:
    """The scores (n,) of a method's seeds on each of the tasks."""
    return [scores.of(task.name, method.name, study.headline(method)) for task in tasks]


def numbers_of(
    scores: SeedScores,
    study: StudyRecord,
    method: MethodRecord,
    tasks: Sequence[TaskRecord],
    statistic: str,
    value: Estimate,
) -> dict:
    """Columns of the CSV for one cell."""
    return {
        "method": method.name,
        "nfe": study.headline(method),
        "statistic": statistic,
        "seeds": value.n,
        "diverged": sum(scores.diverged(task.name, method.name) for task in tasks),
        "estimate": value.mean,
        "low": value.low,
        "high": value.high,
    }


def divergence_notice(scores: SeedScores, study: StudyRecord) -> str:
    """What the dagger means, where there is one."""
    notice = scores.divergence_notice(study)
    return f"† {notice}" if notice else ""


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = main_table(scores, study)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
