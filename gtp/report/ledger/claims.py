"""Claims, the rules that decide them, and the verdict of a study on each.

A rule draws one line: effects on one side count as what the claim says, effects on the other do not. A claim
holds when the whole interval lies on the first side, does not hold when the whole interval lies on the other,
and is undecided when the interval covers both. So a small effect is not called large for being certain, and
an effect is not called absent because few seeds do not show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from gtp.report.ledger.measure import Measure, Missing, Part
from gtp.report.ledger.results import Results, Untestable
from gtp.report.statistics import CONFIDENCE, Estimate


class Verdict(StrEnum):
    """What a study says of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    UNTESTED = "cannot be tested"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which effects count as what a claim says: exactly one of three lines, fixed before the numbers.

    Of several comparisons as many as `parts` must count, all of them by default. With p of them the
    confidence of each interval is 1 - 0.05 / (p - parts + 1) for `holds` and 1 - 0.05 / parts for `does not
    hold`, so that neither verdict becomes likelier by the number of comparisons. Source: Benjamini and
    Heller, 2008.
    """

    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None
    """Effects between minus this and this; of ratios, between one over this and this."""
    parts: int | None = None

    def __post_init__(self):
        lines = [line for line in (self.at_least, self.at_most, self.within) if line is not None]
        if len(lines) != 1:
            raise ValueError("a rule has one of at_least, at_most and within")
        if self.within is not None and self.within <= 0.0:
            raise ValueError("within must be positive")
        if self.parts is not None and self.parts < 1:
            raise ValueError("parts must be at least 1")

    def bounds(self, unit: str) -> tuple[float, float]:
        """The smallest and the largest effect that count as what the claim says."""
        if self.within is not None:
            return (1.0 / self.within if unit == "times" else -self.within), self.within
        return (
            -np.inf if self.at_least is None else self.at_least,
            np.inf if self.at_most is None else self.at_most,
        )

    def line(self) -> float:
        """The number that the rule names."""
        return next(line for line in (self.at_least, self.at_most, self.within) if line is not None)

    def in_words(self, unit: str) -> str:
        """The rule as a table prints it, such as: at least 5 points."""
        low, high = self.bounds(unit)
        if self.within is not None:
            return f"{number(low)} to {number(high)} {unit}"
        return f"{'at least' if self.at_least is not None else 'at most'} {number(self.line())} {unit}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An entry of workflow/claims.yaml."""

    id: str
    paper: str
    """The method whose paper makes it: a heading of the table."""
    title: str
    """A few words for tables."""
    claim: str
    """The whole claim, in our words."""
    source: str
    """Where in the paper it is made."""
    why: str
    """Where the rule's number comes from: the published effect, or that there is none."""
    measure: Measure
    rule: Rule
    studies: tuple[str, ...] = ()
    """Studies of config/ that can test it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict of one study on one claim, and the numbers that it rests on."""

    claim: Claim
    study: str
    verdict: Verdict
    reason: str
    """Why, in a phrase."""
    parts: tuple[Part | Missing, ...] = ()
    deciding: Part | None = None
    """The comparison whose effect is printed: the one on which the verdict turns."""
    estimate: Estimate | None = None
    confidence: float | None = None
    budget: tuple[int, int] = (0, 0)
    """Steps of the study's training, and episodes behind each seed's score."""

    @property
    def decided(self) -> bool:
        """Whether the claim holds or does not."""
        return self.verdict in (Verdict.HOLDS, Verdict.FAILS)

    @property
    def tested(self) -> list[Part]:
        """The comparisons that the study can make."""
        return [part for part in self.parts if isinstance(part, Part)]


