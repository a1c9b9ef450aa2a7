"""A finished study against the committed reference of the same name, table by table and cell by cell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.errors import UserError
from gtp.report.ledger.results import RECORDS, Results, read_folder
from gtp.report.provenance import Provenance, read_provenance, repeated_elsewhere
from gtp.report.results import read_object
from gtp.report.statistics import Estimate, difference_estimate, mean_estimate
from gtp.report.tables import plus_minus
from gtp.schema import TABLES

CELLS = {
    "scores": ["task", "method", "nfe", "acting"],
    "curves": ["task", "method", "nfe", "acting", "step"],
    "online": ["environment", "method", "way", "step"],
}
"""Table -> the columns that tell its cells apart; a cell has a value for each seed."""
COUNTED = ("parameters", "network_evaluations")
"""Quantities of cost.csv that are the same on every machine; the others are times and memory."""


class Agreement(StrEnum):
    """How a cell of a study stands to that of the reference."""

    EQUAL = "equal"
    """Every seed has the same value."""
    WITHIN = "within intervals"
    """Welch's 95 % interval of the difference holds 0."""
    APART = "apart"
    UNKNOWN = "different, without an interval"
    """One seed."""
    LACKING = "in one of the two alone"


@dataclass(frozen=True)
class CellComparison:
    """A cell of a table in both places."""

    name: str
    agreement: Agreement
    ours: Estimate | None = None
    theirs: Estimate | None = None


@dataclass(frozen=True)
class TableComparison:
    """A table in both places: the same bytes, or what its cells say, or else how many rows are the same."""

    file: str
    same_bytes: bool
    cells: tuple[CellComparison, ...] = ()
    note: str = ""
    """What is to be said of a table that has no cells."""

    def counts(self) -> dict[Agreement, int]:
        """How many cells agree in which way."""
        found = Counter(cell.agreement for cell in self.cells)
        return {agreement: found[agreement] for agreement in Agreement if found[agreement]}


@dataclass(frozen=True)
class Comparison:
    """A study against its reference."""

    study: Path
    reference: Path
    tables: tuple[TableComparison, ...]
    machines: tuple[str, ...] = ()
    """That of the study and that of the reference, where they are known."""
    elsewhere: Provenance | None = None
    """The record of another machine that made this study's bytes, where the reference has others."""

    @property
    def different(self) -> list[TableComparison]:
        """Tables without the same bytes. Times and memory do not count."""
        return [table for table in self.tables if not table.same_bytes and table.file != "cost.csv"]

    def verdict(self) -> str:
        """In one sentence whether the study repeats its reference."""
        if not self.different:
            return f"{self.study} repeats {self.reference} to the byte, all but what was timed."
        if not (other := self.elsewhere):
            return self._agreement()
        return (
            f"{self.study} repeats to the byte what {other.machine} made on {other.date}, all but what was"
            f" timed. Beside the reference itself: {self._agreement()}"
        )

    def _agreement(self) -> str:
        """How cells stand that are in tables without the same bytes."""
        others = self.different
        cells = [cell.agreement for table in others for cell in table.cells]
        within = cells.count(Agreement.WITHIN)
        apart = len(cells) - within - cells.count(Agreement.EQUAL)
        if apart:
            return (
                f"{self.study} differs from {self.reference} in {apart} of {len(cells)} cells by more than"
                " their intervals, or where there is none; one in twenty would by chance."
            )
        told = f"{len(cells) - within} of {len(cells)} cells are equal, the others lie within intervals"
        named = ", ".join(table.file for table in others if not table.cells)
        return (
            f"{self.study} agrees with {self.reference}: {told if cells else 'all scores are equal'}"
            f"{f'; not the same: {named}' if named else ''}."
        )


def compare(study: Path, reference: Path) -> Comparison:
    """The tables of a finished study against those of a reference, both folders such as results/quick.

    Raises: UserError when one of them describes no study, or when a table cannot be read.
    """
    for folder in (study, reference):
        if not any((folder / name).exists() for name in RECORDS):
            remedy = "run the study first" if folder == study else "name another with --reference"
            raise UserError(f"{folder} has no tables of a study; {remedy}")
    ours, theirs = read_folder(study), read_folder(reference)
    # A table that the reference never keeps, such as the log of training, is no difference.
    names = [name for name in RECORDS if (reference / name).exists()]
    names += [f"{name}.csv" for name in TABLES if name in theirs.files]
    tables = [_compare_file((study / name, reference / name), ours, theirs) for name in names]
    records = [folder / "provenance.json" for folder in (study, reference)]
    machines = (read_provenance(record).machine for record in records if record.exists())
    comparison = Comparison(study, reference, tuple(tables), tuple(machines))
    different = [table.file for table in comparison.different]
    elsewhere = repeated_elsewhere(study, reference, different) if different else None
    return replace(comparison, elsewhere=elsewhere)


