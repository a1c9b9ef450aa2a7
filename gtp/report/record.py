"""What figures and tables know of a study beside its numbers: study.json, or record.json online."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gtp.acting import ActingRule
from gtp.config import check_name
from gtp.data.sources import SOURCES
from gtp.errors import shorten

D4RL_REFERENCES = {(-280.178953, 12135.0), (-20.272305, 3234.3), (1.629008, 4592.3)}
"""Returns that score 0 and 100 on D4RL's halfcheetah, hopper and walker2d. Source: d4rl/infos.py of D4RL."""


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

    def __post_init__(self):
        for name in ("name", "suite"):
            check_name(name, getattr(self, name))
        if not self.reference_min < self.reference_max:
            raise ValueError(f"{self.name}: reference_min does not lie below reference_max")

    @property
    def is_goal_reaching(self) -> bool:
        """Whether its score is the share of episodes that reach a goal, in percent, so within [0, 100]."""
        return self.maze is not None

    @property
    def scored_by(self) -> str:
        """What its normalised scores mean, in the words of a caption."""
        if self.is_goal_reaching:
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
    size_of: str | None = None
    """The method of which it is another size."""

    def __post_init__(self):
        check_name("name", self.name)
        if not self.nfe or min(self.nfe) < 1 or not self.acting:
            raise ValueError(f"{self.name}: nfe and acting must name what it is scored by")
        for rule in self.acting:
            ActingRule.parse(rule)


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

    def __post_init__(self):
        check_name("study", self.study)
        for what in (self.tasks, self.methods):
            names = [entry.name for entry in what]
            if len(set(names)) < len(names):
                raise ValueError(f"a name stands twice in {shorten(names)}")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise ValueError(f"seeds are {shorten(self.seeds)}")
        if self.steps < 1 or self.episodes < 1 or min(self.nfe, default=0) < 1:
            raise ValueError("steps, episodes and nfe must be at least 1")
        if self.headline_nfe not in self.nfe:
            raise ValueError(f"headline_nfe is {self.headline_nfe}, which is not among nfe")
        for rule in self.acting:
            ActingRule.parse(rule)

    def sizes(self) -> dict[str, list[MethodRecord]]:
        """Method -> itself and its other sizes, where there are three sizes or more."""
        families: dict[str, list[MethodRecord]] = {}
        for method in self.methods:
            families.setdefault(method.size_of or method.name, []).append(method)
        return {name: members for name, members in families.items() if len(members) >= 3}

    @property
    def tunes(self) -> bool:
        """Whether it tunes methods: then its methods are trials, and of them only scores are wanted."""
        return any(method.trial_of for method in self.methods)

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


@dataclass(frozen=True, kw_only=True)
class MappedMethod:
    """A method whose solution map is compared with the exact one."""

    name: str
    label: str
    order: int
    """Its place in the methods file, ablations counted apart; decides how figures draw it."""
    ablation: bool


@dataclass(frozen=True, kw_only=True)
class OracleRecord:
    """What figures and tables of known answers need to know beside the numbers."""

    mixtures: Mapping[str, str]
    """Name -> what it is called in print."""
    methods: tuple[MappedMethod, ...]
    seeds: tuple[int, ...]
    nfe: tuple[int, ...]
    steps: int
    """Gradient updates."""
    samples: int
    """Draws behind each gap of Theorem 1."""


@dataclass(frozen=True, kw_only=True)
class OnlineRecord:
    """What figures and tables of an online study need to know beside the numbers."""

    environments: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    episodes: int
    """Episodes of an evaluation."""
    labels: Mapping[str, str]
    """Method -> its name in print, in the order of the study."""
