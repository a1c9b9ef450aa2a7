"""Tasks: the entries of config/tasks.yaml, and where their datasets come from."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gtp.config import TaskSpec
from gtp.data.generate.recipes import RECIPES
from gtp.data.summaries.expectations import Expectations
from gtp.errors import UserError
from gtp.studies.reading import check_name, parse, place, read_mapping, suggest

Source = Literal["generate", "minari", "d4rl"]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A dataset made here with the simulator; its number of steps is the study's."""

    recipe: str
    """Name of a recipe (gtp.data.generate.recipes)."""
    options: tuple[tuple[str, Any], ...] = ()
    """Fields of the recipe, but for its steps."""

    def recipe_options(self, steps: int) -> dict[str, Any]:
        """Fields of the recipe for a dataset of `steps` steps."""
        return {"steps": steps, **dict(self.options)}


@dataclass(frozen=True, kw_only=True)
class FromMinari:
    """A dataset of the Minari collection, or several that are put together."""

    ids: tuple[str, ...]

    def __post_init__(self):
        for name in self.ids:
            if not re.fullmatch(r"[\w./-]+-v\d+", name):
                raise ValueError(f"a Minari id looks like D4RL/antmaze/umaze-v1, got '{name}'")
        if not self.ids:
            raise ValueError("ids must name a Minari dataset")


@dataclass(frozen=True, kw_only=True)
class FromD4RL:
    """One of the paper's own files, named as D4RL names it."""

    id: str
    file: str | None = None
    """Path or URL of the file; by default D4RL's own."""
    sha256: str | None = None
    """Checksum that the file must have."""

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+-v\d+", self.id):
            raise ValueError(f"a D4RL id looks like hopper-medium-v2, got '{self.id}'")


Dataset = Generated | FromMinari | FromD4RL
SOURCES: dict[str, type] = {"generate": Generated, "minari": FromMinari, "d4rl": FromD4RL}


@dataclass(frozen=True)
class Origin:
    """A task as one source of data has it: its environment and scores, and the dataset."""

    source: Source
    spec: TaskSpec
    dataset: Dataset
    expect: Expectations


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
        dataset = self.origins[source].dataset
        name = self.name.removeprefix(f"{self.suite}-")
        if isinstance(dataset, Generated):
            return f"generated/{self.suite}/{name}-{abbreviate(steps)}-v0"
        if isinstance(dataset, FromD4RL):
            return f"d4rl/{dataset.id}"
        return dataset.ids[0] if len(dataset.ids) == 1 else f"combined/{self.suite}/{name}-v0"


OF_SPEC = {field.name for field in fields(TaskSpec)} - {"name"}


@dataclass(frozen=True, kw_only=True)
class _TaskEntry:
    """An entry of tasks.yaml as it is written, but for the fields of TaskSpec that all its sources share."""

    suite: str
    label: str
    sources: dict[str, dict[str, Any]]


def load_tasks(path: Path) -> dict[str, Task]:
    """The tasks of a tasks file by name, in its order."""
    return {name: _load_task(name, entry, str(path)) for name, entry in read_mapping(path).items()}


def abbreviate(steps: int) -> str:
    """A count as it appears in file names: 100k, 1m, 2500."""
    for size, suffix in ((1_000_000, "m"), (1_000, "k")):
        if steps % size == 0:
            return f"{steps // size}{suffix}"
    return str(steps)


def _load_task(name: str, written: Any, file: str) -> Task:
    check_name(name, file)
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
                f"{place(file, (name, 'sources'))}: expected {' or '.join(SOURCES)}, got '{source}'"
                + suggest(source, SOURCES)
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
    if source == "generate":
        # A recipe records where the task is, and holds actions as long, unless it says otherwise.
        same = {key: spec[key] for key in ("maze", "action_repeat") if key in spec}
        made = _load_generated({**same, **dataset}, file, path)
    else:
        _refuse_unknown(dataset, {field.name for field in fields(SOURCES[source])} | {"expect"}, file, path)
        made = parse(SOURCES[source], dataset, file, path)
    return Origin(source, parse(TaskSpec, {"name": name, **spec}, file, path), made, expect)


def _refuse_unknown(values: Mapping[str, Any], known: set[str], file: str, path: tuple) -> None:
    """Raises UserError when a key is neither one of `known` nor a field of TaskSpec."""
    for key in values:
        if key not in known:
            raise UserError(
                f"{place(file, (*path, key))}: unknown key{suggest(key, sorted(known | OF_SPEC))}"
            )


def _load_generated(values: Mapping[str, Any], file: str, path: tuple) -> Generated:
    recipe = values.get("recipe")
    if recipe not in RECIPES:
        raise UserError(
            f"{place(file, (*path, 'recipe'))}: expected {' or '.join(RECIPES)}, got {recipe!r}"
            + suggest(recipe, RECIPES)
        )
    options = {key: value for key, value in values.items() if key != "recipe"}
    _refuse_unknown(options, {field.name for field in fields(RECIPES[recipe])}, file, path)
    if "steps" in options:
        raise UserError(f"{place(file, (*path, 'steps'))}: the study decides the steps; remove the key")
    checked = asdict(parse(RECIPES[recipe], options, file, path))
    return Generated(recipe=recipe, options=tuple((name, checked[name]) for name in options))
