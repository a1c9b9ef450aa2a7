"""The claims of papers, workflow/claims.yaml, checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtp.errors import UserError, suggest
from gtp.report.ledger.claims import Claim, Rule
from gtp.report.ledger.measures import MEASURES
from gtp.studies.reading import check_entry, parse, place, read_mapping


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What an entry of the file may contain; gtp.report.ledger.claims.Claim explains it."""

    paper: str
    title: str
    claim: str
    source: str
    why: str
    measure: dict[str, dict[str, Any]]
    rule: Rule
    studies: tuple[str, ...] = ()


def load_claims(path: Path) -> dict[str, Claim]:
    """The claims of a file by id, in their order. Raises UserError, one line, about what is wrong in it."""
    claims = {}
    for name, data in read_mapping(path).items():
        check_entry(name, str(path))
        entry = parse(Entry, data, str(path), (name,))
        where = place(str(path), (name, "measure"))
        if len(entry.measure) != 1:
            raise UserError(f"{where}: name one measure, got {len(entry.measure)}")
        (kind, options), *_ = entry.measure.items()
        if kind not in MEASURES:
            raise UserError(f"{where}: unknown measure '{kind}'; {suggest(kind, MEASURES)}")
        measure = parse(MEASURES[kind], options, str(path), (name, "measure", kind))
        fields = {key: value for key, value in vars(entry).items() if key != "measure"}
        claims[name] = Claim(id=name, measure=measure, **fields)
    return claims
