"""What a verdict rests on, as text: the claim, every comparison, and the rows of the tables behind each."""

from itertools import pairwise

import numpy as np
import pandas as pd

from gtp.config import DIVERGED_SCORE
from gtp.report.ledger.claims import Finding
from gtp.report.ledger.measure import Evidence, Part
from gtp.report.ledger.printed import effect_in_words, effect_text
from gtp.report.ledger.results import Results
from gtp.report.statistics import CONFIDENCE


def evidence_lines(finding: Finding, results: Results) -> list[str]:
    """The claim with its rule and verdict, then each comparison with the rows of the tables that it averages.

    Lines are counted as editors do: the header of a CSV is line 1.
    """
    claim, unit = finding.claim, finding.claim.measure.unit
    lines = [
        f"{claim.title} ({claim.id}), {claim.paper}",
        f"  claim     {claim.claim.strip()}",
        f"  source    {claim.source}",
        f"  measure   {claim.measure.in_words()}",
        f"  counts    {claim.rule.in_words(unit)}: {claim.why}",
        f"  verdict   {finding.verdict.value}: {finding.reason}",
    ]
    if finding.estimate is not None:
        lines.append(f"  effect    {effect_text(finding)}")
    for part in finding.parts:
        lines.append("")
        if not isinstance(part, Part):
            lines.append(f"{part.label}: not compared, {part.reason}")
            continue
        effect = effect_in_words(part.effect(CONFIDENCE), unit)
        lines.append(f"{part.label}: {effect} {unit}, 95 %")
        if part.left_out:
            lines.append(f"  left out, where nothing was learned: {', '.join(part.left_out)}")
        tables = dict.fromkeys(evidence.table for evidence in part.evidence)
        for table in tables:
            frame = pd.concat([averages(e, results) for e in part.evidence if e.table == table])
            text = frame.to_string(index=False, float_format=lambda x: f"{x:.6g}", na_rep="")
            lines += [f"  {results.files[table]}", *(f"    {line}" for line in text.splitlines())]
    return lines


def averages(evidence: Evidence, results: Results) -> pd.DataFrame:
    """Rows of evidence averaged by seed, where there are seeds, with their number and their lines."""
    rows = evidence.rows(results)
    values = rows[evidence.value]
    if "status" in rows and evidence.value == "normalized_score":
        values = values.where(~rows["status"].str.startswith("diverged"), DIVERGED_SCORE)
    if "seed" not in rows:
        about = [
            column
            for column in ("task", "method", "quantity", "nfe", "acting", "repetition")
            if column in rows
        ]
        frame = rows[about].assign(value=values, lines=rows["line"].astype(str))
        return frame.loc[:, ~frame.isin([np.nan, ""]).all()]
    rows = rows.assign(value=values)
    about = [*(column for column, value in evidence.where.items() if not isinstance(value, tuple)), "seed"]
    groups = rows.groupby(about, sort=False, dropna=False)
    found = groups.agg(value=("value", "mean"), rows=("value", "size"), lines=("line", spans)).reset_index()
    return found.astype({column: "Int64" for column in ("seed", "nfe", "step") if column in found})


def spans(numbers: pd.Series) -> str:
    """Whole numbers in order as spans, such as 2-21, 40."""
    ordered = sorted(map(int, numbers))
    breaks = [place + 1 for place, (one, other) in enumerate(pairwise(ordered)) if other > one + 1]
    parts = [ordered[start:end] for start, end in pairwise([0, *breaks, len(ordered)])]
    return ", ".join(f"{part[0]}" if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
