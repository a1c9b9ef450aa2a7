"""Scores of the methods of one group, by each way of acting, on all tasks, with averages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from gtp.acting import DETERMINISTIC, ActingRule
from gtp.data.sources import SOURCES
from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import read_study
from gtp.report.statistics import (
    SeedScores,
    interquartile_mean,
    read_seed_scores,
    tied_for_best,
)
from gtp.report.tables import Cell, Row, Table, even_blocks, protocol, score, with_limits, write_table

TITLES = {
    "rl": "Offline reinforcement learning: methods that use rewards.",
    "cloning": "Cloning: methods that learn from actions alone.",
}
"""Group of methods -> the first sentence of its table's caption."""
LABELS = {"rl": "tab:main", "cloning": "tab:cloning"}
CAPTION = (
    "{title} Normalised score: mean over seeds of each seed's mean over episodes ± half-width of the 95 %"
    " interval (Student's t over seeds{shares}), number of seeds in round brackets. {protocol} A method has a"
    " row for each way of acting with the same policy, in brackets{critic}. {bold} Averages weigh tasks"
    " equally.{overall}"
)
SHARES = "; of shares of episodes Wilson's interval in square ones"
FEWEST = 5
"""Seeds from which on rows are bold: with fewer nearly all of them are not told from the best."""
BOLD = (
    f"Nothing is bold, for fewer than {FEWEST} seeds tell little apart: the figure of seeds shows them all,"
    " and the aggregates have differences.",
    "Bold: every row for which the 95 % Welch interval of its difference to the highest mean among rows that"
    " act alike, or in one way only, holds 0; no correction for several comparisons.",
)
"""With few seeds, and with enough."""
CRITIC = ": one sample, or the best of several by the averaged critic, {cost} evaluations"
OVERALL = (
    " IQM: interquartile mean over seeds and tasks with a bootstrap interval stratified by task.",
    " There is no average over all tasks, since their data are of several sources.",
)
"""With tasks of one source, and of several."""

Entry = tuple[MethodRecord, str]
"""A row: a method, and the acting rule by which it is scored there."""


@dataclass(frozen=True)
class Column:
    """A column: a statistic over some tasks."""

    heading: str
    tasks: tuple[TaskRecord, ...]
    place: dict[str, str]
    """What it is over, for the CSV: over, suite, task."""
    statistic: Literal["mean", "iqm"] = "mean"


def score_table(scores: SeedScores, whole: StudyRecord, group: str, file: str) -> tuple[Table, pd.DataFrame]:
    """The table of the methods of a group, rl or cloning, and its numbers: one row for each cell.

    Rows are methods, one for each way of acting, and columns tasks. Raises: UserError naming `file`, the
    study's record, when it has no method of the group.
    """
    study = replace(whole, methods=tuple(method for method in whole.methods if method.group == group))
    if not study.methods:
        raise UserError(f"{file} has no method of the group {group}; add one to the study's methods")
    entries = [(method, rule) for method in study.methods for rule in method.acting]
    columns = columns_of(study)
    cells: dict[Entry, list[Cell]] = {entry: [] for entry in entries}
    numbers = []
    for column in columns:
        best = best_entries(scores, study, entries, column) if column.statistic == "mean" else set()
        for entry in entries:
            cell, number = score_cell(scores, study, entry, column)
            cells[entry].append(replace(cell, bold=entry in best and len(study.seeds) >= FEWEST))
            numbers.append({**number, "best": entry in best if column.statistic == "mean" else ""})
    rows = [
        Row(f"{method.label} ({ActingRule.parse(rule).label})", tuple(cells[method, rule]))
        for method, rule in entries
    ]
    notices = [
        CAPTION.format(
            title=TITLES[group],
            protocol=protocol(scores, study),
            critic=critic_notice(study),
            shares=SHARES if any(task.is_goal_reaching for task in study.tasks) else "",
            bold=BOLD[len(study.seeds) >= FEWEST],
            overall=OVERALL[not study.one_source],
        ),
        better_without_rewards(scores, whole, study) if group == "rl" else "",
        study.score_notice(),
        study.data_notice(),
        divergence_notice(scores, study),
    ]
    headings = ("Method (acting)", *(column.heading for column in columns))
    caption = " ".join(filter(None, notices))
    table = Table(headings, tuple(rows), caption, LABELS[group], even_blocks(len(columns)))
    return table, pd.DataFrame(numbers)


