"""Results of methods that train online: the record of a study, and returns by seed at each evaluation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.errors import UserError
from gtp.report.record import OnlineRecord
from gtp.report.results import REMEDY, built, pick, read_object, read_results
from gtp.report.statistics import Estimate, mean_estimate

WAYS = {"search": "search", "prior": "prior alone", "actor": "actor"}
"""Way of acting in the rows -> its words in print."""


def read_record(path: Path) -> OnlineRecord:
    """The content of a record. Raises UserError naming the file and what it lacks."""
    return built(OnlineRecord, pick(OnlineRecord, read_object(path), path), path)


@dataclass(frozen=True)
class OnlineReturns:
    """Mean return of each seed's episodes at each evaluation."""

    table: pd.DataFrame
    """Columns environment, method, way, step, seed, return; NaN for a seed that diverged before."""
    file: str
    """Where they come from, for messages."""

    def curves(self, environment: str, method: str, way: str) -> pd.DataFrame:
        """Steps (index) and seeds (columns) of one method by one way; without rows, an empty frame."""
        table = self.table
        rows = table[
            (table["environment"] == environment) & (table["method"] == method) & (table["way"] == way)
        ]
        return rows.pivot(index="step", columns="seed", values="return")

    def ways(self, environment: str, method: str) -> list[str]:
        """The ways in which a method acts, in the order of WAYS. Raises UserError when there are none."""
        ways = [way for way in WAYS if not self.curves(environment, method, way).empty]
        if not ways:
            raise UserError(f"{self.file} has no rows for {method} in {environment}; {REMEDY}")
        return ways

    def final(self, environment: str, method: str, way: str) -> Estimate:
        """Return after the last step: mean over seeds."""
        return mean_estimate(self.curves(environment, method, way).iloc[-1].dropna())

    def gain(self, environment: str, method: str, *, last: bool) -> Estimate:
        """Return by search minus that by the prior alone, paired by seed.

        `last` takes the last evaluation, otherwise a seed's mean over all but the one before training.
        """
        search, prior = (self.curves(environment, method, way) for way in ("search", "prior"))
        difference = (search - prior).loc[lambda frame: frame.index > 0]
        return mean_estimate((difference.iloc[-1] if last else difference.mean()).dropna())


def read_returns(file: str, record: OnlineRecord) -> OnlineReturns:
    """The returns from a table of OnlineEpisode. Raises UserError when a seed of the record has no rows."""
    rows = read_results(file, "online")
    keys = ["environment", "method", "way", "step", "seed"]
    sound = rows["status"] == "ok"
    rows["return"] = rows["return"].where(sound, np.nan)
    table = rows.groupby(keys, as_index=False).agg(**{"return": ("return", "mean")})
    for environment in record.environments:
        for method in record.labels:
            own = table[(table["environment"] == environment) & (table["method"] == method)]
            if missing := set(record.seeds) - set(own["seed"]):
                raise UserError(f"{file} lacks seed {min(missing)} of {method} in {environment}; {REMEDY}")
    return OnlineReturns(table, file)
