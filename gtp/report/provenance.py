"""Where the tables of a study come from: the content of provenance.json."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gtp.files import sha256_of, write_text
from gtp.report.results import built, pick, read_object


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a study's tables, as provenance.json tells it."""

    study: str
    commit: str | None
    """Of the code; None where there was no git to ask."""
    date: str
    minutes: float | None
    """Wall-clock minutes of all calls of snakemake for the study; None where nothing recorded them."""
    machine: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)
    configuration: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each configuration file, by its path."""
    datasets: dict[str, dict[str, str]] = field(default_factory=dict)
    """SHA-256 of the files of each dataset, by its Minari id and their paths."""
    tables: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each results table, by its name."""

    def changed_tables(self, folder: Path) -> list[str]:
        """Names of tables in `folder` that are missing or no longer what was recorded."""
        return [
            name
            for name, digest in self.tables.items()
            if not (folder / name).exists() or sha256_of(folder / name) != digest
        ]


ELSEWHERE = "elsewhere"
"""Folder of a reference with the records of other machines that made the same study, one in each file."""


def repeated_elsewhere(study: Path, reference: Path, tables: Collection[str]) -> Provenance | None:
    """The record, beside a reference, of another machine that made these tables of a study as they are.

    None where there is none. Raises UserError when a record cannot be read.
    """
    for path in sorted((reference / ELSEWHERE).glob("*.json")):
        record = read_provenance(path)
        if set(tables) <= set(record.tables) - set(record.changed_tables(study)):
            return record
    return None


def read_provenance(path: Path) -> Provenance:
    """The content of a provenance.json. Raises UserError naming the file and what is wrong with it."""
    return built(Provenance, pick(Provenance, read_object(path), path), path)


def write_provenance(path: Path, record: Provenance) -> None:
    """Write what `read_provenance` reads."""
    write_text(path, json.dumps(asdict(record), indent=2) + "\n")
