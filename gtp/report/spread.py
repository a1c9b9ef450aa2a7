"""Mean ± standard deviation between seeds, as the papers of the field print scores.

It says how far seeds lie apart and nothing on how well the mean is known; gtp.report.statistics does that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gtp.report.tables import signed


@dataclass(frozen=True)
class Spread:
    """A mean, and the deviation between seeds (n - 1 in its denominator), which is NaN for one seed."""

    mean: float
    deviation: float

    @property
    def text(self) -> str:
        """As the papers print it."""
        mean = signed(self.mean)
        return f"{mean} ± {self.deviation:.1f}" if np.isfinite(self.deviation) else mean


def spread_of(scores: ArrayLike) -> Spread:
    """Of scores (seeds, tasks): each seed's average over tasks, and how far those lie apart."""
    seeds = np.asarray(scores, dtype=float).mean(axis=1)
    return Spread(float(seeds.mean()), float(seeds.std(ddof=1)) if len(seeds) > 1 else float("nan"))
