"""The table of a contest, and the page that records it."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from gtp.studies.provenance import describe_cpus
from tests.peers.contest import Result
from tests.peers.roster import SIZES, Peer


@dataclass(frozen=True)
class Row:
    """One method: what was measured, and how each side ran."""

    peer: Peer
    result: Result
    ours: str
    theirs: str


HEAD = """| method | ours, updates/s | theirs, updates/s | ours to theirs | smallest to largest |
|---|---|---|---|---|
"""


def line_of(*cells: str) -> str:
    """A line of a table, in Markdown."""
    return f"| {' | '.join(cells)} |\n"


def cells_of(result: Result) -> tuple[str, ...]:
    """What was measured: the medians of both sides, their ratio, and its range over the rounds."""
    (ours, theirs), (ratio, least, most) = result.medians, result.ratio
    return f"{ours:.1f}", f"{theirs:.1f}", f"{ratio:.2f}", f"{least:.2f} to {most:.2f}"


def table_of(rows: Sequence[Row]) -> str:
    """Medians of the rounds, in Markdown."""
    return HEAD + "".join(line_of(row.peer.title, *cells_of(row.result)) for row in rows)


def notes_of(rows: Sequence[Row]) -> str:
    """How each side ran and what differs, one item for each method."""
    return "".join(
        f"- {row.peer.title}: ours {row.ours}; theirs {row.theirs}. Not the same: {row.peer.differs}.\n"
        for row in rows
    )


def page_of(rows: Sequence[Row], *, command: str, threads: int, rounds: int, seconds: float) -> str:
    """The record of a contest: table, sizes, machine, versions, command and date."""
    numbers = SIZES | {"threads": threads}
    what = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in numbers.items())
    return f"""# Beside the authors' code

{table_of(rows)}
Medians of {rounds} rounds of about {seconds:g} s for each side in turn; a ratio is one within a round.
Both sides: {what}.
{describe_cpus()}, {datetime.date.today().isoformat()}.

    {command}

{notes_of(rows)}"""