def critic_notice(study: StudyRecord) -> str:
    """What the best of several is and costs, empty where no method acts so."""
    rules = dict.fromkeys(rule for method in study.methods for rule in method.acting)
    costs = [f"{rule.samples} × (K + 1)" for rule in map(ActingRule.parse, rules) if rule.needs_critic]
    return CRITIC.format(cost=" or ".join(costs)) if costs else ""


def columns_of(study: StudyRecord) -> list[Column]:
    """Tasks by suite, each suite followed by its average if there are several, then all tasks together."""
    columns, suites = [], study.suites()
    for suite, tasks in suites.items():
        source = "" if study.one_source else f", {SOURCES[tasks[0].source].in_print} data"
        for task in tasks:
            columns.append(Column(task.label + source, (task,), place_of("task", suite, task.name)))
        if len(suites) > 1 and len(tasks) > 1:
            columns.append(Column(f"Average, {suite}", tuple(tasks), place_of("suite", suite)))
    if study.one_source:
        everything = place_of("all")
        columns += [Column("Average", study.tasks, everything), Column("IQM", study.tasks, everything, "iqm")]
    return columns


def place_of(over: str, suite: str = "", task: str = "") -> dict[str, str]:
    """Columns of the CSV that say what a number is over."""
    return {"over": over, "suite": suite, "task": task}


def best_entries(
    scores: SeedScores, study: StudyRecord, entries: Sequence[Entry], column: Column
) -> set[Entry]:
    """Entries not told from the best that act alike; a single way of acting is held to the first rule."""
    best: set[Entry] = set()
    for place, rule in enumerate(study.acting):
        alike = [entry for entry in entries if entry[1] in (rule, DETERMINISTIC.name)]
        ties = tied_for_best([samples_of(scores, study, entry, column.tasks) for entry in alike])
        best |= {
            entry
            for entry, tied in zip(alike, ties, strict=True)
            if tied and (entry[1] == rule or place == 0)
        }
    return best


def better_without_rewards(scores: SeedScores, whole: StudyRecord, shown: StudyRecord) -> str:
    """A sentence on the tasks whose highest mean a cloning method has, empty when there are none."""
    cells = []
    for task in whole.tasks:
        means = {m.name: scores.estimate([task], m.name, whole.headline(m)) for m in whole.methods}
        best = max(whole.methods, key=lambda method: means[method.name].mean)
        if best not in shown.methods:
            cells.append(f"{task.label} ({best.label}, {score(means[best.name], task.is_goal_reaching)})")
    return (
        f"A cloning method has a higher mean than all of these by one sample on {', '.join(cells)}."
        if cells
        else ""
    )


def score_cell(
    scores: SeedScores, study: StudyRecord, entry: Entry, column: Column
) -> tuple[Cell, dict[str, object]]:
    """One cell for print, and its row of the CSV."""
    (method, rule), nfe = entry, study.headline(entry[0])
    diverged = sum(scores.diverged(task.name, method.name) for task in column.tasks)
    if column.statistic == "iqm":
        value = interquartile_mean(scores.matrix(column.tasks, method, nfe, rule))
        text = with_limits(value)
    else:
        value = scores.estimate(column.tasks, method.name, nfe, rule)
        shares = all(task.is_goal_reaching for task in column.tasks)
        text = f"{score(value, shares)} ({value.n}){'†' if diverged else ''}"
    number = {
        **column.place,
        "method": method.name,
        "acting": rule,
        "nfe": nfe,
        "statistic": column.statistic,
        "seeds": value.n,
        "diverged": diverged,
        "estimate": value.mean,
        "low": value.low,
        "high": value.high,
    }
    return Cell(text), number


def samples_of(
    scores: SeedScores, study: StudyRecord, entry: Entry, tasks: Sequence[TaskRecord]
) -> list[np.ndarray]:
    """The scores (n,) of a method's seeds on each of the tasks, by a rule."""
    method, rule = entry
    return [scores.of(task.name, method.name, study.headline(method), rule) for task in tasks]


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
