"""Tidy results on disk: the CSVs of results/<study>/ and study.json, read and checked.

Figures and tables are functions of these files alone, so what is wrong with them is said here, in one line
that names the file and the column.
"""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtp.data.sources import SOURCES
from gtp.errors import UserError, shorten
from gtp.files import read_json
from gtp.plain import T, build
from gtp.report.record import MethodRecord, StudyRecord, TaskRecord
from gtp.schema import OPTIONAL, OPTIONAL_WHOLE, TABLES, TEXT, WHOLE

REMEDY = "delete it and run snakemake again"


def read_study(path: Path) -> StudyRecord:
    """The content of a study.json. Raises UserError naming the file and the key that is missing."""
    known = pick(StudyRecord, read_object(path), path)
    for name in ("tasks", "methods", "seeds", "nfe", "acting"):
        if not (isinstance(known[name], list) and known[name]):
            raise UserError(f"{path}: the key '{name}' is not a list with something in it; {REMEDY}")
    for name, kind in (("tasks", TaskRecord), ("methods", MethodRecord)):
        known[name] = [pick(kind, entry, path, f"{name}[{i}].") for i, entry in enumerate(known[name])]
    study = built(StudyRecord, known, path)
    _check_sources(study, path)
    return study


def read_object(path: Path) -> Any:
    """The content of a JSON file. Raises UserError when it cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({_reason(error)}); {REMEDY}") from error


def built(kind: type[T], values: dict[str, Any], path: Path) -> T:
    """A dataclass of what `pick` found. Raises UserError naming the file and the field that is wrong."""
    try:
        return build(kind, values)
    except ValueError as error:
        raise UserError(f"{path}: {error}; {REMEDY}") from error


def _check_sources(study: StudyRecord, path: Path) -> None:
    """Every task has a source that is known, and those of a suite, which tables average over, have one."""
    for suite, tasks in study.suites().items():
        for task in tasks:
            if task.source not in SOURCES:
                raise UserError(
                    f"{path}: the source of {task.name} is '{task.source}', expected one of"
                    f" {', '.join(SOURCES)}; {REMEDY}"
                )
            if task.source != tasks[0].source:
                raise UserError(
                    f"{path}: {tasks[0].name} and {task.name} share the suite {suite} but not the source of"
                    f" their data, {tasks[0].source} and {task.source}; give each source a suite of its own"
                )


def read_results(path: Path | str, kind: str) -> pd.DataFrame:
    """The table `kind` (a key of gtp.schema.TABLES) from a CSV, with its columns, numbers as float64.

    Empty optional numbers are NaN; further columns are left out. Raises: UserError, one line, when the file
    is missing or empty, lacks a column or the end of its last line, or holds something else than a finite
    number, or a whole one, where that belongs.
    """
    try:
        # Text first, so that a garbled number is reported as it stands instead of turning a column to text.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise UserError(f"{path} cannot be read ({_reason(error)}); {REMEDY}") from error
    columns = TABLES[kind].columns
    if duplicate := [column for column in frame if column.endswith(".1")]:  # pandas' name of a second one
        raise UserError(f"{path} has the column '{duplicate[0].removesuffix('.1')}' twice; {REMEDY}")
    missing = [column for column in columns if column not in frame]
    if missing:
        raise UserError(f"{path} lacks the column '{missing[0]}'; {REMEDY}")
    if frame.empty:
        raise UserError(f"{path} has no rows; {REMEDY}")
    table = pd.DataFrame(
        {column: _checked(frame[column], content, path) for column, content in columns.items()}
    )
    if not _ends_with_a_line(path):
        raise UserError(f"{path} is truncated: its last line has no end; {REMEDY}")
    return table


def _ends_with_a_line(path: Path | str) -> bool:
    """Whether the last line of a file is whole; so counts one that is empty or cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 1))
            return file.read(1) in (b"\n", b"")
    except OSError:
        return True


def _checked(column: pd.Series, content: str, path: Path | str) -> pd.Series:
    """A column of text as what it should contain."""
    if content == TEXT:
        values, wrong = column, column.isna()  # a line that ends too early
    else:
        values = pd.to_numeric(column, errors="coerce").astype(np.float64)
        wrong = ~np.isfinite(values)
    if content in (WHOLE, OPTIONAL_WHOLE):
        wrong |= values != values.round()
    if content in (OPTIONAL, OPTIONAL_WHOLE):
        wrong &= column != ""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}, line {row + 2}: {shorten(column.iloc[row])} in the column '{column.name}'"
            f" is not {content}; {REMEDY}"
        )
    return values


def pick(kind: type, data: Any, path: Path, where: str = "") -> dict[str, Any]:
    """The fields of a dataclass from a JSON object; others are left, and fields with a default may lack."""
    data = data if isinstance(data, dict) else {}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    names = [f.name for f in fields(kind) if f.name in needed or f.name in data]
    missing = [name for name in names if name not in data]
    if missing:
        raise UserError(f"{path} lacks the key '{where}{missing[0]}'; {REMEDY}")
    return {name: data[name] for name in names}


def _reason(error: Exception) -> str:
    """One line about why a file could not be read."""
    return getattr(error, "strerror", None) or shorten(str(error).partition("\n")[0], 200)[1:-1]
