"""Measures on Gaussian mixtures, whose exact flow is known: Theorem 1, and distances of learned maps."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from gtp.report.ledger.measure import Evidence, Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.ledger.times import exponential
from gtp.report.statistics import Estimate, combine_means


@dataclass(frozen=True, kw_only=True)
class GapOrder(Measure):
    """Order in which the gap |L_prac - L_ideal| of Theorem 1 vanishes: the slope of its logarithm.

    Over the solver's `step` at fixed times, in units of the solver's own order p, so that the theorem says 1;
    or over the `distance` t - u. A comparison for each mixture and solver.
    """

    unit: ClassVar[str] = "orders"

    sweep: Literal["step", "distance"]
    field: Literal["surrogate", "exact"]
    """What the solver integrates."""

    def in_words(self) -> str:
        over = "solver's step, over the solver's order" if self.sweep == "step" else "distance t - u"
        return (
            f"slope of log |L_prac - L_ideal| with the {self.field} field against the logarithm of the {over}"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        table = results.table("theorem")
        rows = table[(table["sweep"] == self.sweep) & (table["field"] == self.field)]
        if rows.empty:
            raise Untestable(f"no sweep over the {self.sweep} with the {self.field} field")
        parts: list[Part | Missing] = []
        for (mixture, solver), own in rows.groupby(["mixture", "solver"]):
            slopes = [self._slope(seed) for _, seed in own.groupby("seed")]
            where = {"mixture": mixture, "solver": solver, "sweep": self.sweep, "field": self.field}
            parts.append(
                Part(
                    f"{solver} on {mixture}",
                    partial(combine_means, [slopes], [1.0]),
                    (Evidence("theorem", where, "gap"),),
                    (str(mixture),),
                )
            )
        return parts

    def _slope(self, rows: pd.DataFrame) -> float:
        """Least squares over one seed's rows."""
        x = rows["step"] if self.sweep == "step" else rows["t"] - rows["u"]
        slope = float(np.polyfit(np.log(x), np.log(rows["gap"].abs()), 1)[0])
        return slope / float(rows["order"].iloc[0]) if self.sweep == "step" else slope


def ratio(logs: np.ndarray, confidence: float) -> Estimate:
    """Geometric mean of ratios from their logarithms, one for each seed."""
    return exponential(combine_means([logs], [1.0], confidence))


@dataclass(frozen=True, kw_only=True)
class MapDistance(Measure):
    """Median distance of a method's K-step samples to the exact flow's over that of another, by mixture."""

    unit: ClassVar[str] = "times"

    method: str
    over: str
    nfe: int

    def in_words(self) -> str:
        return (
            f"median distance to the exact end point of {self.method} over that of {self.over} at"
            f" K = {self.nfe}, geometric mean over seeds, on each mixture"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        table = results.table("solution_map")
        rows = table[(table["nfe"] == self.nfe) & table["method"].isin(self.methods())]
        parts: list[Part | Missing] = []
        for mixture, own in rows.groupby("mixture"):
            seeds = own.pivot(index="seed", columns="method", values="median_distance").dropna()
            if not {*self.methods()} <= {*seeds}:
                continue
            logs = np.log(seeds[self.method] / seeds[self.over]).to_numpy()
            parts.append(
                Part(
                    f"on {mixture}",
                    partial(ratio, logs),
                    tuple(
                        Evidence(
                            "solution_map",
                            {"mixture": mixture, "method": name, "nfe": self.nfe},
                            "median_distance",
                        )
                        for name in self.methods()
                    ),
                    (str(mixture),),
                    (self.nfe,),
                )
            )
        if not parts:
            raise Untestable(f"no maps of {self.method} and {self.over} at K = {self.nfe}")
        return parts

    def methods(self) -> tuple[str, ...]:
        return (self.method, self.over)
