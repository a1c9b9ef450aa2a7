"""The ledger on the page: claims with their verdicts, effects as pictures, and commands that trace them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.report.ledger.claims import Finding, Verdict
from gtp.report.ledger.evidence import averages
from gtp.report.ledger.measure import Part
from gtp.report.ledger.printed import cells, effect_in_words, unusual
from gtp.report.ledger.results import Results
from gtp.report.statistics import CONFIDENCE, Estimate
from gtp.report.tables import signed

WIDTH = 240.0
"""Of an interval's picture, in its own units."""
ROOM = 0.08
"""Share of the width that stays free at either end."""
NEAR_TOP = 90.0
"""Points from which on a score leaves little room above it."""


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
class Elsewhere:
    """What the committed reference says that tests a claim best."""

    study: str
    verdict: Verdict
    effect: str
    """With its interval and unit, the confidence where that is not 95 %, and the comparison that it is of."""
    basis: str
    """What it rests on: tasks, how many the interval is over, and updates."""


@dataclass(frozen=True)
class Glance:
    """A claim in one line: what the study says of it, or else the reference that tests it best."""

    title: str
    claim: str
    paper: str
    verdict: Verdict
    effect: str
    study: str


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
    ceiling: str
    """A sentence on tasks where all that is compared scores so high that little can differ; empty if none."""
    basis: tuple[tuple[str, str], ...]
    """What the effect rests on: name -> text."""
    comparisons: tuple[tuple[str, str], ...]
    """Each comparison of a claim that makes several, and what came out."""
    command: str
    """What prints the rows that the verdict rests on."""
    elsewhere: Elsewhere | None
    """Where this study cannot test the claim and a committed reference can."""


def ledger_entries(
    findings: Iterable[Finding], results: Results, folder: Path, best: pd.DataFrame | None
) -> dict[Verdict, list[LedgerEntry]]:
    """Entries by verdict, in the order of the claims.

    `folder` has the results tables, such as results/quick; `best` are the rows of the table of claims over
    all references, None where that is not wanted.
    """
    others = {} if best is None else {row["claim"]: row for row in best.to_dict("records")}
    entries: dict[Verdict, list[LedgerEntry]] = {verdict: [] for verdict in Verdict}
    references = Path("results/reference")
    for finding in findings:
        elsewhere = verdict_elsewhere(others, finding)
        tester = references / elsewhere.study if elsewhere else folder
        claim, unit = finding.claim, finding.claim.measure.unit
        part, estimate = finding.deciding, finding.estimate
        shown = part is not None and estimate is not None
        *_, n, tasks, nfe, acting = (cell.text for cell in cells(finding))
        scores = task_scores(part, results) if part else {}
        by_task = "; ".join(f"{task} {' and '.join(map(signed, both))}" for task, both in scores.items())
        basis = {"Over": n, "Tasks": tasks, "Scores": by_task or "–", "K": nfe, "Acting": acting}
        if elsewhere:
            basis["Tested by"] = f"the reference {elsewhere.study}: {elsewhere.basis}"
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
                ceiling=ceiling_notice(scores),
                basis=tuple((name, text) for name, text in basis.items() if text != "–"),
                comparisons=tuple(comparisons(finding)) if len(finding.parts) > 1 else (),
                command=f"gtp claims --study {tester.as_posix()} --claim {claim.id}",
                elsewhere=elsewhere,
            )
        )
    return entries


def at_a_glance(entries: Mapping[Verdict, Sequence[LedgerEntry]], study: str) -> list[Glance]:
    """A line for each claim that the study or another reference tests: by verdict, the study's own first."""
    lines = []
    about: tuple[Verdict, str, str]
    for verdict, own in entries.items():
        for entry in own:
            claim, other = entry.finding.claim, entry.elsewhere
            if verdict is not Verdict.UNTESTED:
                about = (verdict, ", ".join(filter(None, [entry.effect, entry.comparison])), study)
            elif other is not None:
                about = (other.verdict, other.effect, other.study)
            else:
                continue
            lines.append(Glance(claim.title, claim.id, claim.paper, *about))
    return sorted(lines, key=lambda line: list(Verdict).index(line.verdict))


def task_scores(part: Part, results: Results) -> dict[str, list[float]]:
    """Label of each task -> the mean scores that a comparison holds against each other there."""
    scores: dict[str, list[float]] = {}
    for evidence in part.evidence:
        if evidence.value == "normalized_score" and isinstance(task := evidence.where.get("task"), str):
            mean = averages(evidence, results)["value"].mean()
            scores.setdefault(results.study.task_label(task), []).append(float(mean))
    return {task: values for task, values in scores.items() if len(values) > 1}


def ceiling_notice(scores: Mapping[str, Sequence[float]]) -> str:
    """A sentence on the tasks where all scores are near 100."""
    high = [task for task, values in scores.items() if min(values) >= NEAR_TOP]
    if not high:
        return ""
    return f"Little room for a difference on {' and '.join(high)}, where both score above {NEAR_TOP:g}."


def effect_with_unit(finding: Finding) -> str:
    """The effect with its interval and unit, and the confidence where that is not 95 %."""
    unit = finding.claim.measure.unit
    assert finding.estimate is not None  # only of what was measured
    return f"{effect_in_words(finding.estimate, unit)} {unit}{unusual(finding.confidence)}"


def comparisons(finding: Finding) -> Iterable[tuple[str, str]]:
    """Label of each comparison, and its effect or why there is none."""
    unit = finding.claim.measure.unit
    for part in finding.parts:
        if isinstance(part, Part):
            yield part.label, f"{effect_in_words(part.effect(CONFIDENCE), unit)} {unit}"
        else:
            yield part.label, f"not compared: {part.reason}"


def verdict_elsewhere(best: Mapping[str, Mapping], finding: Finding) -> Elsewhere | None:
    """What the reference says that tests a claim best, where the study cannot and it can."""
    row = best.get(finding.claim.id)
    if row is None or finding.verdict is not Verdict.UNTESTED or row["verdict"] == Verdict.UNTESTED.value:
        return None
    estimate, unit = Estimate(row["estimate"], row["low"], row["high"], 0), row["unit"]
    effect = f"{effect_in_words(estimate, unit)} {unit}{unusual(row['confidence'])}"
    if row["comparisons"] > 1:
        effect += f", {row['comparison']}"
    over = f"{row['replicates']:.0f} {row['replicate']}"
    updates = f"{row['updates']:,.0f} updates" if row["updates"] > 0 else ""
    basis = "; ".join(filter(None, [row["tasks"].replace(" ", ", "), over, updates]))
    return Elsewhere(row["study"], Verdict(row["verdict"]), effect, basis)


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
