"""The card of an exported policy: what it is, what it was trained on, how well it acts, and its licence."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from gtp.config import TaskSpec


@dataclass(frozen=True, kw_only=True)
class Data:
    """The transitions that a policy was trained on."""

    dataset_id: str
    dataset_digest: str
    transitions: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """Normalised score of a run's policies by the exported K and rule, in percent for tasks with a goal."""

    mean: float
    """Over seeds, each the mean of its episodes."""
    low: float | None
    """95 % interval of the mean; None with one seed."""
    high: float | None
    interval: str
    """Of which kind it is."""
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    """Seeds among them that diverged, which count as 0."""
    episodes: int
    """Of each seed that did not."""
    of_this_seed: float

    @property
    def in_words(self) -> str:
        """The score in a line."""
        interval = "" if self.low is None else f" [{self.low:.1f}, {self.high:.1f}]"
        diverged = f"; diverged, and counted as 0: {', '.join(map(str, self.diverged))}" * bool(self.diverged)
        return (
            f"{self.mean:.1f}{interval}, {self.interval}, {self.episodes} episodes each; this seed"
            f" {self.of_this_seed:.1f}{diverged}"
        )


@dataclass(frozen=True, kw_only=True)
class PolicyCard:
    """All that is said of an exported policy. Shapes leave out the batch, the first axis of every tensor."""

    file: str
    sha256: str
    """Of the file."""
    licence: str
    label: str
    """Name under which the policy was trained."""
    algorithm: str
    seed: int
    step: int
    """Of training."""
    acting: str
    """Name of the acting rule (gtp.acting)."""
    nfe: int
    """Function evaluations K of a sample."""
    inputs: dict[str, tuple[int, ...]]
    """observation, in the environment's units, and standard normal noise."""
    outputs: dict[str, tuple[int, ...]]
    """action, in the environment's units."""
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    task: TaskSpec
    hyperparameters: dict[str, Any]
    hidden_size: int
    hidden_layers: int
    training: dict[str, Any] | None
    """The budget of the run, where its record is at hand."""
    data: Data | None
    score: Score | None
    versions: dict[str, str]
    """Of the packages that made the file."""

    def as_json(self) -> str:
        """The card for programs."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def as_text(self) -> str:
        """The card for people, in Markdown."""
        lines = [f"# {self.label} on {self.task.name}", ""]
        lines += [f"- **{key}**: {value}" for key, value in self._summary().items()]
        for title, entries in (
            ("Task", own_choices(self.task)),
            ("Hyperparameters", self.hyperparameters),
            ("Training", self.training or {}),
        ):
            if entries:
                lines += ["", f"## {title}", "", "| | |", "|---|---|"]
                lines += [f"| {key} | {value} |" for key, value in entries.items()]
        return "\n".join(lines) + "\n"

    def _summary(self) -> dict[str, str]:
        """What a reader asks first."""
        networks = f"hidden layers {self.hidden_layers}, width {self.hidden_size}"
        box = f"from {list(self.action_low)} to {list(self.action_high)}"
        return {
            "file": f"{self.file}, SHA-256 {self.sha256}",
            "method": f"{self.label} ({self.algorithm}), seed {self.seed}, after {self.step} updates",
            "networks": networks,
            "acts by": f"{self.acting}, K = {self.nfe}",
            "inputs": shapes_in_words(self.inputs),
            "outputs": f"{shapes_in_words(self.outputs)}, {box}",
            "environment": self.task.environment,
            "data": data_in_words(self.data),
            "score": self.score.in_words if self.score else "not measured",
            "licence": self.licence,
            "made with": ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        }


def own_choices(task: TaskSpec) -> dict[str, Any]:
    """The fields of a task that are not at their defaults."""
    values = {field.name: (getattr(task, field.name), field.default) for field in fields(task)}
    return {name: value for name, (value, default) in values.items() if value != default}


def data_in_words(data: Data | None) -> str:
    """The data in a line."""
    if data is None:
        return "not named"
    return f"{data.dataset_id}, {data.transitions} transitions, digest {data.dataset_digest}"


def shapes_in_words(shapes: dict[str, tuple[int, ...]]) -> str:
    """Names of tensors with their shapes, such as `observation (batch, 4), noise (batch, 1, 2)`."""
    return ", ".join(f"{name} ({', '.join(['batch', *map(str, shape)])})" for name, shape in shapes.items())