def _compare_file(paths: tuple[Path, Path], ours: Results, theirs: Results) -> TableComparison:
    """One file of a study and the same of its reference."""
    file, name = paths[0].name, paths[0].stem
    if not paths[0].exists():
        return TableComparison(file, False, note="is not there")
    if paths[0].read_bytes() == paths[1].read_bytes():
        return TableComparison(file, True)
    if file in RECORDS:
        return TableComparison(file, False, note=_keys_that_differ(*map(read_object, paths)))
    if name in CELLS:
        own, other = (seed_values(results, name) for results in (ours, theirs))
        return TableComparison(file, False, compare_cells(own, other, CELLS[name]))
    if name == "cost":
        return TableComparison(file, False, note=compare_costs(ours.table(name), theirs.table(name)))
    rows = [results.table(name).drop(columns="study", errors="ignore") for results in (ours, theirs)]
    one, other = (Counter(table.astype(str).itertuples(index=False, name=None)) for table in rows)
    same = (one & other).total()
    return TableComparison(file, False, note=f"{same} of {other.total()} rows are the same")


def _keys_that_differ(ours: dict, theirs: dict) -> str:
    """Keys of two records whose values are not the same."""
    keys = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
    return f"another {', '.join(keys)}" if keys else "the same in another form"


def seed_values(results: Results, name: str) -> pd.DataFrame:
    """Value of each seed in each cell: the columns of the cell, seed and value."""
    if name == "online":
        return results.returns.table.rename(columns={"return": "value"})
    scores = results.scores if name == "scores" else results.curves
    return scores.table.rename(columns={"score": "value"})


def compare_cells(
    ours: pd.DataFrame, theirs: pd.DataFrame, keys: Sequence[str]
) -> tuple[CellComparison, ...]:
    """Every cell of two tables of seeds' values, in the order of the second."""
    cells = []
    one, other = (dict(iter(table.groupby(list(keys)))) for table in (ours, theirs))
    for cell in dict.fromkeys([*other, *one]):
        name = ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else str(value)
            for key, value in zip(keys, cell, strict=True)
        )
        if cell not in one or cell not in other:
            cells.append(CellComparison(name, Agreement.LACKING))
            continue
        first, second = (rows.sort_values("seed") for rows in (one[cell], other[cell]))
        values = [rows["value"].to_numpy(dtype=np.float64) for rows in (first, second)]
        estimates = [mean_estimate(value) for value in values]
        seeds = [rows["seed"].tolist() for rows in (first, second)]
        agreement = agreement_of(values[0], values[1], seeds[0] == seeds[1])
        cells.append(CellComparison(name, agreement, *estimates))
    return tuple(cells)


def agreement_of(first: np.ndarray, second: np.ndarray, same_seeds: bool) -> Agreement:
    """How the values of seeds (n,) and (m,) stand to each other."""
    if same_seeds and np.array_equal(first, second, equal_nan=True):
        return Agreement.EQUAL
    difference = difference_estimate(first, second)
    if not np.isfinite(difference.low):
        return Agreement.UNKNOWN
    return Agreement.WITHIN if difference.low <= 0.0 <= difference.high else Agreement.APART


def compare_costs(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """What is to be said of two cost.csv: whether all that is counted is equal, and how the times stand."""
    keys = ["task", "method", "quantity", "nfe", "acting", "batch_size"]
    both = ours.groupby(keys, dropna=False)["value"].median().rename("ours").to_frame()
    both = both.join(
        theirs.groupby(keys, dropna=False)["value"].median().rename("theirs"), how="inner"
    ).reset_index()
    counted = both["quantity"].isin(COUNTED)
    equal = int((both.loc[counted, "ours"] == both.loc[counted, "theirs"]).sum())
    told = [f"{equal} of {int(counted.sum())} counts are equal"]
    for quantity, words in (("seconds_per_action", "an action"), ("training_seconds", "training")):
        rows = both[both["quantity"] == quantity]
        ratio = (rows["ours"] / rows["theirs"]).median()
        if np.isfinite(ratio):
            told.append(f"{words} took {ratio:.2f} times as long (median of {len(rows)})")
    return "; ".join(told)


def comparison_lines(comparison: Comparison, most: int = 12) -> list[str]:
    """The comparison as text; of the cells of a table that lie apart at most so many are named."""
    same = [table.file for table in comparison.tables if table.same_bytes]
    lines = [f"{comparison.study} against {comparison.reference}"]
    lines.append(f"  the same to the byte: {', '.join(same) or 'no table'}")
    for table in comparison.tables:
        if table.same_bytes:
            continue
        counts = ", ".join(f"{count} {agreement.value}" for agreement, count in table.counts().items())
        lines.append(f"  {table.file}: {table.note or f'{len(table.cells)} cells, {counts}'}")
        apart = [cell for cell in table.cells if cell.agreement not in (Agreement.EQUAL, Agreement.WITHIN)]
        for cell in apart[:most]:
            told = cell.agreement.value
            if cell.ours and cell.theirs:
                told = f"{plus_minus(cell.ours)} here, {plus_minus(cell.theirs)} in the reference"
            lines.append(f"    {cell.name}: {told}")
        if len(apart) > most:
            lines.append(f"    and {len(apart) - most} more")
    if comparison.different and len(set(comparison.machines)) == 2:
        here, there = comparison.machines
        lines.append(f"  {here} here, {there} in the reference: another CPU may round otherwise")
    return [*lines, comparison.verdict()]
