"""What each ablation changes: its difference to the method that it is made from, by task and on average."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gtp.acting import ActingRule
from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_study
from gtp.report.statistics import Estimate, SeedScores, average_difference, read_seed_scores
from gtp.report.tables import Cell, Row, Table, even_blocks, protocol, score, write_table

CAPTION = (
    "Ablations. {parents}: normalised score, mean over seeds ± half-width of the 95 % interval (Student's t"
    " over seeds; of shares of episodes Wilson's in square brackets). Other columns, signed: mean of the"
    " ablation minus mean of the method it is made from ± half-width of the 95 % Welch interval. Bold:"
    " the interval does not hold 0; no correction for several comparisons. Averages weigh tasks equally."
    " {protocol} {acting}"
)
RULES = "Below the name of a way of acting both methods of a difference act so; –: one of them cannot."

Column = tuple[MethodRecord, MethodRecord | None]
"""A method alone, or an ablation and the method it is made from."""


def ablation_table(scores: SeedScores, study: StudyRecord, file: str) -> tuple[Table, pd.DataFrame]:
    """The table, rows tasks by acting rule and columns ablations, and its numbers: one row for each cell.

    Raises: UserError naming `file` when the study has no ablation, or one without the method it is made from.
    """
    columns = columns_of(study, file)
    study = replace(study, methods=tuple(dict.fromkeys(method for method, _ in columns)))
    acting = rules_of(study, columns)
    rows, numbers = [], []
    for rule in acting:
        if len(acting) > 1:
            rows.append(Row(ActingRule.parse(rule).label, rule=bool(rows)))
        for task in study.tasks:
            row, cells = ablation_row(scores, study, columns, [task], rule, task.label)
            rows.append(row)
            numbers += [{"over": "task", "suite": task.suite, "task": task.name, **cell} for cell in cells]
        # Scores on data of two sources have no common average.
        averages = {"": study.tasks} if study.one_source else study.suites()
        for place, (suite, tasks) in enumerate(averages.items()):
            label = f"Average, {suite}" if suite else "Average"
            row, cells = ablation_row(scores, study, columns, tasks, rule, label, line=place == 0)
            rows.append(row)
            over = "suite" if suite else "all"
            numbers += [{"over": over, "suite": suite, "task": "", **cell} for cell in cells]
    parents = ", ".join(method.label for method, parent in columns if parent is None)
    notices = [
        CAPTION.format(
            parents=parents,
            protocol=protocol(scores, study),
            acting=RULES if len(acting) > 1 else study.acting_notice(),
        ),
        study.score_notice(),
        study.data_notice(),
        scores.divergence_notice(study),
    ]
    headings = ("Task", *(method.label for method, _ in columns))
    caption = " ".join(filter(None, notices))
    table = Table(headings, tuple(rows), caption, "tab:ablations", even_blocks(len(columns)))
    return table, pd.DataFrame(numbers)


def ablation_row(
    scores: SeedScores,
    study: StudyRecord,
    columns: Sequence[Column],
    tasks: Sequence[TaskRecord],
    rule: str,
    label: str,
    line: bool = False,
) -> tuple[Row, list[dict]]:
    """Scores and differences averaged over `tasks` by an acting rule: the row for print, and its numbers."""
    cells, numbers = [], []
    for method, parent in columns:
        if not all(way_of(study, each, rule) for each in (method, parent) if each):
            cells.append(Cell("–"))
            continue
        value = estimate(scores, study, tasks, method, parent, rule)
        sign = "+" if parent and value.mean > 0 else ""
        shares = parent is None and all(task.is_goal_reaching for task in tasks)
        cells.append(Cell(sign + score(value, shares), bold=parent is not None and value.excludes_zero))
        numbers.append(
            {
                "method": method.name,
                "minus": parent.name if parent else "",
                "acting": way_of(study, method, rule),
                "nfe": study.headline(method),
                "seeds": value.n,
                "diverged": sum(scores.diverged(task.name, method.name) for task in tasks),
                "estimate": value.mean,
                "low": value.low,
                "high": value.high,
                "excludes_zero": value.excludes_zero if parent else "",
            }
        )
    return Row(label, tuple(cells), line), numbers


def columns_of(study: StudyRecord, file: str) -> list[Column]:
    """(method, None) for every method that is ablated, followed by (ablation, method) for its ablations."""
    columns: list[Column] = []
    for name in dict.fromkeys(method.ablation_of for method in study.methods if method.ablation_of):
        parent = study.method(name)
        if parent is None:
            raise UserError(f"{file} has ablations of {name} but not {name}; add it to the study's methods")
        columns.append((parent, None))
        columns += [(method, parent) for method in study.methods if method.ablation_of == name]
    if not columns:
        raise UserError(f"{file} has no ablation; add one to the study's methods, or {REMEDY}")
    return columns


def rules_of(study: StudyRecord, columns: Sequence[Column]) -> list[str]:
    """The study's first acting rule, and others by which some ablation can be held to its method."""
    first, *others = study.acting
    pairs = [(method, parent) for method, parent in columns if parent]
    return [first, *(rule for rule in others if any(rule in a.acting and rule in b.acting for a, b in pairs))]


def way_of(study: StudyRecord, method: MethodRecord, rule: str) -> str | None:
    """How a method acts in the rows of a rule: by it, or in the first rule's in its own way; None if not."""
    if rule == study.acting[0]:
        return method.acting[0]
    return rule if rule in method.acting else None


def estimate(
    scores: SeedScores,
    study: StudyRecord,
    tasks: Sequence[TaskRecord],
    method: MethodRecord,
    parent: MethodRecord | None,
    rule: str,
) -> Estimate:
    """Average score of a method over tasks by an acting rule, or its difference to its parent's."""

    def seeds_of(method: MethodRecord) -> list[np.ndarray]:
        way = way_of(study, method, rule)
        return [scores.of(task.name, method.name, study.headline(method), way) for task in tasks]

    if parent is None:
        return scores.estimate(tasks, method.name, study.headline(method), way_of(study, method, rule))
    return average_difference(seeds_of(method), seeds_of(parent), scores.episodes_of(tasks))


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        table, numbers = ablation_table(scores, study, snakemake.input.study)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
