"""Tidy results on disk: the CSVs of results/<study>/ and study.json, read and checked.

Figures and tables are functions of these files alone, so what is wrong with them is said here, in one line
that names the file and the column.
"""

import json
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtp.acting import ActingRule
from gtp.data.sources import SOURCES
from gtp.errors import UserError

TEXT, NUMBER, OPTIONAL = "text", "a number", "a number or nothing"
ADDED = "a number or nothing, in a column that older files lack"
REMEDY = "delete it and run snakemake again"
D4RL_REFERENCES = {(-280.178953, 12135.0), (-20.272305, 3234.3), (1.629008, 4592.3)}
"""Returns that score 0 and 100 on D4RL's halfcheetah, hopper and walker2d. Source: d4rl/infos.py of D4RL."""

EPISODES = {
    "suite": TEXT,
    "task": TEXT,
    "method": TEXT,
    "seed": NUMBER,
    "nfe": NUMBER,
    "acting": TEXT,
    "episode": NUMBER,
    "return": OPTIONAL,
    "normalized_score": OPTIONAL,
    "success": OPTIONAL,
    "length": OPTIONAL,
    "status": TEXT,
}
COLUMNS: dict[str, dict[str, str]] = {
    "scores": EPISODES,
    "curves": {**EPISODES, "step": NUMBER},
    "cost": {
        "task": TEXT,
        "method": TEXT,
        "device": TEXT,
        "quantity": TEXT,
        "nfe": OPTIONAL,
        "acting": TEXT,
        "batch_size": OPTIONAL,
        "repetition": ADDED,
        "value": OPTIONAL,
    },
    "flow_map": {
        "task": TEXT,
        "method": TEXT,
        "state": NUMBER,
        "sample": NUMBER,
        "kind": TEXT,
        "t": NUMBER,
        "a0": NUMBER,
        "a1": NUMBER,
    },
    "rollouts": {
        "task": TEXT,
        "method": TEXT,
        "seed": NUMBER,
        "episode": NUMBER,
        "step": NUMBER,
        "x": NUMBER,
        "y": NUMBER,
        "success": NUMBER,
    },
    "episodes": {"task": TEXT, "return": NUMBER, "length": NUMBER},
    "coverage": {"task": TEXT, "x": NUMBER, "y": NUMBER, "count": NUMBER},
    "mazes": {"task": TEXT, "row": NUMBER, "col": NUMBER, "x": NUMBER, "y": NUMBER, "kind": TEXT},
}
"""What figures and tables use of each file; further columns are welcome."""


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One task of a study, as study.json tells it."""

    name: str
    suite: str
    label: str
    source: str
    """Where its dataset comes from (gtp.data.sources)."""
    environment: str
    """Gymnasium's id; returns in one environment have one scale."""
    reference_min: float
    """Return of an episode, raw rewards, that scores 0."""
    reference_max: float
    """The one that scores 100."""
    maze: str | None
    """Name of its maze; None for a task that has none."""

    @property
    def scored_by(self) -> str:
        """What its normalised scores mean, in the words of a caption."""
        if self.maze:
            return "the percentage of episodes that reach the goal"
        references = (self.reference_min, self.reference_max)
        if references == (0.0, 1.0):  # TaskSpec's defaults
            return "100 times the raw return, for want of reference returns"
        if SOURCES[self.source].recorded_here:
            return "0 at a random policy's return and 100 at the shipped expert's, both measured here"
        if references in D4RL_REFERENCES:
            return "0 and 100 at the reference returns that D4RL publishes"
        return "0 and 100 at the reference returns that config/tasks.yaml states"


