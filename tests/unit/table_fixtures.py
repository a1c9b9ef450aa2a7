"""A study made by hand, whose tables can be worked out on paper, and how to look into a table."""

from itertools import product

import pandas as pd

from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.statistics import SeedScores, seed_scores
from gtp.report.tables import Cell, Row, Table

DIVERGED = None
# Scores of three seeds. A standard deviation of 10 gives the half-width 4.302653 * 10 / sqrt(3) = 24.84.
SCORES = {
    ("near", "gtp"): [80.0, 90.0, 100.0],
    ("near", "gtp-less"): [40.0, 50.0, 60.0],
    ("near", "bc"): [85.0, 85.0, 85.0],
    ("far", "gtp"): [60.0, DIVERGED, 90.0],
    ("far", "gtp-less"): [50.0, 50.0, 50.0],
    ("far", "bc"): [20.0, 20.0, 20.0],
}


def task(name: str, suite: str = "maze", source: str = "generate") -> TaskRecord:
    return TaskRecord(
        name=name,
        suite=suite,
        label=name.capitalize(),
        source=source,
        environment="Maze-v0",
        reference_min=0.0,
        reference_max=50.0,
        maze=None,
    )


def method(
    name: str,
    label: str,
    parent: str | None = None,
    generative: bool = True,
    group: str = "rl",
    acting: tuple[str, ...] = ("sample",),
) -> MethodRecord:
    return MethodRecord(
        name=name,
        label=label,
        algorithm=name.split("-")[0],
        group=group,
        ablation_of=parent,
        generative=generative,
        nfe=(1, 5) if generative else (1,),
        acting=acting if generative else ("deterministic",),
        order=0,
    )


def make_study(**changes) -> StudyRecord:
    fields = {
        "study": "handmade",
        "tasks": (task("near"), task("far")),
        "methods": (
            method("gtp", "GTP"),
            method("gtp-less", "GTP_less", parent="gtp"),
            method("bc", "BC", generative=False),
        ),
        "seeds": (0, 1, 2),
        "steps": 100,
        "episodes": 2,
        "nfe": (1, 5),
        "headline_nfe": 5,
        "acting": ("sample",),
    }
    return StudyRecord(**fields | changes)


def make_scores(study: StudyRecord) -> SeedScores:
    """Two episodes a seed, 7 above and 7 below its score; at K = 1 all score 1, which no table may show.

    By a second rule each seed scores 8 more.
    """
    rows = []
    for about in study.tasks:
        for by in study.methods:
            for nfe, rule in product(study.evaluated_nfe(by), by.acting):
                for seed in study.seeds:
                    score = SCORES[about.name, by.name][seed]
                    labels = {"task": about.name, "method": by.name, "nfe": nfe, "acting": rule, "seed": seed}
                    if score is DIVERGED:
                        lost = {"episode": -1, "normalized_score": float("nan"), "status": "diverged@9"}
                        rows.append(labels | lost)
                        continue
                    for episode, offset in enumerate((-7.0, 7.0)):
                        shown = score + offset if nfe == study.headline(by) else 1.0
                        shown += 8.0 * by.acting.index(rule)
                        rows.append(labels | {"episode": episode, "normalized_score": shown, "status": "ok"})
    return seed_scores(pd.DataFrame(rows), study, "scores.csv")


def texts(table: Table, label: str) -> list[str]:
    return [cell.text for cell in row_of(table, label).cells]


def bold(table: Table, label: str) -> list[bool]:
    return [cell.bold for cell in row_of(table, label).cells]


def column(table: Table, heading: str) -> list[Cell]:
    """The cells below a heading."""
    place = table.headings.index(heading) - 1
    return [row.cells[place] for row in table.rows]


def texts_below(table: Table, heading: str) -> list[str]:
    return [cell.text for cell in column(table, heading)]


def bold_below(table: Table, heading: str) -> list[bool]:
    return [cell.bold for cell in column(table, heading)]


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)
