"""The study of methods that train online: config/online.yaml, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution, TrainConfig
from gtp.errors import UserError, suggest
from gtp.online.settings import ModelBasedConfig, OnlineConfig
from gtp.report.record import OnlineRecord
from gtp.studies.reading import check_entry, parse, read_mapping

KINDS = {"mbdpo": (MBDPO, ModelBasedConfig), "sac": (OnlineConfig,)}
"""Method of `gtp online` -> the dataclasses whose fields are its flags."""


@dataclass(frozen=True, kw_only=True)
class OfflineFirst:
    """Training offline, before the run, on the episodes that another method's run of the same seed made."""

    data_of: str
    updates: int
    train: dict[str, Any] = field(default_factory=dict)
    """Further fields of the budget (gtp.config.TrainConfig): the discount, for one."""
    keep_data: bool = False
    """Whether those episodes stay in the replay."""

    def __post_init__(self):
        if self.updates < 1:
            raise ValueError(f"updates must be at least 1, got {self.updates}")
        if unknown := set(self.train) - {f.name for f in fields(TrainConfig)}:
            raise ValueError(f"train: unknown key {min(unknown)}")


@dataclass(frozen=True, kw_only=True)
class OnlineMethod:
    """One entry of `methods`."""

    algorithm: Literal[tuple(KINDS)]
    label: str
    set: dict[str, Any] = field(default_factory=dict)
    """Flags of `gtp online <algorithm>` that differ from their defaults."""
    offline_first: OfflineFirst | None = None
    """Training before the run; None for a run from scratch."""


@dataclass(frozen=True, kw_only=True)
class OnlineStudy:
    """Which methods in which environments, and the budget that all share."""

    environments: tuple[str, ...]
    """Gymnasium ids."""
    seeds: tuple[int, ...]
    steps: int
    """Steps in the environment, of every run."""
    evaluate_every: int
    evaluation_episodes: int
    execution: Execution
    """Of methods with a world model; SAC runs on the CPU, with as many threads."""
    methods: dict[str, OnlineMethod]
    """Name -> method; the first is the one whose prior figures show beside its search."""

    def __post_init__(self):
        for name in ("environments", "seeds", "methods"):
            values = list(getattr(self, name))
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} contains an entry twice")
        if min(self.seeds) < 0:
            raise ValueError(f"seeds must not be negative, got {min(self.seeds)}")

    @property
    def record(self) -> OnlineRecord:
        """What figures and tables need to know beside the numbers."""
        return OnlineRecord(
            environments=self.environments,
            seeds=self.seeds,
            steps=self.steps,
            episodes=self.evaluation_episodes,
            labels={name: method.label for name, method in self.methods.items()},
        )

    @property
    def sources(self) -> set[str]:
        """The methods whose episodes others train on before they begin."""
        return {method.offline_first.data_of for method in self.methods.values() if method.offline_first}

    def options(self, method: str, environment: str) -> dict[str, Any]:
        """Flags of a method's run, but for its seed and its files."""
        shared = {name: getattr(self, name) for name in ("steps", "evaluate_every", "evaluation_episodes")}
        kept = {"save_data": True} if method in self.sources else {}
        return {"environment": environment, "label": method, **shared, **self.methods[method].set, **kept}

    def offline_options(self, method: str) -> dict[str, Any]:
        """Flags of `gtp train` for the training before a method's run: what of its own settings it has."""
        own = self.methods[method]
        settings = {k: v for k, v in own.set.items() if k in {f.name for f in fields(MBDPO)}}
        first = own.offline_first
        assert first is not None  # else there is no such training
        budget = {"steps": first.updates, **first.train}
        if "batch_size" in own.set:
            budget["batch_size"] = own.set["batch_size"]
        return settings | {f"train.{name}": value for name, value in budget.items()}


def load_online(path: Path) -> OnlineStudy:
    """The study in a file. Raises UserError, one line, about the first thing that is wrong."""
    file = str(path)
    study = parse(OnlineStudy, read_mapping(path), file)
    from gtp.envs.make import check_exists

    for environment in study.environments:
        try:
            check_exists(environment)
        except UserError as error:
            raise UserError(f"{file}: environments: {error}") from error
    for name, method in study.methods.items():
        check_entry(name, file)
        _check_settings(study, name, file)
        before = method.offline_first
        if before and (method.algorithm != "mbdpo" or study.methods.get(before.data_of, method) is method):
            raise UserError(
                f"{file}: methods.{name}.offline_first: it takes a method of mbdpo and, as data_of, another"
                f" method of the study; {suggest(before.data_of, study.methods)}"
            )
        if before and study.methods[before.data_of].algorithm != "mbdpo":
            raise UserError(f"{file}: methods.{name}.offline_first.data_of: only mbdpo leaves its episodes")
    return study


def _check_settings(study: OnlineStudy, name: str, file: str) -> None:
    """Raises UserError when a method has a flag that there is none of, or a value that it refuses."""
    method = study.methods[name]
    kinds = KINDS[method.algorithm]
    known = {f.name for kind in kinds for f in fields(kind)}
    for key in method.set:
        if key not in known:
            raise UserError(f"{file}: methods.{name}.set.{key}: unknown key; {suggest(key, known)}")
    given = {k: v for k, v in study.options(name, study.environments[0]).items() if k in known}
    for kind in kinds:
        own = {f.name for f in fields(kind)}
        parse(kind, {k: v for k, v in given.items() if k in own}, file, ("methods", name, "set"))


def execution_flags(study: OnlineStudy, method: str) -> Mapping[str, Any]:
    """Where a method's run happens, as flags of `gtp online`."""
    if study.methods[method].algorithm == "sac":
        return {"threads": study.execution.threads}
    return {f"execution.{name}": value for name, value in asdict(study.execution).items()}
