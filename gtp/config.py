"""Settings of a run: dataclasses that the command line, the studies and the files share.

`TaskSpec` and `TrainConfig` change the numbers of a run; `Execution` says where it happens and how fast.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

NAME = re.compile(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*")
NAME_LENGTH = 100
"""Characters of the longest name; file systems have 255 for a name with its ending."""
MixtureName = Literal["corners", "off_centre", "wide"]
"""The Gaussian mixtures of gtp.evaluation.oracle."""
MatmulPrecision = Literal["float32", "tf32", "bfloat16"]
"""Precision of the factors of a matrix product; its sums are taken in float32."""
DIVERGED_SCORE = 0.0
"""Normalised score of a seed whose training diverged: that of the reference policy at the bottom."""


def check_name(what: str, name: str) -> None:
    """Raises ValueError when `name` cannot be part of a path, of a target or of a command.

    Studies, tasks, suites, methods and mazes become folders and words of shell commands.
    """
    if not NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        shown = name if len(name) <= NAME_LENGTH else f"{name[:20]}…"
        raise ValueError(
            f"{what} {shown!r} is not a name of at most {NAME_LENGTH} letters and digits joined by single"
            " - or _"
        )


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Raises ValueError when a number is out of range; `most` is far beyond use and within any machine."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}, got {value:.6g}")


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One control problem and how its score is read; stored inside every file derived from it."""

    name: str
    """Name of the task in config/tasks.yaml."""
    environment: str
    """Gymnasium id of the evaluation environment."""
    max_episode_steps: int
    """Horizon of an evaluation episode; reaching it is a timeout, not a termination."""
    observation_keys: tuple[str, ...] = ()
    """Entries of a Dict observation to concatenate, in this order; empty for a plain Box."""
    reference_min: float = 0.0
    """Return that scores 0 (D4RL: a random policy)."""
    reference_max: float = 1.0
    """Return that scores 100 (D4RL: an expert)."""
    reward_scale: float = 1.0
    """Training rewards are reward_scale * (n * reward + reward_shift), where n is the reward normalisation's
    factor; evaluation uses raw rewards."""
    reward_shift: float = 0.0
    reward_normalization: Literal["none", "return_range"] = "none"
    """The factor n. none: 1; return_range: 1000 / (largest - smallest return of the episodes as recorded), as
    in IQL's locomotion experiments, and not for maze tasks, whose rewards are relabelled."""
    maze: str | None = None
    """Name of the maze map (gtp.envs.mazes.MAZES) of a goal-reaching task; None for any other task."""
    start_cell: tuple[int, int] | None = None
    """Row and column of the maze cell where an evaluation episode starts."""
    goal_cell: tuple[int, int] | None = None
    """Row and column of the cell that the goal is in; training rewards are relabelled for the goal."""
    goal_offset: tuple[float, float] = (0.0, 0.0)
    """The goal's (x, y) relative to the centre of its cell, in the simulator's units."""
    goal_radius: float = 0.45
    """The goal is reached within this distance, in the simulator's units."""
    action_repeat: int = 1
    """Simulator steps for which a maze task holds each action; steps of an episode count actions."""

    clip_actions: bool = False
    """Clip recorded actions outside the box of actions to it; otherwise such data are refused."""

    def __post_init__(self):
        check_name("name", self.name)
        if self.maze is not None:
            check_name("maze", self.maze)
        check_range("max_episode_steps", self.max_episode_steps, 1, 1_000_000)
        if not self.reference_min < self.reference_max:
            raise ValueError(
                "reference_min must lie below reference_max,"
                f" got {self.reference_min} and {self.reference_max}"
            )
        if self.is_goal_reaching and (self.start_cell is None or self.goal_cell is None):
            raise ValueError("a maze task needs both start_cell and goal_cell")
        if self.reward_normalization not in ("none", "return_range"):
            raise ValueError(
                f"reward_normalization must be 'none' or 'return_range', got {self.reward_normalization!r}"
            )
        if self.is_goal_reaching and self.reward_normalization != "none":
            raise ValueError("a maze task relabels its rewards; leave reward_normalization at 'none'")
        if self.goal_radius <= 0:
            raise ValueError(f"goal_radius must be positive, got {self.goal_radius}")
        check_range("action_repeat", self.action_repeat, 1, 1000)

    @property
    def is_goal_reaching(self) -> bool:
        """Whether reaching a goal is all that counts: rewards are relabelled, the score is a success rate."""
        return self.maze is not None

    def normalized_score(self, episode_return: float) -> float:
        """D4RL's score: 0 at reference_min, 100 at reference_max."""
        return 100.0 * (episode_return - self.reference_min) / (self.reference_max - self.reference_min)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The budget, the same for every method of a study."""

    steps: int = 1_000_000
    """Gradient steps."""
    batch_size: int = 256
    """Transitions per gradient step and seed."""
    learning_rate: float = 3e-4
    """Adam's step size for every network, constant over training."""
    ema_decay: float = 0.995
    """Decay per gradient step of the exponential moving averages (actor and critic targets)."""
    discount: float = 0.99
    """Discount per environment step."""
    n_step: int = 1
    """Transitions per temporal-difference backup (n-step returns along the data); the paper takes 1."""
    hidden_size: int = 256
    """Width of every hidden layer, of every network."""
    hidden_layers: int = 3
    """Number of hidden layers of every network."""
    critic_layer_norm: bool = False
    """Normalise the hidden layers of critics, of every method."""
    gradient_clip: float = 10.0
    """Largest global norm of one network's gradient, per seed; 0 switches clipping off."""
    normalize_observations: bool = True
    """Standardise observations with the dataset's mean and standard deviation."""
    matmul_precision: MatmulPrecision = "float32"
    """Precision of training's matrix products: tf32 rounds the factors of all, bfloat16 those between hidden
    layers. Parameters, optimiser and acting stay float32. A device without instructions for it is refused."""
    snapshots: int = 1
    """How many evenly spaced policies to keep; the last one, at `steps`, is the one that counts."""

    def __post_init__(self):
        for name in ("steps", "batch_size", "n_step"):
            check_range(name, getattr(self, name), 1, 10**9)
        check_range("hidden_size", self.hidden_size, 1, 1 << 16)
        check_range("hidden_layers", self.hidden_layers, 1, 1000)
        check_range("snapshots", self.snapshots, 1, 10_000)
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be finite and positive, got {self.learning_rate}")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
        if not 0.0 < self.discount <= 1.0:
            raise ValueError(f"discount must lie in (0, 1], got {self.discount}")
        if not 0.0 <= self.gradient_clip < math.inf:
            raise ValueError(f"gradient_clip must be finite and not negative, got {self.gradient_clip}")
        if self.snapshots > self.steps:
            raise ValueError(f"snapshots must not exceed steps, got {self.snapshots} and {self.steps}")

    def snapshot_steps(self) -> list[int]:
        """Steps after which a policy is kept, increasing; the last is `steps`."""
        return [self.steps * (i + 1) // self.snapshots for i in range(self.snapshots)]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how fast a run happens; none of it is meant to change what is learned."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes a GPU if there is one. CUDA_VISIBLE_DEVICES is obeyed."""
    compile: Literal["auto", "off"] = "auto"
    """auto compiles the update if there is a compiler; off runs it eagerly."""
    threads: int = 1
    """CPU threads of this process."""
    progress_seconds: float = 10.0
    """Time between two progress lines on stderr."""
    checkpoint_seconds: float = 60.0
    """Least time between two checkpoints; they are written at the end of a log interval."""

    def __post_init__(self):
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if not (self.progress_seconds >= 0 and self.checkpoint_seconds >= 0):
            raise ValueError("progress_seconds and checkpoint_seconds must be numbers, and not negative")
