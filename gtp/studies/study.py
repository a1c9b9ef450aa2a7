"""Study: one file of config/ with its methods, tasks, seeds and budget."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from gtp.acting import ActingRule
from gtp.config import Execution, TrainConfig, check_name
from gtp.data.sources import SOURCES


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How trained policies are scored."""

    episodes: int
    """Episodes per seed and number of function evaluations, with the last policy."""
    nfe: tuple[int, ...]
    """Numbers of function evaluations per action; methods that cannot choose have one."""
    nfe_by_method: dict[str, tuple[int, ...]]
    """Method -> the numbers that replace `nfe` for it."""
    acting: tuple[str, ...]
    """Acting rules (gtp.acting), of which every method is scored by those that it can follow. The first is
    that of learning curves and of all that shows one rule alone."""
    headline_nfe: int
    """The one that tables and learning curves report."""
    curve_episodes: int
    """Episodes per seed for each policy kept during training."""
    rollout_episodes: int
    """Episodes per seed whose paths are recorded for the figure."""

    def __post_init__(self):
        for name in ("episodes", "curve_episodes", "rollout_episodes"):
            _at_least(1, name, getattr(self, name))
        if self.rollout_episodes > self.episodes:
            raise ValueError(
                f"rollout_episodes must not exceed episodes, got {self.rollout_episodes} and {self.episodes}"
            )
        _check_list("nfe", self.nfe, least=1)
        if self.headline_nfe not in self.nfe:
            raise ValueError(f"headline_nfe must be one of nfe, got {self.headline_nfe} and {list(self.nfe)}")
        for method, nfe in self.nfe_by_method.items():
            _check_list(f"nfe_by_method.{method}", nfe, least=1)
            if self.headline_nfe not in nfe:
                raise ValueError(f"nfe_by_method.{method} must contain headline_nfe, {self.headline_nfe}")
        _check_list("acting", self.acting)
        for name in self.acting:
            rule = ActingRule.parse(name)
            if rule.name != name:
                raise ValueError(f"acting: write '{rule.name}' instead of '{name}'")
        if ActingRule.parse(self.acting[0]) != ActingRule.parse("sample"):
            raise ValueError(
                f"acting must begin with sample, which all methods can follow, got {self.acting[0]}"
            )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the cost table measures."""

    nfe: tuple[int, ...]
    """Numbers of function evaluations per action whose time is measured; all that are scored, and more."""
    batch_sizes: tuple[int, ...]
    """Observations per call when the time of an action is measured."""

    def __post_init__(self):
        _check_list("nfe", self.nfe, least=1)
        _check_list("batch_sizes", self.batch_sizes, least=1)


@dataclass(frozen=True, kw_only=True)
class Trajectories:
    """The picture of learned trajectories."""

    task: str
    methods: tuple[str, ...]
    samples: int
    nfe: int

    def __post_init__(self):
        _check_list("methods", self.methods)
        _at_least(1, "samples", self.samples)
        _at_least(1, "nfe", self.nfe)


@dataclass(frozen=True, kw_only=True)
class Study:
    """One file of config/: which methods on which tasks, and the budget."""

    study: str
    """Name; results go to results/<study>, figures to figures/<study>, tables to paper_tables/<study>."""
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    seeds_per_job: Literal["all"] | int
    """Seeds that one training job trains together."""
    source: Literal[tuple(SOURCES)]
    """Where the data come from, for tasks that have a choice."""
    dataset_steps: int
    """Steps of each generated dataset."""
    train: TrainConfig
    train_by_suite: dict[str, dict[str, Any]]
    """Suite -> fields of `train` that differ there."""
    evaluation: Evaluation
    execution: Execution
    cost: Cost
    trajectories: Trajectories

    def __post_init__(self):
        check_name("study", self.study)
        if self.study in ("reference", "online", "oracle"):
            raise ValueError(f"study must be another name than {self.study}, where other results are")
        _check_list("tasks", self.tasks)
        _check_list("methods", self.methods)
        _check_list("seeds", self.seeds, least=0)
        if max(self.seeds) >= 2**31:
            raise ValueError(f"seeds must be below 2^31, got {max(self.seeds)}")
        if self.seeds_per_job != "all":
            _at_least(1, "seeds_per_job", self.seeds_per_job)
        _at_least(1, "dataset_steps", self.dataset_steps)
        if missing := set(self.evaluation.nfe) - set(self.cost.nfe):
            raise ValueError(f"cost.nfe must contain all of evaluation.nfe, and lacks {min(missing)}")

    def train_config(self, suite: str) -> TrainConfig:
        """The budget on the tasks of one suite."""
        return TrainConfig(**{**asdict(self.train), **self.train_by_suite.get(suite, {})})

    def seed_chunks(self) -> dict[str, tuple[int, ...]]:
        """Name of a training job's folder -> its seeds, such as {"seeds_0-2": (0, 1, 2)}."""
        size = len(self.seeds) if self.seeds_per_job == "all" else self.seeds_per_job
        chunks = [self.seeds[start : start + size] for start in range(0, len(self.seeds), size)]
        return {_chunk_name(chunk): chunk for chunk in chunks}


def _chunk_name(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 1 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"seeds_{seeds[0]}-{seeds[-1]}"
    return "seeds_" + "_".join(map(str, seeds))


def _at_least(least: int, name: str, value: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _check_list(name: str, values: tuple, least: int | None = None) -> None:
    if not values:
        raise ValueError(f"{name} must not be empty")
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{name} contains {value} twice")
        if least is not None:
            _at_least(least, name, value)