@dataclass(frozen=True, kw_only=True)
class MethodRecord:
    """One method of a study, as study.json tells it."""

    name: str
    label: str
    algorithm: str
    group: str
    ablation_of: str | None
    generative: bool
    """Whether it can be sampled at several numbers of function evaluations."""
    nfe: tuple[int, ...]
    """Those at which it is scored."""
    acting: tuple[str, ...]
    """The acting rules by which it is scored, the first being that of figures and tables with one rule."""
    order: int
    """Its place in the methods file, ablations counted apart; decides how figures draw it."""
    trial_of: str | None = None
    """The method whose tuning it is a trial of; it has that method's place."""
    settings: str | None = None
    """What a trial changes, in words."""


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What figures and tables need to know of a study beside its numbers; lists are in drawing order."""

    study: str
    tasks: tuple[TaskRecord, ...]
    methods: tuple[MethodRecord, ...]
    seeds: tuple[int, ...]
    steps: int
    episodes: int
    """Evaluation episodes of each policy in scores.csv."""
    nfe: tuple[int, ...]
    headline_nfe: int
    acting: tuple[str, ...]
    """The study's acting rules; a method has those of them that it can follow (gtp.acting)."""

    def headline(self, method: MethodRecord) -> int:
        """The number of function evaluations at which tables and curves report a method."""
        return self.headline_nfe if method.generative else 1

    def evaluated_nfe(self, method: MethodRecord) -> tuple[int, ...]:
        """Every number of function evaluations at which a method is scored."""
        return method.nfe

    def acting_notice(self) -> str:
        """A sentence on how policies act in what shows one rule alone: the first of each method."""
        first, *others = dict.fromkeys([self.acting[0], *(method.acting[0] for method in self.methods)])
        exceptions = ""
        for name in others:
            methods = ", ".join(method.label for method in self.methods if method.acting[0] == name)
            exceptions += f" ({ActingRule.parse(name).label}: {methods})"
        return f"Acting: {ActingRule.parse(first).label}{exceptions}."

    def suites(self) -> dict[str, list[TaskRecord]]:
        """Suite -> its tasks."""
        suites: dict[str, list[TaskRecord]] = {}
        for task in self.tasks:
            suites.setdefault(task.suite, []).append(task)
        return suites

    def pools(self) -> dict[str, tuple[TaskRecord, ...]]:
        """Tasks whose scores may be put together: all under the name "", or each suite's under its own.

        Scores on data of several sources have no common average, so such a study is pooled by suite.
        """
        if self.one_source:
            return {"": self.tasks}
        return {suite: tuple(tasks) for suite, tasks in self.suites().items()}

    def only(self, tasks: Iterable[TaskRecord]) -> "StudyRecord":
        """The study with some of its tasks, for figures that show those alone."""
        return replace(self, tasks=tuple(tasks))

    def method(self, name: str) -> MethodRecord | None:
        """The method of this name, None when the study has none."""
        return next((method for method in self.methods if method.name == name), None)

    @property
    def one_source(self) -> bool:
        """Whether all tasks have data of one source: scores on others are not averaged with them."""
        return len({task.source for task in self.tasks}) == 1

    def data_notice(self) -> str:
        """A sentence for each source of data other than D4RL; it names suites where others differ."""
        suites = {suite: tasks[0].source for suite, tasks in self.suites().items()}
        sentences = []
        others = [name for name in SOURCES if name in suites.values() and not SOURCES[name].used_by_paper]
        for source in others:
            named = [suite for suite, other in suites.items() if other == source]
            where = "" if self.one_source else f": {', '.join(named)}"
            sentences.append(f"{SOURCES[source].in_print} data, not D4RL{where}.")
        return " ".join(sentences)

    def score_notice(self) -> str:
        """A sentence on what scores mean, by suite where that differs."""
        meanings: dict[str, dict[str, None]] = {}
        for task in self.tasks:
            meanings.setdefault(task.scored_by, {})[task.suite] = None
        if len(meanings) == 1:
            return f"Scores are {next(iter(meanings))}."
        parts = [f"{', '.join(suites)}: {meaning}" for meaning, suites in meanings.items()]
        return f"Scores by suite, {'; '.join(parts)}."

    def task_label(self, name: str) -> str:
        """What a task is called in print; its name when the study does not know it."""
        return next((task.label for task in self.tasks if task.name == name), name)

    def method_label(self, name: str) -> str:
        """What a method is called in print; its name when the study does not know it."""
        method = self.method(name)
        return method.label if method else name


def read_study(path: Path) -> StudyRecord:
    """The content of a study.json. Raises UserError naming the file and the key that is missing."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({_reason(error)}); {REMEDY}") from error
    known = _pick(StudyRecord, data, path, "")
    for name in ("tasks", "methods", "seeds", "nfe", "acting"):
        if not (isinstance(known[name], list) and known[name]):
            raise UserError(f"{path}: the key '{name}' is not a list with something in it; {REMEDY}")
    known["tasks"] = tuple(
        TaskRecord(**_pick(TaskRecord, task, path, f"tasks[{i}].")) for i, task in enumerate(known["tasks"])
    )
    methods = [_pick(MethodRecord, m, path, f"methods[{i}].") for i, m in enumerate(known["methods"])]
    known["methods"] = tuple(MethodRecord(**_with_tuples(method)) for method in methods)
    study = StudyRecord(**_with_tuples(known))
    _check_sources(study, path)
    return study


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


def read_results(path: Path, kind: str) -> pd.DataFrame:
    """The table `kind` (a key of COLUMNS) from a CSV, with the columns listed there, numbers as float64.

    Empty optional numbers are NaN, and so is all of a column that was added later. Raises: UserError, one
    line, when the file is missing or empty, lacks a column, or holds something else than a finite number
    where a number belongs.
    """
    try:
        # Text first, so that a garbled number is reported as it stands instead of turning a column to text.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise UserError(f"{path} cannot be read ({_reason(error)}); {REMEDY}") from error
    columns = COLUMNS[kind]
    missing = [column for column in columns if column not in frame and columns[column] != ADDED]
    if missing:
        raise UserError(f"{path} lacks the column '{missing[0]}'; {REMEDY}")
    if frame.empty:
        raise UserError(f"{path} has no rows; {REMEDY}")
    frame = frame.reindex(columns=list(columns), fill_value="")
    return pd.DataFrame(
        {column: _checked(frame[column], content, path) for column, content in columns.items()}
    )


def _checked(column: pd.Series, content: str, path: Path) -> pd.Series:
    """A column of text as what it should contain."""
    if content == TEXT:
        values, wrong = column, column.isna()  # a line that ends too early
    else:
        values = pd.to_numeric(column, errors="coerce").astype(np.float64)
        wrong = ~np.isfinite(values)
    if content in (OPTIONAL, ADDED):
        wrong &= column != ""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}, line {row + 2}: '{column.iloc[row]}' in the column '{column.name}'"
            f" is not {content}; {REMEDY}"
        )
    return values


def _pick(kind: type, data: Any, path: Path, where: str) -> dict[str, Any]:
    """The fields of a dataclass from a JSON object; others are left, and fields with a default may lack."""
    data = data if isinstance(data, dict) else {}
    names = [field.name for field in fields(kind) if field.default is MISSING or field.name in data]
    missing = [name for name in names if name not in data]
    if missing:
        raise UserError(f"{path} lacks the key '{where}{missing[0]}'; {REMEDY}")
    return {name: data[name] for name in names}


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields from JSON, whose lists are tuples again."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _reason(error: Exception) -> str:
    """One line about why a file could not be read."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
