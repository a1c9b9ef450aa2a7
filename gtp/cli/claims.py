"""The verbs that read a finished study: `gtp claims` and `gtp compare`."""

from pathlib import Path

from gtp.errors import UserError, suggest


def claims(study: Path = Path("results/quick"), claim: str | None = None, ledger: Path | None = None) -> None:
    """Print what a study says of the papers' claims or, of one claim, every row that its verdict rests on.

    Args:
        study: Folder of a finished study's tables, results/quick or results/reference/rivals say.
        claim: One claim, by the name that the list has in brackets.
        ledger: The claims, workflow/claims.yaml by default.
    """
    from gtp.report.ledger.claims import judge, judge_all
    from gtp.report.ledger.evidence import evidence_lines
    from gtp.report.ledger.printed import verdict_lines
    from gtp.report.ledger.results import read_folder
    from gtp.report.registry import CLAIMS
    from gtp.studies.claims import load_claims

    known = load_claims(ledger or Path(CLAIMS))
    if claim is not None and claim not in known:
        raise UserError(f"there is no claim {claim!r}; {suggest(claim, known, 'gtp claims')}")
    results = read_folder(study)
    if claim is None:
        lines = verdict_lines(judge_all(known, results))
    else:
        lines = evidence_lines(judge(known[claim], results), results)
    print("\n".join(lines))


def compare(study: Path = Path("results/quick"), reference: Path | None = None) -> None:
    """Print how a finished study stands to its committed reference, table by table and cell by cell.

    Args:
        study: Folder of a finished study's tables.
        reference: Folder of the other; results/reference/<study> by default.
    """
    from gtp.report.comparison import compare as compare_studies
    from gtp.report.comparison import comparison_lines

    other = reference or Path("results/reference") / study.name
    print("\n".join(comparison_lines(compare_studies(study, other))))


VERBS = {"claims": claims, "compare": compare}
