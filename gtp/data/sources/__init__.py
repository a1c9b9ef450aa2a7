"""Where datasets come from: SOURCES is the only list of sources, and all others ask it.

Nothing here needs Minari, HDF5 or a simulator, so that plans and captions may ask. The work is done by the
module gtp.data.sources.<name>, which `implementation` imports when it is wanted:

- `fetch(dataset, dataset_id, root, command=...)` installs a dataset with its card, for all that is not
  recorded here (`gtp dataset fetch <name>`);
- `KINDS`, where the source has a `kind_key`.
"""

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

COMBINED = "combined/"
"""Begins the ids of Minari's datasets that were put together."""
COLLECTION = ("D4RL/", "atari/", "mujoco/")
"""Begin the ids of the datasets on Farama's hub (minari.farama.org, "Datasets")."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One dataset of a source, as its entry below `sources` of a task in config/tasks.yaml describes it."""

    name: ClassVar[str]
    """In configuration, on the command line and on cards."""
    in_print: ClassVar[str]
    """In captions."""
    prefix: ClassVar[str]
    """With which the ids of its datasets begin; the longest that fits an id tells its source."""
    recorded_here: ClassVar[bool] = False
    """Whether the data are recorded with a simulator here, so that reference returns can be measured too."""
    used_by_paper: ClassVar[bool] = False
    """Whether these are the paper's own data; captions warn of others."""
    takes_id: ClassVar[bool] = False
    """Whether the command line names the dataset; otherwise the entry alone decides its id."""
    inherited: ClassVar[tuple[str, ...]] = ()
    """Fields of the task that are the entry's too unless it says otherwise."""
    kind_key: ClassVar[str | None] = None
    """Field that chooses one of the dataclasses in KINDS, whose fields then stand beside it: `options`."""

    @property
    def own_id(self) -> str | None:
        """Minari id of the dataset, where the entry alone decides it."""
        return None

    @property
    def planar(self) -> bool | None:
        """Whether actions have two dimensions; None where that is known from the data alone."""
        return None

    def dataset_id(self, suite: str, name: str, steps: int) -> str:
        """Minari id of the dataset of the task `name` of a suite, in a study of `steps` steps."""
        return self.own_id or f"{self.prefix}{suite}/{name}-v0"

    def files_used(self, steps: int) -> list[Path]:
        """Files of this repository, other than its source, that the data are made from."""
        return []

    def command(self, dataset_id: str, root: str, steps: int) -> tuple[list[str], dict[str, Any]]:
        """What follows `gtp dataset` to make the dataset below the Minari root: words, then flags by name."""
        place = {"root": root} | ({"dataset_id": dataset_id} if self.takes_id else {})
        return ["fetch", self.name], place | asdict(self)

    @classmethod
    def obtainable(cls, dataset_id: str) -> bool:
        """Whether a dataset can be had again; others may exist on this machine alone."""
        return True

    @classmethod
    def remedy(cls, dataset_id: str, root: Path) -> str:
        """How to come by a dataset that is not there, for error messages."""
        if not cls.obtainable(dataset_id):
            return f"record it or put your copy at {Path(root) / dataset_id} (docs/data.md)"
        own = f" --dataset_id {dataset_id}" if cls.takes_id else ""
        return f"make it with `python -m gtp dataset fetch {cls.name}{own} --root {root} ...`"


@dataclass(frozen=True, kw_only=True)
class Generated(Source):
    """A dataset made here with the simulator; its number of steps is the study's."""

    name: ClassVar[str] = "generate"
    in_print: ClassVar[str] = "Generated"
    prefix: ClassVar[str] = "generated/"
    recorded_here: ClassVar[bool] = True
    # A recipe records where the task is, and holds actions as long.
    inherited: ClassVar[tuple[str, ...]] = ("maze", "action_repeat")
    kind_key: ClassVar[str | None] = "recipe"

    recipe: str
    """Name of a recipe (gtp.data.generate.recipes)."""
    options: tuple[tuple[str, Any], ...] = ()
    """Fields of the recipe, but for its steps."""

    @property
    def planar(self) -> bool:
        return self._kind().planar

    def recipe_options(self, steps: int) -> dict[str, Any]:
        """Fields of the recipe for a dataset of `steps` steps."""
        return {"steps": steps, **dict(self.options)}

    def dataset_id(self, suite: str, name: str, steps: int) -> str:
        return f"{self.prefix}{suite}/{name}-{abbreviate(steps)}-v0"

    def files_used(self, steps: int) -> list[Path]:
        return self._kind()(**self.recipe_options(steps)).behaviour_files

    def command(self, dataset_id: str, root: str, steps: int) -> tuple[list[str], dict[str, Any]]:
        flags = {"id": dataset_id, "root": root} | self.recipe_options(steps)
        return ["generate", self.recipe], flags

    @classmethod
    def remedy(cls, dataset_id: str, root: Path) -> str:
        return f"make it with `python -m gtp dataset generate <recipe> --id {dataset_id} --root {root} ...`"

    def _kind(self) -> type[Any]:
        return implementation(self.name).KINDS[self.recipe]


