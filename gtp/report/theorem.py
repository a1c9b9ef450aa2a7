"""Theorem 1 from its table of gaps: the order at which they vanish, and what that says of the theorem."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gtp.errors import UserError
from gtp.report.results import REMEDY
from gtp.report.statistics import Estimate, mean_estimate

TOLERANCE = 0.25
"""How far a fitted order may lie below the predicted one: steps are finite, so it is met approximately."""
SWEEPS = {"step": "solver's step h, t and u fixed", "distance": "t − u = h, one step"}
FIELDS = {"surrogate": "surrogate", "exact": "exact field"}
SOLVERS = {"euler": "Euler", "heun": "Heun"}
"""Values of columns -> their words in print."""


@dataclass(frozen=True)
class Order:
    """At which order the gap of one sweep vanishes with h."""

    mixture: str
    sweep: str
    field: str
    solver: str
    predicted: int
    """The theorem's p: the gap is O(h^p)."""
    slope: Estimate
    """Slope of log |gap| over log h, least squares for each seed, mean over seeds."""
    first: float
    """Mean |gap| at the largest h."""
    last: float
    """Mean |gap| at the smallest h."""
    share: float
    """`last` as a share of the ideal loss there."""

    @property
    def verdict(self) -> str:
        """Whether the slope is at least the predicted one, less TOLERANCE, with its whole interval.

        holds, does not hold (the whole interval is below), or undecided.
        """
        line = self.predicted - TOLERANCE
        if self.slope.low >= line:
            return "holds"
        return "does not hold" if self.slope.high < line else "undecided"


def fit_order(rows: pd.DataFrame) -> Estimate:
    """Slope of log |gap| over log step for each seed, as a mean over seeds."""
    slopes = [
        np.polyfit(np.log(own["step"]), np.log(own["gap"].abs()), 1)[0] for _, own in rows.groupby("seed")
    ]
    return mean_estimate(slopes)


def read_orders(table: pd.DataFrame, file: str) -> list[Order]:
    """Every sweep of a theorem.csv, in its order.

    Raises: UserError when a gap is 0 or a sweep has one step only: neither has a slope.
    """
    if (table["gap"] == 0).any():
        raise UserError(f"{file} has a gap of exactly 0, which no slope can be fitted to; {REMEDY}")
    orders = []
    for keys, rows in table.groupby(["mixture", "sweep", "field", "solver", "order"], sort=False):
        if rows["step"].nunique() < 2:
            raise UserError(f"{file} has one step only in the sweep {' '.join(map(str, keys))}; {REMEDY}")
        means = rows.assign(gap=rows["gap"].abs()).groupby("step")[["gap", "ideal"]].mean()
        first, last = means.loc[rows["step"].max()], means.loc[rows["step"].min()]
        mixture, sweep, field, solver, predicted = keys
        orders.append(
            Order(
                mixture,
                sweep,
                field,
                solver,
                int(predicted),
                fit_order(rows),
                float(first["gap"]),
                float(last["gap"]),
                float(last["gap"] / last["ideal"]),
            )
        )
    return orders
