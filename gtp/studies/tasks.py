"""Tasks: the entries of config/tasks.yaml, and where their datasets come from."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gtp.config import TaskSpec
from gtp.errors import UserError
from gtp.studies.reading import check_name, parse, place, read_mapping, suggest


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A dataset made here with the simulator; its number of steps is the study's."""

    source: Literal["generate"]
    recipe: Literal["waypoint"]
    maze: str
    """Name of the maze map."""
    goal_cells: tuple[tuple[int, int], ...] = ()
    """Cells (row, col) that the controller's goals are drawn from; none stands for every free cell."""
    action_repeat: int = 1
    """Simulator steps for which the controller holds each action; the task's own must be the same."""
    horizon: int = 600
    """Actions after which an episode of the dataset is truncated."""
    action_noise: float = 0.5
    """Standard deviation of the noise on the controller's actions."""
    noise_correlation: float = 0.0
    """Correlation of the noise of successive actions."""
    seed: int = 0

    def recipe_options(self, steps: int) -> dict[str, Any]:
        """Fields of gtp.data.waypoint.WaypointRecipe for a dataset of `steps` steps."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v for k, v in named.items() if k not in ("source", "recipe")} | {"steps": steps}

    def dataset_id(self, steps: int) -> str:
        return f"generated/pointmaze/{self.maze}-{abbreviate(steps)}-v0"


@dataclass(frozen=True, kw_only=True)
class FromMinari:
    """A dataset of the Minari collection."""

    source: Literal["minari"]
    id: str

    def __post_init__(self):
        if not re.fullmatch(r"[\w./-]+-v\d+", self.id):
            raise ValueError(f"a Minari id looks like D4RL/antmaze/umaze-v1, got '{self.id}'")

    def dataset_id(self, steps: int) -> str:
        return self.id


@dataclass(frozen=True, kw_only=True)
class FromD4RL:
    """One of the paper's own files, named as D4RL names it."""

    source: Literal["d4rl"]
    id: str

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+-v\d+", self.id):
            raise ValueError(f"a D4RL id looks like hopper-medium-v2, got '{self.id}'")

    def dataset_id(self, steps: int) -> str:
        return f"d4rl/{self.id}"


Dataset = Generated | FromMinari | FromD4RL
SOURCES: dict[str, type] = {"generate": Generated, "minari": FromMinari, "d4rl": FromD4RL}


@dataclass(frozen=True)
class Task:
    """One entry of tasks.yaml."""

    spec: TaskSpec
    suite: str
    """Family of tasks; tables group by it and studies may train longer on one."""
    label: str
    """Name in figures and tables."""
    dataset: Dataset


@dataclass(frozen=True, kw_only=True)
class _TaskEntry(TaskSpec):
    """An entry of tasks.yaml as it is written: the fields of TaskSpec beside the others."""

    suite: str
    label: str
    dataset: dict[str, Any]


def load_tasks(path: Path) -> dict[str, Task]:
    """The tasks of a tasks file by name, in its order."""
    return {name: _load_task(name, entry, str(path)) for name, entry in read_mapping(path).items()}


def abbreviate(steps: int) -> str:
    """A count as it appears in file names: 100k, 1m, 2500."""
    for size, suffix in ((1_000_000, "m"), (1_000, "k")):
        if steps % size == 0:
            return f"{steps // size}{suffix}"
    return str(steps)


def _load_task(name: str, entry: Any, file: str) -> Task:
    check_name(name, file)
    written = {"name": name, **entry} if isinstance(entry, dict) else entry
    task = parse(_TaskEntry, written, file, (name,))
    source = task.dataset.get("source")
    if source not in SOURCES:
        raise UserError(
            f"{place(file, (name, 'dataset', 'source'))}: expected {' or '.join(SOURCES)}, got {source!r}"
            + suggest(source, SOURCES)
        )
    return Task(
        spec=TaskSpec(**{key.name: getattr(task, key.name) for key in fields(TaskSpec)}),
        suite=task.suite,
        label=task.label,
        dataset=parse(SOURCES[source], task.dataset, file, (name, "dataset")),
    )
