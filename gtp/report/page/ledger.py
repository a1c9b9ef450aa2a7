"""The ledger on the page: claims with their verdicts, effects as pictures, and commands that trace them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.report.ledger.claims import Finding, Verdict
from gtp.report.ledger.measure import Part
from gtp.report.ledger.printed import cells, effect_in_words
from gtp.report.statistics import CONFIDENCE, Estimate

WIDTH = 240.0
"""Of an interval's picture, in its own units."""
ROOM = 0.08
"""Share of the width that stays free at either end."""


@dataclass(frozen=True)
class IntervalPicture:
    """Places from 0 to WIDTH of an effect on its axis; logarithmic for ratios."""

    mean: float
    low: float
    high: float
    counts: tuple[float, float]
    """Where effects count as what the claim says."""
    lines: tuple[float, ...]
    """The ends of that stretch that lie on the axis."""
    nothing: float
    """The effect that is none: no difference, or a ratio of one."""


@dataclass(frozen=True)
class LedgerEntry:
    """A claim as the page shows it."""

    finding: Finding
    effect: str
    """With its interval and unit, and the confidence where that is not 95 %; empty if not measured."""
    comparison: str
    """The one whose effect it is, where the claim makes several."""
    picture: IntervalPicture | None
    picture_in_words: str
    basis: tuple[tuple[str, str], ...]
    """What the effect rests on: name -> text."""
    comparisons: tuple[tuple[str, str], ...]
    """Each comparison of a claim that makes several, and what came out."""
    command: str
    """What prints the rows that the verdict rests on."""
    elsewhere: str
    """What the committed reference says that tests the claim best, where this study cannot."""


def ledger_entries(
    findings: Iterable[Finding], folder: Path, best: pd.DataFrame | None
) -> dict[Verdict, list[LedgerEntry]]:
    """Entries by verdict, in the order of the claims.

    `folder` has the results tables, such as results/quick; `best` are the rows of the table of claims over
    all references, None where that is not wanted.
    """
    others = {} if best is None else {row["claim"]: row for row in best.to_dict("records")}
    entries: dict[Verdict, list[LedgerEntry]] = {verdict: [] for verdict in Verdict}
    for finding in findings:
        claim, unit = finding.claim, finding.claim.measure.unit
        part, estimate = finding.deciding, finding.estimate
        shown = part is not None and estimate is not None
        *_, n, tasks, nfe, acting = (cell.text for cell in cells(finding))
        basis = {"Over": n, "Tasks": tasks, "K": nfe, "Acting": acting}
        low, high = claim.rule.bounds(unit)
        entries[finding.verdict].append(
            LedgerEntry(
                finding=finding,
                effect=effect_with_unit(finding) if shown else "",
                comparison=part.label if part and shown and len(finding.parts) > 1 else "",
                picture=interval_picture(estimate, (low, high), unit) if estimate and shown else None,
                picture_in_words=f"Effect {effect_with_unit(finding)}; counts: {claim.rule.in_words(unit)}."
                if shown
                else "",
                basis=tuple((name, text) for name, text in basis.items() if text != "–"),
                comparisons=tuple(comparisons(finding)) if len(finding.parts) > 1 else (),
                command=f"gtp claims --study {folder.as_posix()} --claim {claim.id}",
                elsewhere=verdict_elsewhere(others, finding),
            )
        )
    return entries


def effect_with_unit(finding: Finding) -> str:
    """The effect with its interval and unit, and the confidence where that is not 95 %."""
    unit = finding.claim.measure.unit
    assert finding.estimate is not None  # only of what was measured
    text = f"{effect_in_words(finding.estimate, unit)} {unit}"
    if finding.confidence is not None and finding.confidence > CONFIDENCE:
        return f"{text} ({100 * finding.confidence:.3g} %)"
    return text


def comparisons(finding: Finding) -> Iterable[tuple[str, str]]:
    """Label of each comparison, and its effect or why there is none."""
    unit = finding.claim.measure.unit
    for part in finding.parts:
        if isinstance(part, Part):
            yield part.label, f"{effect_in_words(part.effect(CONFIDENCE), unit)} {unit}"
        else:
            yield part.label, f"not compared: {part.reason}"


def verdict_elsewhere(best: Mapping[str, Mapping], finding: Finding) -> str:
    """The verdict of the reference that tests a claim best, if that is another one and can."""
    row = best.get(finding.claim.id)
    if row is None or row["study"] == finding.study or row["verdict"] == Verdict.UNTESTED.value:
        return ""
    effect = effect_in_words(Estimate(row["estimate"], row["low"], row["high"], 0), row["unit"])
    return f"{row['study']}: {row['verdict']} ({effect} {row['unit']})"


def interval_picture(effect: Estimate, bounds: Sequence[float], unit: str) -> IntervalPicture | None:
    """Where to draw an effect; None when it has no interval.

    `bounds` are the smallest and the largest effect that count (gtp.report.ledger.claims.Rule).
    """
    scale = np.log if unit == "times" else float
    if not all(map(np.isfinite, (effect.low, effect.high))) or (unit == "times" and effect.low <= 0.0):
        return None
    nothing = 1.0 if unit == "times" else 0.0
    ends = [bound for bound in bounds if np.isfinite(bound)]
    values = [scale(value) for value in (effect.low, effect.high, nothing, *ends)]
    start, length = min(values), (max(values) - min(values)) or 1.0

    def place(value: float) -> float:
        return round(float(WIDTH * (ROOM + (1 - 2 * ROOM) * (scale(value) - start) / length)), 1)

    return IntervalPicture(
        mean=place(effect.mean),
        low=place(effect.low),
        high=place(effect.high),
        counts=(
            place(bounds[0]) if np.isfinite(bounds[0]) else 0.0,
            place(bounds[1]) if np.isfinite(bounds[1]) else WIDTH,
        ),
        lines=tuple(place(end) for end in ends),
        nothing=place(nothing),
    )
