"""Results of the study of known answers: its record, and how far each method's samples are from the truth."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gtp.errors import UserError
from gtp.report.record import MappedMethod, OracleRecord
from gtp.report.results import REMEDY, built, pick, read_object, read_results
from gtp.report.statistics import Estimate, mean_estimate
from gtp.report.style import MethodStyle, style_of


def read_oracle_record(path: Path) -> OracleRecord:
    """The content of a record. Raises UserError naming the file and what it lacks."""
    known = pick(OracleRecord, read_object(path), path)
    if not (isinstance(known["methods"], list) and known["methods"]):
        raise UserError(f"{path}: the key 'methods' is not a list with something in it; {REMEDY}")
    known["methods"] = [
        pick(MappedMethod, entry, path, f"methods[{i}].") for i, entry in enumerate(known["methods"])
    ]
    return built(OracleRecord, known, path)


def look_of(method: MappedMethod) -> MethodStyle:
    """How figures draw a method, as those of other studies do."""
    return style_of(method.order, method.ablation)


@dataclass(frozen=True)
class Accuracies:
    """The rows of solution_map.csv."""

    table: pd.DataFrame
    file: str
    """Where they come from, for messages."""

    def seeds(self, mixture: str, method: str, quantity: str = "median_distance") -> pd.DataFrame:
        """A quantity by K (index) and seed (columns); NaN for a seed that diverged."""
        rows = self.table[(self.table["mixture"] == mixture) & (self.table["method"] == method)]
        return rows.pivot(index="nfe", columns="seed", values=quantity)

    def estimate(self, mixture: str, method: str, nfe: int, quantity: str = "median_distance") -> Estimate:
        """Mean over the seeds that did not diverge; NaN, n = 0, where none is left."""
        values = self.seeds(mixture, method, quantity).loc[nfe].dropna()
        if values.empty:
            return Estimate(float("nan"), float("nan"), float("nan"), 0)
        return mean_estimate(values)

    def diverged(self, mixture: str, method: str) -> int:
        """How many seeds of a method diverged on a mixture."""
        return int(self.seeds(mixture, method).isna().any().sum())


def read_accuracies(file: str, record: OracleRecord) -> Accuracies:
    """The rows of a solution_map.csv. Raises UserError when a seed, a K or a method of the record lacks."""
    table = read_results(file, "solution_map")
    keys = ["mixture", "method", "seed", "nfe"]
    if table.duplicated(keys).any():
        raise UserError(f"{file} holds a row twice; {REMEDY}")
    found = set(table[keys].itertuples(index=False, name=None))
    for mixture in record.mixtures:
        for method in record.methods:
            for seed in record.seeds:
                for nfe in record.nfe:
                    if (mixture, method.name, seed, nfe) not in found:
                        where = f"{method.name} on {mixture}, seed {seed}, nfe {nfe}"
                        raise UserError(f"{file} lacks {where}; {REMEDY}")
    return Accuracies(table, file)
