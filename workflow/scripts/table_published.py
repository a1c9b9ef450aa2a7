"""What others have published about the study's methods on its tasks; never beside numbers made here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import StudyRecord
from gtp.report.results import read_study
from gtp.report.tables import Cell, Row, Table, write_table

AVERAGE = "average"
"""What scores.csv calls the average of a suite."""
WIDEST = 7
"""Columns from which on each suite has a part of its own."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CAPTION = (
    "Published scores on D4RL's own datasets, as their sources print them. None was made here; scores on data"
    " of another source cannot be set against them. ± is the spread that the source gives. –: not in the"
    " source."
    "{averages} {notes}Sources: {sources}."
)


def read_published(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV of workflow/published as text. Raises UserError when it is missing or lacks a column."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read; restore it with git checkout") from error
    if missing := [column for column in columns if column not in frame]:
        raise UserError(f"{path} lacks the column '{missing[0]}'; restore it with git checkout")
    return frame


def published_table(
    scores: pd.DataFrame, sources: pd.DataFrame, study: StudyRecord, file: str
) -> tuple[Table, pd.DataFrame]:
    """The table, rows a method in a source and columns tasks, and its numbers with where they are from.

    Raises: UserError naming `file`, the published scores, when it has none of the study's methods and tasks.
    """
    blocks = columns_of(scores, study)
    columns = [column for block in blocks for column in block]
    about = scores["method"].isin([method.name for method in study.methods])
    shown = scores[np.any([column.rows(scores) for column in columns], axis=0) & about]
    if shown.empty:
        raise UserError(f"{file} has no score of the study's methods on its tasks")
    remarks = shown.loc[(shown["note"] != "") & (shown["score"] != ""), "note"]
    notes = dict(zip(dict.fromkeys(remarks), LETTERS, strict=False))
    labels = dict(zip(sources["source"], sources["label"], strict=True))
    rows = []
    for method in study.methods:
        own = shown[shown["method"] == method.name]
        if not own.empty:
            rows.append(Row(method.label, rule=bool(rows)))
        for (printed, source), line in own.groupby(["printed", "source"], sort=False):
            cells = tuple(cell_of(line[column.rows(line)], notes) for column in columns)
            rows.append(Row(f"{printed}: {labels[source]}", cells))
    used = sources[sources["source"].isin(shown["source"])]
    caption = CAPTION.format(
        averages=" Averages are printed ones." if any(not column.task for column in columns) else "",
        notes="".join(f"({letter}): {note}. " for note, letter in notes.items()),
        sources="; ".join(f"{row.label}: {row.reference} ({row.protocol})" for row in used.itertuples()),
    )
    headings = ("Method: source", *(column.heading for column in columns))
    sizes = tuple(map(len, blocks)) if len(columns) > WIDEST else ()
    table = Table(headings, tuple(rows), caption, "tab:published", sizes)
    return table, shown.merge(sources[["source", "reference", "protocol"]], on="source")


@dataclass(frozen=True)
class Column:
    """A column of the table: a task, or the average over a suite."""

    heading: str
    suite: str
    task: str
    """Empty for the average."""

    def rows(self, scores: pd.DataFrame) -> pd.Series:
        """Mask of the published scores that the column shows."""
        if self.task:
            return scores["task"] == self.task
        return (scores["task"] == AVERAGE) & (scores["suite"] == self.suite)


def columns_of(scores: pd.DataFrame, study: StudyRecord) -> list[list[Column]]:
    """The study's tasks that have published scores, by suite.

    A suite's average is shown beside all the tasks that it is over; beside a few of them it would mislead.
    """
    blocks = []
    for suite, tasks in study.suites().items():
        block = [Column(task.label, suite, task.name) for task in tasks if task.name in set(scores["task"])]
        everything = set(scores.loc[scores["suite"] == suite, "task"]) - {AVERAGE}
        if block and everything == {column.task for column in block}:
            block.append(Column("Average", suite, ""))
        blocks += [block] if block else []
    return blocks


def cell_of(rows: pd.DataFrame, notes: dict[str, str]) -> Cell:
    """The cell about one task: the score with its spread and the letter of its note, or why there is none."""
    if rows.empty:
        return Cell("–")
    row = rows.iloc[0]
    if not row["score"]:
        return Cell(row["note"])
    text = f"{row['score']} ± {row['spread']}" if row["spread"] else row["score"]
    return Cell(f"{text} ({notes[row['note']]})" if row["note"] else text)


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        file = snakemake.input.published
        scores = read_published(
            file, ["suite", "task", "method", "printed", "score", "spread", "source", "note"]
        )
        sources = read_published(snakemake.input.sources, ["source", "label", "reference", "protocol"])
        table, numbers = published_table(scores, sources, study, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
