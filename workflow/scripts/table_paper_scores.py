"""Scores in the form of the GTP paper's Tables 1 and 2: rows tasks and averages, columns methods."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.spread import spread_of
from gtp.report.statistics import SeedScores, read_seed_scores
from gtp.report.tables import Cell, Row, Table, even_blocks, protocol, write_table

NUMBERS = {"cloning": 1, "rl": 2}
"""Group of methods -> the number of the paper's table about it."""
CAPTION = (
    "Table {number} of the GTP paper, in its form: normalised score, mean over seeds ± standard deviation"
    " between them; averages weigh tasks equally. {protocol} {acting} Nothing is bold: which differences are"
    " more than chance, the tables of main scores and of aggregates say."
)


def paper_table(scores: SeedScores, whole: StudyRecord, group: str, file: str) -> tuple[Table, pd.DataFrame]:
    """The table of a group, rl or cloning, and its numbers: one row for each cell.

    Methods that use rewards stand there without their ablations, as in the paper. Raises: UserError naming
    `file`, the study's record, when none is left.
    """
    methods = tuple(m for m in whole.methods if m.group == group and (group != "rl" or not m.ablation_of))
    if not methods:
        raise UserError(f"{file} has no method of the group {group}; add one to the study's methods")
    study = replace(whole, methods=methods)
    rows, numbers = [], []
    for label, tasks in lines_of(study):
        cells = []
        for method in methods:
            nfe = study.headline(method)
            value = spread_of(scores.matrix(tasks, method, nfe))
            cells.append(Cell(value.text))
            numbers.append(
                {
                    "row": label,
                    "method": method.name,
                    "acting": method.acting[0],
                    "nfe": nfe,
                    "mean": value.mean,
                    "deviation": value.deviation,
                }
            )
        rows.append(Row(label, tuple(cells)))
    notices = (
        CAPTION.format(number=NUMBERS[group], protocol=protocol(scores, study), acting=study.acting_notice()),
        study.score_notice(),
        study.data_notice(),
        scores.divergence_notice(study),
    )
    headings = ("Task", *(method.label for method in methods))
    caption, label = " ".join(filter(None, notices)), f"tab:paper-{NUMBERS[group]}"
    return Table(headings, tuple(rows), caption, label, even_blocks(len(methods))), pd.DataFrame(numbers)


def lines_of(study: StudyRecord) -> Iterator[tuple[str, Sequence[TaskRecord]]]:
    """(label, tasks) of the rows: tasks by suite, the average of each, and that of all if of one source."""
    suites = study.suites()
    for suite, tasks in suites.items():
        yield from ((task.label, [task]) for task in tasks)
        if len(suites) > 1 and len(tasks) > 1:
            yield f"Average, {suite}", tasks
    if study.one_source and len(study.tasks) > 1:
        yield "Average", study.tasks


if __name__ == "__main__":
    with ending_in_one_line():
        file = snakemake.input.study
        study = read_study(file)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = paper_table(scores, study, snakemake.params.group, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
