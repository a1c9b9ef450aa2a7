"""The measure of training online: returns of one method by one way minus those of another."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gtp.report.ledger.measure import Evidence, Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.statistics import combine_means


@dataclass(frozen=True, kw_only=True)
class ReturnDifference(Measure):
    """Return of a method by one way minus that of another, paired by seed, in one environment.

    Over the `run` it is a seed's mean over all evaluations after training began, at the `end` the last one.
    """

    unit: ClassVar[str] = "of return"

    environment: str
    method: str
    way: str
    """search, prior or actor (gtp.report.online.WAYS)."""
    minus: str
    minus_way: str
    over: Literal["run", "end"]

    def in_words(self) -> str:
        when = "mean over all evaluations after the first" if self.over == "run" else "at the end"
        return (
            f"return in {self.environment} of {self.method} by its {self.way} minus that of {self.minus} by"
            f" its {self.minus_way}, {when}, paired by seed"
        )

    def parts(self, results: Results) -> list[Part | Missing]:
        if self.environment not in results.online.environments:
            raise Untestable(f"not in {self.environment}")
        sides = ((self.method, self.way), (self.minus, self.minus_way))
        curves = []
        for method, way in sides:
            if method not in results.online.labels:
                raise Untestable(f"no {method} here")
            curve = results.returns.curves(self.environment, method, way)
            if curve.empty:
                raise Untestable(f"{method} has no {way}")
            curves.append(curve[curve.index > 0])
        gain = curves[0] - curves[1]
        values = (gain.iloc[-1] if self.over == "end" else gain.mean(skipna=False)).dropna()
        if values.empty:
            raise Untestable("every seed diverged")
        steps = tuple(gain.index[-1:] if self.over == "end" else gain.index)
        where = {"environment": self.environment, "step": steps}
        return [
            Part(
                f"{self.method}, {self.way} against {self.minus}, {self.minus_way}",
                lambda confidence: combine_means([values], [1.0], confidence),
                tuple(
                    Evidence("online", {**where, "method": method, "way": way}, "return")
                    for method, way in sides
                ),
                (self.environment,),
                acting=tuple(dict.fromkeys(way for _, way in sides)),
            )
        ]
