"""What an online run is told; no simulator, so that flags and studies may be read without."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OnlineConfig:
    """What every method that trains online is told."""

    environment: str
    """Gymnasium id of an environment with vectors as observations and a box of actions."""
    steps: int = 6000
    """Steps in the environment."""
    evaluate_every: int = 500
    """Steps between two evaluations; there is one at step 0 and one at the end."""
    evaluation_episodes: int = 5
    """Episodes of an evaluation, in environments of their own."""
    max_episode_steps: int | None = None
    """Steps after which an episode is cut off; None stands for the environment's own limit."""
    observation_keys: tuple[str, ...] = ()
    """Entries of a Dict observation to concatenate, in this order; empty for a plain Box."""

    def __post_init__(self):
        for name in ("steps", "evaluate_every", "evaluation_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_episode_steps is not None and self.max_episode_steps < 1:
            raise ValueError(f"max_episode_steps must be at least 1, got {self.max_episode_steps}")

    def evaluated(self, step: int) -> bool:
        """Whether there is an evaluation after `step` steps."""
        return step % self.evaluate_every == 0 or step == self.steps


@dataclass(frozen=True, kw_only=True)
class ModelBasedConfig(OnlineConfig):
    """What a method with a world model is told beside its own hyperparameters."""

    nfe: int = 20
    """Noise levels N of the search; the sum of their betas is held, so fewer are coarser and not narrower."""
    batch_size: int = 256
    """Windows per update."""
    seed_steps: int | None = None
    """Steps of random actions, after which as many updates follow in a row; None stands for the larger of
    1000 and five episodes, and for 0 with a policy to start from."""
    exploration: float = 0.05
    """Deviation of the noise on actions, which lie in [-1, 1]."""
    reward_factor: float | None = None
    """Factor n of rewards, for a start from data that were scaled by their returns:
    1000 / (largest - smallest)."""
    save_data: bool = False
    """Whether to leave the episodes of the run as transitions.safetensors, which `gtp train` reads."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("nfe", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed_steps is not None and self.seed_steps < 0:
            raise ValueError(f"seed_steps must not be negative, got {self.seed_steps}")
        if not 0.0 <= self.exploration < math.inf:
            raise ValueError(f"exploration must be finite and not negative, got {self.exploration}")
