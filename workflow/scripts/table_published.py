"""What others have published about the study's methods on its tasks; never beside numbers made here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.results import MethodRecord, StudyRecord, read_study
from gtp.tables import Cell, Row, Table, write_table

SUITE_SIZES = {"locomotion": 9, "antmaze": 6}
"""Suite -> its tasks in D4RL's tables, which a printed average is over."""
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
    tasks = [task for task in study.tasks if (scores["task"] == task.name).any()]
    suites = {suite: [t for t in tasks if t.suite == suite] for suite in study.suites()}
    columns: list[tuple[str, str]] = []  # suite and task
    blocks = []
    for suite, members in suites.items():
        names = [task.name for task in members]
        # An average of others says something beside all the tasks that it is over, and nothing beside a few.
        names += ["average"] if len(names) == SUITE_SIZES.get(suite) else []
        columns += [(suite, name) for name in names]
        blocks += [len(names)] if names else []
    wanted = [pair in columns for pair in zip(scores["suite"], scores["task"], strict=True)]
    names = [name for method in study.methods for name in names_of(method)]
    shown = scores[np.array(wanted) & scores["method"].isin(names)]
    if shown.empty:
        raise UserError(f"{file} has no score of the study's methods on its tasks")
    remarks = shown.loc[(shown["note"] != "") & (shown["score"] != ""), "note"]
    notes = dict(zip(dict.fromkeys(remarks), LETTERS, strict=False))
    labels = dict(zip(sources["source"], sources["label"], strict=True))
    rows = []
    for name, about in headings_of(study).items():
        own = shown[shown["method"] == name]
        if own.empty:
            continue
        rows.append(Row(about, rule=bool(rows)))
        for (printed, source), line in own.groupby(["printed", "source"], sort=False):
            cells = [cell_of(line[(line["suite"] == s) & (line["task"] == t)], notes) for s, t in columns]
            rows.append(Row(f"{printed}: {labels[source]}", tuple(cells)))
    captions = {"average": "Average", **{task.name: task.label for task in tasks}}
    headings = ("Method: source", *(captions[task] for _, task in columns))
    used = sources[sources["source"].isin(shown["source"])]
    caption = CAPTION.format(
        averages=" Averages are printed ones." if "average" in [task for _, task in columns] else "",
        notes="".join(f"({letter}): {note}. " for note, letter in notes.items()),
        sources="; ".join(f"{row.label}: {row.reference} ({row.protocol})" for row in used.itertuples()),
    )
    wide = len(columns) > 7
    table = Table(headings, tuple(rows), caption, "tab:published", tuple(blocks) if wide else ())
    return table, shown.merge(sources[["source", "reference", "protocol"]], on="source")


def names_of(method: MethodRecord) -> set[str]:
    """What published scores may call a method: its own name, and its algorithm's if it ablates nothing."""
    return {method.name} if method.ablation_of else {method.name, method.algorithm}


def headings_of(study: StudyRecord) -> dict[str, str]:
    """What published scores call a method -> the labels of the study's methods that it stands for."""
    headings: dict[str, list[str]] = {}
    for method in study.methods:
        for name in sorted(names_of(method)):
            headings.setdefault(name, []).append(method.label)
    return {name: ", ".join(labels) for name, labels in headings.items()}


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
