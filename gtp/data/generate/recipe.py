"""What all recipes for datasets share: the fields of every recipe, and the loop that records an episode."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp.files import sha256_of

Actor = Callable[[Any], np.ndarray]
"""From an environment's observation, not flattened, to an action (A,) float32."""


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """All that decides the content of a generated dataset.

    A dataset is a row of chunks. Each is recorded on its own, from (seed, number of the chunk) alone, so that
    neither the number of workers nor their pace can change a byte.
    """

    steps: int = 100_000
    """Transitions to record, in all episodes together."""
    seed: int = 0
    """Seed of the whole dataset."""
    horizon: int = 1000
    """Steps after which an episode is truncated."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised whenever the same fields would give other data."""
    algorithm: ClassVar[str]
    """Who acts, for Minari's metadata."""
    notice: ClassVar[str]
    """What a reader of the card must know."""
    planar: ClassVar[bool] = False
    """Whether actions have two dimensions, so that paths from noise to actions can be drawn."""

    def __post_init__(self):
        for name in ("steps", "horizon"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")

    @abstractmethod
    def chunks(self) -> list[int]:
        """Steps of each chunk, in order; their sum is `steps`."""

    @abstractmethod
    def make_collector(self) -> gym.Env:
        """The environment to record in; one serves any number of chunks."""

    @abstractmethod
    def record(self, environment: gym.Env, chunk: int, steps: int) -> list[EpisodeBuffer]:
        """The episodes of one chunk, `steps` steps together; the last is truncated where the chunk ends."""

    @abstractmethod
    def expert(self, rng: np.random.Generator) -> Actor:
        """The best behaviour behind the recipe, for one episode; its return is a task's reference for 100."""

    @property
    def behaviour_files(self) -> list[Path]:
        """Files of the behaviour policies that act."""
        return []

    def sources(self) -> dict:
        """What decides the data beside the fields, such as the checksum of the behaviour policies."""
        return {"policies": sha256_of(*self.behaviour_files)} if self.behaviour_files else {}

    def describe(self) -> dict:
        """Name, version, sources and fields as JSON returns them, to be compared with those on a card."""
        record = {"name": self.name, "version": self.version, "sources": self.sources(), **asdict(self)}
        return json.loads(json.dumps(record))

    def random_stream(self, *key: int) -> tuple[int, np.random.Generator]:
        """A seed for the environment's reset and a generator for whoever acts, for one episode."""
        resetting, acting = np.random.SeedSequence((self.seed, *key)).spawn(2)
        return int(resetting.generate_state(1)[0]), np.random.default_rng(acting)


def split(steps: int, size: int) -> list[int]:
    """`steps` as pieces of `size`, and a smaller one at the end if need be."""
    whole, rest = divmod(steps, size)
    return [size] * whole + [rest] * (rest > 0)


def random_actor(box: Any, rng: np.random.Generator) -> Actor:
    """Draws actions uniformly from their box, a spaces.Box."""
    return lambda observation: rng.uniform(box.low, box.high).astype(box.dtype)


def record_episode(
    environment: gym.Env,
    act: Actor,
    *,
    seed: int,
    steps: int,
    options: dict | None = None,
    finished: Callable[[dict], bool] = lambda info: False,
) -> EpisodeBuffer:
    """One episode of T steps: until it terminates, `finished` says so of a step's info, or `steps` are done.

    Shapes: observations (T + 1, .) per entry as the environment gives them; actions (T, A) float32; rewards,
    terminations and truncations (T,). The last step is truncated unless it terminates. `info["success"]`
    is recorded where there is one. The number in `id` is for the caller to set.
    """
    observation, info = environment.reset(seed=seed, options=options)
    actions: list[np.ndarray]
    observations, actions, rewards, infos = [observation], [], [], [info]
    ended = False
    while len(actions) < steps and not ended:
        action = act(observation)
        observation, reward, terminated, truncated, info = environment.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
        infos.append(info)
        ended = terminated or truncated or finished(info)
    last = np.zeros(len(actions), dtype=bool)
    last[-1] = True
    return EpisodeBuffer(
        id=0,
        seed=seed,
        observations=stack(observations),
        actions=np.stack(actions),
        rewards=np.array(rewards, dtype=np.float64),
        terminations=last & terminated,
        truncations=last & (not terminated),
        infos={"success": np.array([i["success"] for i in infos])} if "success" in infos[0] else {},
    )


def stack(observations: list) -> dict[str, np.ndarray] | np.ndarray:
    """Observations of successive steps along a new first axis, per entry of a dict."""
    if isinstance(observations[0], dict):
        return {key: np.stack([o[key] for o in observations]) for key in observations[0]}
    return np.stack(observations)
