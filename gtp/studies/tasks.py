"""Tasks: the entries of config/tasks.yaml, and where their datasets come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gtp.config import TaskSpec, check_name
from gtp.data.sources import SOURCES, Source, implementation
from gtp.data.summaries.expectations import Expectations
from gtp.errors import UserError, suggest
from gtp.studies.reading import GUIDE, check_entry, parse, place, read_mapping


@dataclass(frozen=True)
class Origin:
    """A task as one source of data has it: its environment and scores, and the dataset."""

    spec: TaskSpec
    dataset: Source
    expect: Expectations

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.dataset.name


@dataclass(frozen=True)
class Task:
    """One entry of tasks.yaml."""

    name: str
    suite: str
    """Family of tasks; tables group by it and studies may train longer on one."""
    label: str
    """Name in figures and tables."""
    origins: Mapping[str, Origin]
    """By source."""

    def dataset_id(self, source: str, steps: int) -> str:
        """Minari id of the task's dataset; a generated one has `steps` steps."""
        name = self.name.removeprefix(f"{self.suite}-")
        return self.origins[source].dataset.dataset_id(self.suite, name, steps)


OF_SPEC = {field.name for field in fields(TaskSpec)} - {"name"}


@dataclass(frozen=True, kw_only=True)
class _TaskEntry:
    """An entry of tasks.yaml as it is written, but for the fields of TaskSpec that all its sources share."""

    suite: str
    label: str
    sources: dict[str, dict[str, Any]]

    def __post_init__(self):
        check_name("suite", self.suite)


def load_tasks(path: Path) -> dict[str, Task]:
    """The tasks of a tasks file by name, in its order."""
    return {name: _load_task(name, entry, str(path)) for name, entry in read_mapping(path).items()}


def _load_task(name: str, written: Any, file: str) -> Task:
    check_entry(name, file)
    shared, rest = _separate(written) if isinstance(written, dict) else ({}, written)
    if isinstance(rest, dict):
        _refuse_unknown(rest, {field.name for field in fields(_TaskEntry)}, file, (name,))
    entry = parse(_TaskEntry, rest, file, (name,))
    if not entry.sources:
        raise UserError(f"{place(file, (name, 'sources'))}: name at least one of {', '.join(SOURCES)}")
    origins = {}
    for source, values in entry.sources.items():
        if source not in SOURCES:
            raise UserError(
                f"{place(file, (name, 'sources'))}: unknown source '{source}'; {suggest(source, SOURCES)}"
            )
        origins[source] = _load_origin(name, source, {**shared, **values}, file)
    return Task(name, entry.suite, entry.label, origins)


def _separate(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of TaskSpec among some keys, and the others."""
    spec = {key: value for key, value in values.items() if key in OF_SPEC}
    return spec, {key: value for key, value in values.items() if key not in OF_SPEC}


def _load_origin(name: str, source: str, values: Mapping[str, Any], file: str) -> Origin:
    """One source of a task: the fields of its TaskSpec stand beside those of its dataset."""
    path = (name, "sources", source)
    spec, dataset = _separate(values)
    expect = parse(Expectations, dataset.pop("expect", {}), file, (*path, "expect"))
    kind = SOURCES[source]
    dataset = {key: spec[key] for key in kind.inherited if key in spec} | dataset
    load = _load_dataset if kind.kind_key is None else _load_kind
    made = load(kind, dataset, file, path)
    return Origin(parse(TaskSpec, {"name": name, **spec}, file, path), made, expect)


def _load_dataset(source: type[Source], values: Mapping[str, Any], file: str, path: tuple) -> Source:
    """A dataset whose fields stand in the entry."""
    _refuse_unknown(values, {field.name for field in fields(source)} | {"expect"}, file, path)
    return parse(source, values, file, path)


def _load_kind(source: type[Source], values: Mapping[str, Any], file: str, path: tuple) -> Source:
    """A dataset of one of its source's kinds, whose fields stand in the entry beside the kind's name."""
    key, kinds = source.kind_key, implementation(source.name).KINDS
    assert key is not None  # else _load_dataset reads it
    name = values.get(key, "")
    if name not in kinds:
        problem = f": unknown {key} {name!r}" if key in values else " is missing"
        raise UserError(f"{place(file, (*path, key))}{problem}; {suggest(name, kinds)}")
    options = {field: value for field, value in values.items() if field != key}
    _refuse_unknown(options, {field.name for field in fields(kinds[name])}, file, path)
    if "steps" in options:
        raise UserError(f"{place(file, (*path, 'steps'))}: the study decides the steps; remove the key")
    checked = asdict(parse(kinds[name], options, file, path))
    return source(**{key: name, "options": tuple((field, checked[field]) for field in options)})


def _refuse_unknown(values: Mapping[str, Any], known: set[str], file: str, path: tuple) -> None:
    """Raises UserError when a key is neither one of `known` nor a field of TaskSpec."""
    for key in values:
        if key not in known:
            advice = suggest(key, sorted(known | OF_SPEC), GUIDE)
            raise UserError(f"{place(file, (*path, key))}: unknown key; {advice}")
