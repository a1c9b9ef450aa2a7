"""What training and acting cost with each method."""

import math
from collections.abc import Callable, Iterator

import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.results import REMEDY, MethodRecord, StudyRecord, read_results, read_study
from gtp.tables import Cell, Row, Table, write_table

CAPTION = (
    "Cost of training and of acting. Seed-updates per second: gradient steps per second times the seeds"
    " trained side by side. Training: wall-clock time of one job with all its seeds, compilation included."
    " Peak memory: resident set of the training process, on a GPU what its allocator held. Action: time of"
    " one call with a batch of observations at K function evaluations, transfers included, divided by the"
    " batch. –: does not apply or was not measured."
)


def significant(value: float) -> str:
    """Three significant digits, whole numbers from 100 on with separators of thousands."""
    if not math.isfinite(value):
        return "–"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, digits)}f}"


def whole(value: float) -> str:
    """A count with separators of thousands."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"


TRAINING: dict[str, tuple[str, Callable[[float], str]]] = {
    "parameters": ("Parameters", whole),
    "seed_updates_per_second": ("Seed-updates per second", significant),
    "training_seconds": ("Training (s)", significant),
    "compilation_seconds": ("Compilation (s)", significant),
    "peak_memory_mb": ("Peak memory (MB)", whole),
}
"""Quantity in cost.csv -> its row in the table and how it is written."""


def cost_table(costs: pd.DataFrame, study: StudyRecord, file: str) -> tuple[Table, pd.DataFrame]:
    """The table, rows quantities and columns methods, and the rows of cost.csv behind it in its order.

    Raises: UserError naming `file` when a measurement is missing or stands there twice.
    """
    keys = ["task", "method", "quantity", "nfe", "batch_size"]
    costs = costs[costs["method"].isin([method.name for method in study.methods])]
    if (twice := costs.duplicated(keys)).any():
        row = costs[twice].iloc[0]
        raise UserError(f"{file} holds {row['quantity']} of {row['method']} on {row['task']} twice; {REMEDY}")
    measured = [task for task in study.tasks if task.name in set(costs["task"])]
    if missing := set(study.suites()) - {task.suite for task in measured}:
        raise UserError(f"{file} has no row of the suite {min(missing)}; {REMEDY}")
    rows, numbers = [], []
    for task in measured:
        if len(measured) > 1:
            rows.append(Row(f"{task.suite}, measured on {task.label}", rule=bool(rows)))
        for label, cells in task_rows(costs[costs["task"] == task.name], study, f"{file}, {task.name}"):
            rows.append(Row(label, tuple(Cell(text) for text, _ in cells)))
            numbers += [number for _, number in cells if number is not None]
    caption = CAPTION if len(measured) > 1 else f"{CAPTION} Measured on {measured[0].label}."
    headings = ("Quantity", *(method.label for method in study.methods))
    table = Table(headings, tuple(rows), caption, "tab:cost")
    columns = ["task", "method", "device", "quantity", "nfe", "batch_size", "value"]
    frame = pd.DataFrame(numbers)[columns].drop_duplicates()
    return table, frame.astype({"nfe": "Int64", "batch_size": "Int64"})


def task_rows(
    costs: pd.DataFrame, study: StudyRecord, where: str
) -> Iterator[tuple[str, list[tuple[str, pd.Series | None]]]]:
    """For one task, (label, for each method the text of its cell and the row of cost.csv it is from)."""
    for quantity, (label, write) in TRAINING.items():
        found = [measurement(costs, method, quantity, None, None, where) for method in study.methods]
        yield label, [(write(row["value"]), row) for row in found]
        if quantity == "seed_updates_per_second":
            yield "Device of training", [(row["device"], None) for row in found]
    acting = costs[costs["quantity"] == "seconds_per_action"]
    for batch in sorted(acting["batch_size"].dropna().unique()):
        for nfe in sorted({nfe for method in study.methods for nfe in study.evaluated_nfe(method)}):
            cells: list[tuple[str, pd.Series | None]] = []
            for method in study.methods:
                if nfe in study.evaluated_nfe(method):
                    row = measurement(costs, method, "seconds_per_action", nfe, batch, where)
                    cells.append((significant(1000 * row["value"]), row))
                else:
                    cells.append(("–", None))
            yield f"Action, batch {batch:g}, K = {nfe} (ms)", cells
    devices = acting.groupby("method")["device"].agg(lambda names: ", ".join(sorted(set(names))))
    yield "Device of acting", [(devices.get(method.name, "–"), None) for method in study.methods]


def measurement(
    costs: pd.DataFrame, method: MethodRecord, quantity: str, nfe: int | None, batch: float | None, where: str
) -> pd.Series:
    """The one row of cost.csv about this. Raises UserError when there is none."""
    rows = costs[(costs["method"] == method.name) & (costs["quantity"] == quantity)]
    for column, wanted in (("nfe", nfe), ("batch_size", batch)):
        rows = rows[rows[column].isna() if wanted is None else rows[column] == wanted]
    if rows.empty:
        at = "" if nfe is None else f" at nfe {nfe} and batch size {batch:g}"
        raise UserError(f"{where}: {quantity} of {method.name}{at} is missing; {REMEDY}")
    return rows.iloc[0]


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        file = snakemake.input.cost
        table, numbers = cost_table(read_results(file, "cost"), study, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
