"""The ledger for print: a table of verdicts, and a row of claims.csv for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np
import pandas as pd

from gtp.acting import ActingRule
from gtp.report.ledger.claims import Finding, Verdict
from gtp.report.ledger.results import Results
from gtp.report.record import OracleRecord, StudyRecord
from gtp.report.statistics import CONFIDENCE, Estimate
from gtp.report.tables import Cell, Row, Table, signed
from gtp.schema import ClaimVerdict

CAPTION = (
    "Claims of the papers, and what {where} says of them. A claim holds when the whole interval of the effect"
    " counts by its rule, does not hold when nothing in it counts, and is undecided when it covers the rule's"
    " line. Rules come from the papers (workflow/claims.yaml). Where a claim makes several comparisons the"
    " effect is that on which the verdict turns, and the confidence stands in brackets, otherwise 95 %."
    " Intervals are Student's t over seeds, paired by task and seed where two methods are compared; of times"
    " over tasks, or over rounds of measurements. {protocol}"
)
OF_STUDY = ("Claim", "Verdict", "Effect", "Counts", "Why", "Id", "n", "Tasks", "K", "Acting")
OVER_STUDIES = (*OF_STUDY[:5], "Study", "Elsewhere", *OF_STUDY[5:])


def claims_table(findings: Sequence[Finding], results: Results) -> tuple[Table, pd.DataFrame]:
    """The verdicts of one study: the table, and its rows of claims.csv."""
    caption = CAPTION.format(where=f"the study {results.name}", protocol=protocol(results))
    rows = rows_by_paper(findings, cells)
    table = Table(OF_STUDY, rows, caption.strip(), "tab:claims", (5, 4), prose=True)
    return table, numbers(findings, {results.name: results})


def claims_over_studies(
    chosen: Sequence[Finding], everywhere: Sequence[Sequence[Finding]], results: Mapping[str, Results]
) -> tuple[Table, pd.DataFrame]:
    """Each claim with the study that tests it best, and in words what the others say.

    `everywhere` has the verdicts of every study, in the order of the claims.
    """
    others: dict[str, list[Finding]] = {finding.claim.id: [] for finding in chosen}
    for findings in everywhere:
        for finding in findings:
            others[finding.claim.id].append(finding)

    def row(finding: Finding) -> tuple[Cell, ...]:
        tested = finding.verdict is not Verdict.UNTESTED
        elsewhere = [
            f"{other.study}: {other.verdict}"
            for other in others[finding.claim.id]
            if other.study != finding.study and other.verdict is not Verdict.UNTESTED
        ]
        verdict, effect, counts, why, *rest = cells(finding)
        study = Cell(finding.study if tested else "–")
        return verdict, effect, counts, why, study, Cell(", ".join(elsewhere) or "–"), *rest

    caption = CAPTION.format(
        where="the reference that tests each best (most comparisons, then tasks, seeds, updates, episodes)",
        protocol="Budgets are in the tables of the studies.",
    )
    rows = rows_by_paper(chosen, row)
    table = Table(OVER_STUDIES, rows, caption, "tab:claims-reference", (7, 4), prose=True)
    return table, numbers(chosen, results)


def rows_by_paper(findings: Sequence[Finding], row: Callable[[Finding], tuple[Cell, ...]]) -> tuple[Row, ...]:
    """Rows in their order, a heading over those of each paper."""
    rows: list[Row] = []
    for paper, group in groupby(findings, lambda finding: finding.claim.paper):
        rows.append(Row(paper, rule=bool(rows)))
        rows += [Row(finding.claim.title, row(finding)) for finding in group]
    return tuple(rows)


def cells(finding: Finding) -> tuple[Cell, ...]:
    """Verdict, effect, rule, reason and the claim's name; then what the effect rests on."""
    claim, part, estimate = finding.claim, finding.deciding, finding.estimate
    effect = replicates = tasks = nfe = acting = "–"
    if part is not None and estimate is not None:
        effect = effect_text(finding)
        replicates = f"{estimate.n} {claim.measure.replicates}"
        tasks = ", ".join(part.tasks)
        nfe = " and ".join(map(str, part.nfe)) or "–"
        acting = " and ".join(acting_label(name) for name in part.acting) or "–"
    return (
        Cell(finding.verdict.value, bold=finding.decided),
        Cell(effect),
        Cell(claim.rule.in_words(claim.measure.unit)),
        Cell(finding.reason),
        Cell(claim.id),
        Cell(replicates),
        Cell(tasks),
        Cell(nfe),
        Cell(acting),
    )


