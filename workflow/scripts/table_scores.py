"""Scores of the methods of one group on all tasks, with averages and the interquartile mean."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.report.results import SOURCES, MethodRecord, StudyRecord, TaskRecord, read_study
from gtp.report.statistics import (
    Estimate,
    SeedScores,
    average_estimate,
    interquartile_mean,
    read_seed_scores,
    tied_for_best,
)
from gtp.report.tables import Cell, Row, Table, even_blocks, plus_minus, protocol, with_limits, write_table

TITLES = {
    "rl": "Offline reinforcement learning: methods that use rewards.",
    "cloning": "Cloning: methods that learn from actions alone.",
}
"""Group of methods -> the first sentence of its table's caption."""
LABELS = {"rl": "tab:main", "cloning": "tab:cloning"}
CAPTION = (
    "{title} Normalised score: mean over seeds of each seed's mean over episodes ± half-width of the 95 %"
    " interval (Student's t over seeds), number of seeds in brackets. {protocol} Bold: every method of this"
    " table for which the 95 % Welch interval of its difference to the highest mean of the table holds 0; no"
    " correction for several comparisons. Averages weigh tasks equally.{overall}"
)
OVERALL = (
    " IQM: interquartile mean over seeds and tasks with a bootstrap interval stratified by task.",
    " There is no average over all tasks, since their data are of several sources.",
)
"""With tasks of one source, and of several."""


def score_table(scores: SeedScores, whole: StudyRecord, group: str, file: str) -> tuple[Table, pd.DataFrame]:
    """The table of the methods of a group, rl or cloning, and its numbers: one row for each cell.

    Rows are tasks, by suite, and columns methods. Raises: UserError naming `file`, the study's record, when
    it has no method of the group.
    """
    study = replace(whole, methods=tuple(method for method in whole.methods if method.group == group))
    if not study.methods:
        raise UserError(f"{file} has no method of the group {group}; add one to the study's methods")
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
        CAPTION.format(
            title=TITLES[group], protocol=protocol(scores, study), overall=OVERALL[not study.one_source]
        ),
        better_without_rewards(scores, whole, study) if group == "rl" else "",
        study.score_notice(),
        study.data_notice(),
        divergence_notice(scores, study),
    ]
    headings = ("Task", *(method.label for method in study.methods))
    caption = " ".join(filter(None, notices))
    table = Table(headings, tuple(rows), caption, LABELS[group], even_blocks(len(study.methods)))
    return table, pd.DataFrame(numbers)


def better_without_rewards(scores: SeedScores, whole: StudyRecord, shown: StudyRecord) -> str:
    """A sentence on the tasks whose highest mean a cloning method has, empty when there are none."""
    cells = []
    for task in whole.tasks:
        means = {m.name: average_estimate(samples_of(scores, whole, m, [task])) for m in whole.methods}
        best = max(whole.methods, key=lambda method: means[method.name].mean)
        if best not in shown.methods:
            cells.append(f"{task.label} ({best.label}, {plus_minus(means[best.name])})")
    return f"A cloning method has a higher mean than all of these on {', '.join(cells)}." if cells else ""


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
        value = interquartile_mean(scores.matrix(study.tasks, method, study.headline(method)))
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
        file = snakemake.input.study
        study = read_study(file)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = score_table(scores, study, snakemake.params.group, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
