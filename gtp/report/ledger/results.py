"""The results tables of one study, as far as they are there, for the measures of the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from gtp.errors import UserError
from gtp.report.online import OnlineRecord, OnlineReturns, read_record, read_returns
from gtp.report.oracle import read_oracle_record
from gtp.report.record import MethodRecord, OracleRecord, StudyRecord
from gtp.report.results import read_object, read_results, read_study
from gtp.report.speed import ActingCosts, acting_costs
from gtp.report.statistics import SeedScores, seed_scores
from gtp.schema import TABLES

RECORDS = ("study.json", "record.json")
"""What describes a study, and what describes one of methods that train online or of known answers."""


class Untestable(Exception):
    """Why some results cannot test a claim, or a part of it: a phrase for a cell of the ledger."""


@dataclass(frozen=True)
class Results:
    """A study and its tables. Each is read when a measure first asks for it."""

    name: str
    record: StudyRecord | OnlineRecord | OracleRecord
    files: Mapping[str, Path]
    """Name of a table (gtp.schema.TABLES) -> its CSV."""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Those that have been read."""

    def table(self, name: str) -> pd.DataFrame:
        """A table. Raises: Untestable when the study has none, UserError when it cannot be read."""
        if name not in self.files:
            raise Untestable(f"no table {name}.csv")
        if name not in self.tables:
            self.tables[name] = read_results(self.files[name], name)
        return self.tables[name]

    @property
    def study(self) -> StudyRecord:
        """The record of a study that trains on data. Raises Untestable for another."""
        if not isinstance(self.record, StudyRecord):
            raise Untestable("only in a study that trains on data")
        return self.record

    @property
    def online(self) -> OnlineRecord:
        """The record of a study that trains online. Raises Untestable for another."""
        if not isinstance(self.record, OnlineRecord):
            raise Untestable("only in a study of training online")
        return self.record

    @cached_property
    def scores(self) -> SeedScores:
        """Scores of the last policies by seed."""
        return seed_scores(self.table("scores"), self.study, str(self.files["scores"]))

    @cached_property
    def curves(self) -> SeedScores:
        """Scores of the policies kept during training by seed."""
        return seed_scores(self.table("curves"), self.study, str(self.files["curves"]))

    @cached_property
    def acting_costs(self) -> ActingCosts:
        """Times of actions."""
        return acting_costs(self.table("cost"), self.study, str(self.files["cost"]))

    @cached_property
    def returns(self) -> OnlineReturns:
        """Returns during online training by seed."""
        if "online" not in self.files:
            raise Untestable("no table online.csv")
        return read_returns(str(self.files["online"]), self.online)

    def method(self, name: str) -> MethodRecord:
        """A method of the study. Raises Untestable when it has none of this name."""
        method = self.study.method(name)
        if method is None:
            raise Untestable(f"no {name} here")
        return method


def read_folder(folder: Path, tables: Iterable[str] | None = None) -> Results:
    """The results in a folder such as results/quick.

    `tables` are the names of those that may be used; all that lie there by default. Raises: UserError when
    the folder does not describe a study.
    """
    records = [folder / name for name in RECORDS if (folder / name).exists()]
    if not records:
        raise UserError(f"{folder} has neither {' nor '.join(RECORDS)}; name a folder such as results/quick")
    names = TABLES if tables is None else tables
    files = {name: folder / f"{name}.csv" for name in names if (folder / f"{name}.csv").exists()}
    if records[0].name == "record.json":
        found = read_object(records[0])
        of_oracle = isinstance(found, dict) and "mixtures" in found
        record = read_oracle_record(records[0]) if of_oracle else read_record(records[0])
        return Results(folder.name, record, files)
    study = read_study(records[0])
    return Results(study.study, study, files)