@dataclass(frozen=True, kw_only=True)
class FromMinari(Source):
    """A dataset of the Minari collection, your own copy or a download; or several that are put together."""

    name: ClassVar[str] = "minari"
    in_print: ClassVar[str] = "Minari"
    prefix: ClassVar[str] = ""  # Minari's namespaces are anything
    takes_id: ClassVar[bool] = True

    ids: tuple[str, ...]
    """Minari ids; several are put together."""

    def __post_init__(self):
        for name in self.ids:
            # Each part begins with a letter or digit: an id is a path, and none leads out of its root.
            if not re.fullmatch(r"([A-Za-z0-9][\w.-]*/)*[A-Za-z0-9][\w.-]*-v\d+", name, re.ASCII):
                raise ValueError(f"a Minari id looks like D4RL/antmaze/umaze-v1, got '{name}'")
        if not self.ids:
            raise ValueError("ids must name a Minari dataset")

    @property
    def own_id(self) -> str | None:
        return self.ids[0] if len(self.ids) == 1 else None

    def dataset_id(self, suite: str, name: str, steps: int) -> str:
        return self.own_id or f"{COMBINED}{suite}/{name}-v0"

    @classmethod
    def obtainable(cls, dataset_id: str) -> bool:
        # Another hub than Farama's may hold any id.
        return dataset_id.startswith((COMBINED, *COLLECTION)) or "MINARI_REMOTE" in os.environ

    @classmethod
    def remedy(cls, dataset_id: str, root: Path) -> str:
        if dataset_id.startswith(COMBINED) or not cls.obtainable(dataset_id):
            return super().remedy(dataset_id, root)
        return f"download it with `MINARI_DATASETS_PATH={root} minari download {dataset_id}`"


@dataclass(frozen=True, kw_only=True)
class FromD4RL(Source):
    """One of D4RL's own HDF5 files, the paper's data: converted, and downloaded unless it is there."""

    name: ClassVar[str] = "d4rl"
    in_print: ClassVar[str] = "D4RL"
    prefix: ClassVar[str] = "d4rl/"
    used_by_paper: ClassVar[bool] = True
    inherited: ClassVar[tuple[str, ...]] = ("clip_actions",)

    id: str
    """D4RL's name of the dataset, such as hopper-medium-v2; the Minari id is d4rl/<id>."""
    file: str | None = None
    """Path or URL of the file; by default D4RL's folder is searched, then D4RL's server asked."""
    sha256: str | None = None
    """Checksum that the file must have."""
    clip_actions: bool = False
    """Clip recorded actions outside [-1, 1] to it; otherwise such a file is refused."""

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+-v\d+", self.id, re.ASCII):
            raise ValueError(f"a D4RL id looks like hopper-medium-v2, got '{self.id}'")

    @property
    def own_id(self) -> str:
        return f"{self.prefix}{self.id}"

    @classmethod
    def remedy(cls, dataset_id: str, root: Path) -> str:
        name = dataset_id.removeprefix(cls.prefix)
        return f"convert it with `python -m gtp dataset fetch d4rl --id {name} --root {root}`"


SOURCES: Mapping[str, type[Source]] = {source.name: source for source in (Generated, FromMinari, FromD4RL)}


def implementation(name: str) -> ModuleType:
    """The module that does a source's work."""
    return importlib.import_module(f"{__name__}.{name}")


def source_of(dataset_id: str) -> type[Source]:
    """The source whose prefix fits an id best."""
    fitting = [source for source in SOURCES.values() if dataset_id.startswith(source.prefix)]
    return max(fitting, key=lambda source: len(source.prefix))


def how_to_get(dataset_id: str, root: Path) -> str:
    """The command that makes or downloads a dataset, for error messages."""
    return source_of(dataset_id).remedy(dataset_id, root)


def how_to_replace(dataset_id: str, folder: Path, root: Path) -> str:
    """What to do about data in `folder` that cannot be used, for error messages: nothing that loses them."""
    if not source_of(dataset_id).obtainable(dataset_id):
        return "it may exist here alone: keep it, and use a backup or record it again under another id"
    return f"move {folder} away and {how_to_get(dataset_id, root)}"


def expand_home(path: str | Path) -> Path:
    """A path with the home folder for ~; as it is where there is none (no HOME and no passwd entry)."""
    return Path(os.path.expanduser(path))


def abbreviate(steps: int) -> str:
    """A count as it appears in file names: 100k, 1m, 2500."""
    for size, suffix in ((1_000_000, "m"), (1_000, "k")):
        if steps % size == 0:
            return f"{steps // size}{suffix}"
    return str(steps)
