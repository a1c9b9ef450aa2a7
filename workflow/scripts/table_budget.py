"""Table: what the ledger would say of a study after a tenth, a fifth, a half and all of its updates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gtp.errors import UserError, ending_in_one_line
from gtp.report.ledger.claims import Claim, Finding, judge
from gtp.report.ledger.earlier import ended_earlier
from gtp.report.ledger.printed import effect_text, numbers
from gtp.report.ledger.results import Results, read_folder
from gtp.report.ledger.scores import ScoreDifference
from gtp.report.tables import Cell, Row, Table, write_table
from gtp.studies.claims import load_claims

SHARES = (0.1, 0.2, 0.5, 1.0)
CAPTION = (
    "Verdicts on differences of scores, had training ended earlier: of the policies kept after each share of"
    " the updates, by {episodes} episodes of each of {seeds} seeds at K = {nfe}. Effect with its interval,"
    " and the verdict by the rule of workflow/claims.yaml; where several methods are compared, the comparison"
    " on which it turns. {data}"
)


def budget_table(claims: Mapping[str, Claim], results: Results) -> tuple[Table, pd.DataFrame]:
    """The table, rows claims by tasks and columns shares of the updates, and a row of numbers for each cell.

    Raises: UserError when the study can test none of the claims that compare scores.
    """
    kept = ended_earlier(results)
    places = sorted({max(1, round(len(kept) * share)) for share in SHARES})
    shown = [kept[place - 1] for place in places]
    over_tasks = list(by_tasks(shown))  # once: each has seeds' scores that all claims share
    rows, found = [], []
    for claim in claims.values():
        if not isinstance(claim.measure, ScoreDifference) or judge(claim, shown[-1]).deciding is None:
            continue
        rows.append(Row(claim.title, rule=bool(rows)))
        for label, scopes in over_tasks:
            findings = [judge(claim, scope) for scope in scopes]
            rows.append(Row(label, tuple(map(cell, findings))))
            found += [
                numbers([each], {each.study: scope}) for each, scope in zip(findings, scopes, strict=True)
            ]
    if not rows:
        raise UserError(f"{results.files['curves']} can test no claim on scores: compare GTP with its rivals")
    study = shown[-1].study
    caption = CAPTION.format(
        episodes=study.episodes, seeds=len(study.seeds), nfe=study.headline_nfe, data=study.data_notice()
    )
    headings = ("Tasks", *(f"{place / len(kept):.0%} of the updates".replace("%", " %") for place in places))
    table = Table(headings, tuple(rows), caption.strip(), "tab:budget", prose=True)
    return table, pd.concat(found, ignore_index=True)


def by_tasks(shown: Sequence[Results]) -> Iterator[tuple[str, list[Results]]]:
    """Results over all tasks, and then of each, with what the row is called."""
    tasks = shown[0].study.tasks
    if len(tasks) > 1:
        yield "all", list(shown)
    for task in tasks:
        yield task.label, [replace(results, record=results.study.only([task])) for results in shown]


def cell(finding: Finding) -> Cell:
    """Effect and verdict of a claim, emphasised where it is decided."""
    if finding.deciding is None:
        return Cell(finding.reason)
    return Cell(f"{effect_text(finding)}: {finding.verdict}", bold=finding.decided)


if __name__ == "__main__":
    with ending_in_one_line():
        results = read_folder(Path(snakemake.input.study).parent, [Path(snakemake.input.curves).stem])
        table, rows = budget_table(load_claims(Path(snakemake.input.claims)), results)
        output = snakemake.output
        write_table(table, rows, md=output.md, tex=output.tex, csv=output.csv)