def acting_label(name: str) -> str:
    """An acting rule in words; a way of acting of an online run is its own."""
    try:
        return ActingRule.parse(name).label
    except ValueError:
        return name


def effect_text(finding: Finding) -> str:
    """The effect with its interval and its comparison, and the confidence where that is not 95 %."""
    effect, unit = finding.estimate, finding.claim.measure.unit
    assert effect is not None
    assert finding.deciding is not None  # where there is an effect
    text = effect_in_words(effect, unit) + unusual(finding.confidence)
    return f"{text}, {finding.deciding.label}" if len(finding.parts) > 1 else text


def unusual(confidence: float | None) -> str:
    """What follows an interval of another confidence than 95 %, such as ` (99 %)`."""
    return f" ({100 * confidence:.3g} %)" if confidence is not None and confidence > CONFIDENCE else ""


def effect_in_words(effect: Estimate, unit: str) -> str:
    """An effect with its interval: times with two digits, others with one, differences with their sign."""
    digits = 2 if unit == "times" else 1
    sign = "+" if unit in ("points", "of return") and effect.mean > 0 else ""
    text = sign + signed(effect.mean, digits)
    if not np.isfinite(effect.low):
        return text
    return f"{text} [{signed(effect.low, digits)}, {signed(effect.high, digits)}]"


def protocol(results: Results) -> str:
    """The budget of a study in a sentence or two."""
    record = results.record
    if isinstance(record, OracleRecord):
        return f"Budget: {record.steps} updates, {len(record.seeds)} seeds, on mixtures with a known flow."
    if not isinstance(record, StudyRecord):
        return f"Budget: {record.steps} steps in the environment, {len(record.seeds)} seeds."
    budget = f"Budget: {record.steps} updates, {len(record.seeds)} seeds, {record.episodes} episodes of each."
    return f"{budget} {record.data_notice()}".strip()


def numbers(findings: Sequence[Finding], results: Mapping[str, Results]) -> pd.DataFrame:
    """The rows of claims.csv (gtp.schema.ClaimVerdict)."""
    frame = pd.DataFrame([asdict(verdict_row(finding, results[finding.study])) for finding in findings])
    whole = ["replicates", "comparisons", "compared", "updates"]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def verdict_row(finding: Finding, results: Results) -> ClaimVerdict:
    """A verdict as a row of claims.csv."""
    claim, part, estimate = finding.claim, finding.deciding, finding.estimate
    unit, record = claim.measure.unit, results.record
    known = estimate if estimate is not None and np.isfinite(estimate.low) else None
    return ClaimVerdict(
        study=finding.study,
        claim=claim.id,
        paper=claim.paper,
        title=claim.title,
        text=claim.claim,
        source=claim.source,
        measure=claim.measure.in_words(),
        rule=claim.rule.in_words(unit),
        why=claim.why,
        verdict=finding.verdict.value,
        reason=finding.reason,
        comparison=part.label if part else "",
        estimate=estimate.mean if estimate else None,
        low=known.low if known else None,
        high=known.high if known else None,
        confidence=finding.confidence if known else None,
        line=claim.rule.line(),
        unit=unit,
        replicates=estimate.n if estimate else None,
        replicate=claim.measure.replicates,
        comparisons=len(finding.parts),
        compared=len(finding.tested),
        tasks=" ".join(part.tasks) if part else "",
        left_out=" ".join(part.left_out) if part else "",
        nfe=" ".join(map(str, part.nfe)) if part else "",
        acting=" ".join(part.acting) if part else "",
        updates=record.steps if isinstance(record, StudyRecord) and part else None,
        studies=" ".join(claim.studies),
    )


def verdict_lines(findings: Sequence[Finding], *, tested: bool = False) -> list[str]:
    """The ledger as plain text: a line for each claim, and how many there are of each verdict.

    With `tested` claims that cannot be tested have no line, and are counted only.
    """
    lines: list[str] = []
    shown = [f for f in findings if f.verdict is not Verdict.UNTESTED or not tested]
    for paper, group in groupby(shown, lambda finding: finding.claim.paper):
        lines += ["", paper]
        for finding in group:
            told = finding.reason
            if finding.estimate is not None:
                counts = finding.claim.rule.in_words(finding.claim.measure.unit)
                told = f"{effect_text(finding)}; counts: {counts} ({finding.reason})"
            lines.append(f"  {finding.verdict.value:16}  {finding.claim.title} ({finding.claim.id}): {told}")
    totals = [f"{sum(f.verdict is verdict for f in findings)} {verdict.value}" for verdict in Verdict]
    return [*lines[1:], "", f"{len(findings)} claims: {', '.join(totals)}."]
