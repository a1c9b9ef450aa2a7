"""What training and acting cost with each method."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import pandas as pd

from gtp.acting import DETERMINISTIC, ActingRule
from gtp.errors import UserError, ending_in_one_line
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.report.results import REMEDY, read_results, read_study
from gtp.report.speed import ActingCosts, acting_costs
from gtp.report.tables import Cell, Row, Table, even_blocks, write_table

CAPTION = (
    "Cost of training and of acting. Seed-updates per second: gradient steps per second times the seeds"
    " trained side by side. Training: wall-clock time of one job with all its seeds, compilation included."
    " Peak memory: resident set of the training process, on a GPU what its allocator held. Action: time of"
    " one call with a batch of observations at K function evaluations by an acting rule, noise and transfers"
    " included, divided by the batch{repeated}; the first such row is of the smallest batch, the headline K"
    " and the first rule of each method. Network evaluations: of one action, the critic's among them."
    " –: does not apply or was not measured."
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
SUMMARY = ("Parameters", "Seed-updates per second", "Training (s)", "Peak memory (MB)")
"""The rows with which the table begins, together with the time of an action."""
DETAILS = "In detail"
"""Heading over all other rows."""


def cost_table(costs: pd.DataFrame, study: StudyRecord, file: str) -> tuple[Table, pd.DataFrame]:
    """The table, rows quantities and columns methods, and its numbers: one row for each cell.

    Raises: UserError naming `file` when a measurement is missing or stands there twice.
    """
    acting = acting_costs(costs, study, file)
    training = costs[costs["method"].isin([m.name for m in study.methods]) & costs["quantity"].isin(TRAINING)]
    if (twice := training.duplicated(["task", "method", "quantity"])).any():
        row = training[twice].iloc[0]
        raise UserError(f"{file} holds {row['quantity']} of {row['method']} on {row['task']} twice; {REMEDY}")
    measured = [acting.measured_on(study, suite) for suite in study.suites()]
    rows, numbers = [], []
    for task in measured:
        if len(measured) > 1:
            rows.append(Row(f"{task.suite}, measured on {task.label}", rule=bool(rows)))
        own = training[training["task"] == task.name]
        trained = dict(training_rows(own, study, f"{file}, {task.name}"))
        first = {label: trained.pop(label) for label in SUMMARY}
        first |= {"Action (µs)": headline_row(acting, study, task)}
        rest = [*trained.items(), *acting_rows(acting, study, task)]
        for label, cells in (*first.items(), (DETAILS, []), *rest):
            rows.append(Row(label, tuple(Cell(text) for text, _ in cells)))
            numbers += [{"task": task.name, **number} for _, number in cells if number is not None]
    repeated = acting.repetitions()
    repeated = f", geometric mean of {repeated} rounds of measurements" if repeated != "1" else ""
    caption = CAPTION.format(repeated=repeated)
    caption = caption if len(measured) > 1 else f"{caption} Measured on {measured[0].label}."
    headings = ("Quantity", *(method.label for method in study.methods))
    table = Table(headings, tuple(rows), caption, "tab:cost", even_blocks(len(study.methods)))
    columns = [
        "task",
        "method",
        "device",
        "quantity",
        "nfe",
        "acting",
        "batch_size",
        "value",
        "low",
        "high",
        "repetitions",
    ]
    frame = pd.DataFrame(numbers, columns=columns)
    return table, frame.astype(dict.fromkeys(["nfe", "batch_size", "repetitions"], "Int64"))


CellWithNumber = tuple[str, dict | None]
"""Text of a cell, and its row of the CSV."""


def training_rows(
    costs: pd.DataFrame, study: StudyRecord, where: str
) -> Iterator[tuple[str, list[CellWithNumber]]]:
    """(label, cells) of what training measured on one task, `costs`."""
    for quantity, (label, write) in TRAINING.items():
        found = []
        for method in study.methods:
            rows = costs[(costs["method"] == method.name) & (costs["quantity"] == quantity)]
            if rows.empty:
                raise UserError(f"{where}: {quantity} of {method.name} is missing; {REMEDY}")
            found.append(rows.iloc[0])
        about = ["method", "device", "quantity", "value"]
        yield label, [(write(row["value"]), row[about].to_dict()) for row in found]
        if quantity == "seed_updates_per_second":
            yield "Device of training", [(row["device"], None) for row in found]


def headline_row(costs: ActingCosts, study: StudyRecord, task: TaskRecord) -> list[CellWithNumber]:
    """Time of one action of each method as tables of scores have it; the numbers stand in the rows below."""
    batch = costs.batch_sizes()[0]
    ways = [(method.name, study.headline(method), batch, method.acting[0]) for method in study.methods]
    return [(significant(1e6 * costs.seconds(task.name, *way).mean), None) for way in ways]


def acting_rows(
    costs: ActingCosts, study: StudyRecord, task: TaskRecord
) -> Iterator[tuple[str, list[CellWithNumber]]]:
    """(label, cells) of evaluations and time of an action on one task, at each batch size, K and rule."""
    needed = {method.name: costs.nfe(study, method) for method in study.methods}
    ways = list(product(study.acting, sorted({nfe for several in needed.values() for nfe in several})))

    def row(number_at: Callable[[MethodRecord, int, str], CellWithNumber], nfe: int, rule: str):
        """A cell for each method that acts so; those with one way stand in the first rule's rows."""
        for method in study.methods:
            single = method.acting == (DETERMINISTIC.name,) and rule == study.acting[0]
            own = DETERMINISTIC.name if single else rule
            scored = nfe in needed[method.name] and own in method.acting
            yield number_at(method, nfe, own) if scored else ("–", None)

    def evaluations(method: MethodRecord, nfe: int, rule: str) -> CellWithNumber:
        value = costs.evaluations(task.name, method.name, nfe, rule)
        about = {"method": method.name, "device": costs.devices(task.name, method.name)}
        return whole(value), about | {
            "quantity": "network_evaluations",
            "nfe": nfe,
            "acting": rule,
            "value": value,
        }

    for rule, nfe in ways:
        label = f"Network evaluations, K = {nfe}, {ActingRule.parse(rule).label}"
        yield label, list(row(evaluations, nfe, rule))
    for batch, (rule, nfe) in product(costs.batch_sizes(), ways):

        def seconds(method: MethodRecord, nfe: int, rule: str, batch: int = batch) -> CellWithNumber:
            value = costs.seconds(task.name, method.name, nfe, batch, rule)
            return significant(1e6 * value.mean), {
                "method": method.name,
                "device": costs.devices(task.name, method.name),
                "quantity": "seconds_per_action",
                "nfe": nfe,
                "acting": rule,
                "batch_size": batch,
                "value": value.mean,
                "low": value.low,
                "high": value.high,
                "repetitions": value.n,
            }

        label = f"Action, batch {batch}, K = {nfe}, {ActingRule.parse(rule).label} (µs)"
        yield label, list(row(seconds, nfe, rule))
    yield "Device of acting", [(costs.devices(task.name, method.name), None) for method in study.methods]


if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        file = snakemake.input.cost
        table, numbers = cost_table(read_results(file, "cost"), study, file)
        output = snakemake.output
        write_table(table, numbers, md=output.md, tex=output.tex, csv=output.csv)
