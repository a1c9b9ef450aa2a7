"""What a measure of the ledger is: parts, each an effect with an interval and the rows that it rests on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pandas as pd

from gtp.report.ledger.results import Results
from gtp.report.statistics import Estimate

SAMPLE: Final = "sample"
"""The acting rule of one sample (gtp.acting), by which claims compare where they say nothing else."""


@dataclass(frozen=True)
class Evidence:
    """Rows of a results table: those with these values in these columns, or one of a tuple of values."""

    table: str
    where: Mapping[str, Any]
    value: str
    """The column that is averaged."""

    def rows(self, results: Results) -> pd.DataFrame:
        """Their columns, and `line`, the number of their line in the CSV."""
        table = results.table(self.table)
        wanted = pd.Series(True, index=table.index)
        for column, value in self.where.items():
            several = value if isinstance(value, tuple) else (value,)
            wanted &= table[column].isin(several)
        found = table[wanted]
        return found.assign(line=found.index + 2)


@dataclass(frozen=True)
class Part:
    """One comparison of a claim, such as that with one of several rivals."""

    label: str
    effect: Callable[[float], Estimate]
    """Confidence -> effect with its interval."""
    evidence: tuple[Evidence, ...]
    tasks: tuple[str, ...]
    nfe: tuple[int, ...] = ()
    acting: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Tasks that say nothing at this budget."""


@dataclass(frozen=True)
class Missing:
    """A comparison that a study cannot make, and why."""

    label: str
    reason: str


class Measure(ABC):
    """A function of results tables. A dataclass below it has, as fields, what stands in claims.yaml."""

    unit: ClassVar[str] = "points"
    """Of the effect: points of normalised score, or what else."""
    replicates: ClassVar[str] = "seeds"
    """What the intervals are over."""

    @abstractmethod
    def in_words(self) -> str:
        """What is measured, in a phrase."""

    @abstractmethod
    def parts(self, results: Results) -> Sequence[Part | Missing]:
        """The comparisons of the claim. Raises Untestable when a study can make none of them."""

    def methods(self) -> tuple[str, ...]:
        """Names of the methods that a study needs for it, which config/methods.yaml has."""
        return ()