def judge(claim: Claim, results: Results) -> Finding:
    """The verdict of a study on a claim, by the claim's rule."""
    record = results.record
    budget = (record.steps, getattr(record, "episodes", 0)) if record else (0, 0)
    about: dict[str, Any] = {"claim": claim, "study": results.name, "budget": budget}
    try:
        parts = tuple(claim.measure.parts(results))
    except Untestable as error:
        return Finding(**about, verdict=Verdict.UNTESTED, reason=str(error) + elsewhere(claim, results))
    about["parts"] = parts
    tested = [part for part in parts if isinstance(part, Part)]
    needed = claim.rule.parts or len(parts)
    if not tested or len(parts) < needed:
        missing = [part.reason for part in parts if isinstance(part, Missing)]
        reason = missing[0] if missing else f"{len(parts)} of {needed} comparisons"
        return Finding(**about, verdict=Verdict.UNTESTED, reason=reason + elsewhere(claim, results))
    may_fail = len(parts) - needed + 1
    upper, lower = 1.0 - (1.0 - CONFIDENCE) / may_fail, 1.0 - (1.0 - CONFIDENCE) / needed
    unit = claim.measure.unit
    low, high = claim.rule.bounds(unit)
    inside = [is_inside(part.effect(upper), low, high) for part in tested]
    outside = [is_outside(part.effect(lower), low, high) for part in tested]
    if sum(inside) >= needed:
        verdict, confidence = Verdict.HOLDS, upper
    elif sum(outside) >= may_fail:
        verdict, confidence = Verdict.FAILS, lower
    else:
        verdict, confidence = Verdict.UNDECIDED, lower
    # The comparison on which it turns: the last of those needed, from the most to the least in favour.
    in_favour = {
        # Rounded: of equals the last one decides, on every CPU.
        part.label: (yes - no, round(depth(part.effect(lower).mean, low, high, unit), 9))
        for part, yes, no in zip(tested, inside, outside, strict=True)
    }
    order = sorted(tested, key=lambda part: in_favour[part.label], reverse=True)
    deciding = order[min(needed, len(order)) - 1]
    estimate = deciding.effect(confidence)
    about |= {"deciding": deciding, "estimate": estimate, "confidence": confidence}
    if estimate.n < 2:
        reason = f"one {claim.measure.replicates.removesuffix('s')} gives no interval"
        return Finding(**about, verdict=Verdict.UNTESTED, reason=reason + elsewhere(claim, results))
    missing = [part.label.removeprefix("against ") for part in parts if isinstance(part, Missing)]
    reasons = [f"not compared: {', '.join(missing)}"] if missing and verdict is Verdict.UNDECIDED else []
    if not reasons or sum(inside) + len(missing) < needed:
        reasons.insert(0, explain(verdict, estimate, low, high))
    reason = "; ".join(reasons)
    return Finding(**about, verdict=verdict, reason=reason)


def elsewhere(claim: Claim, results: Results) -> str:
    """What a reason says of the studies that can test a claim."""
    others = [name for name in claim.studies if name != results.name]
    return f"; see {', '.join(others)}" if others else ""


def is_known(effect: Estimate) -> bool:
    """Whether there is an interval: not with one replicate, nor where all are the same and its width is 0."""
    return bool(np.isfinite(effect.low) and effect.high > effect.low)


def is_inside(effect: Estimate, low: float, high: float) -> bool:
    """Whether the whole interval counts as what the claim says."""
    return is_known(effect) and low <= effect.low and effect.high <= high


def is_outside(effect: Estimate, low: float, high: float) -> bool:
    """Whether nothing in the interval counts as what the claim says."""
    return is_known(effect) and (effect.high < low or effect.low > high)


def depth(mean: float, low: float, high: float, unit: str) -> float:
    """How far an effect lies on the claim's side of the line, negative on the other side."""
    if unit == "times":
        mean, low, high = (float(np.log(x)) if x > 0.0 else -np.inf for x in (mean, low, high))
    return min(mean - low, high - mean)


def explain(verdict: Verdict, effect: Estimate, low: float, high: float) -> str:
    """Why a verdict is what it is, in a phrase: where the interval lies."""
    if verdict is Verdict.FAILS:
        side = f"below {number(low)}" if effect.high < low else f"above {number(high)}"
        return f"interval all {side}"
    if verdict is Verdict.HOLDS:
        if np.isfinite(low) and np.isfinite(high):
            return f"interval all within {number(low)} to {number(high)}"
        side = f"above {number(low)}" if np.isfinite(low) else f"below {number(high)}"
        return f"interval all {side}"
    if not is_known(effect):
        return "no spread, so no interval"
    crossed = [number(bound) for bound in (low, high) if effect.low <= bound <= effect.high]
    return f"interval covers {' and '.join(crossed)}"


def number(value: float) -> str:
    """A number as rules print it, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


def judge_all(claims: Mapping[str, Claim], results: Results) -> list[Finding]:
    """The verdicts of a study on all claims, in their order."""
    return [judge(claim, results) for claim in claims.values()]


def best_study(findings: list[Finding]) -> Finding:
    """Of the verdicts of several studies on one claim that of the study which tests it best.

    By what was planned, not by what came out: most comparisons, then tasks, seeds, updates and episodes; the
    first of equals. Where none can test it, one that the claim names comes first.
    """

    def weight(finding: Finding) -> tuple[int, ...]:
        named = finding.study in finding.claim.studies
        if finding.verdict is Verdict.UNTESTED or finding.deciding is None or finding.estimate is None:
            return (0, named)
        tasks = len(finding.deciding.tasks) + len(finding.deciding.left_out)
        return (1, len(finding.tested), tasks, finding.estimate.n, *finding.budget)

    return max(findings, key=weight)
