"""Recipe "multigoal": walks from the start to one of four goals, each chosen as often as the others."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp.data.generate.recipe import Actor, Recipe, record_episode, split
from gtp.envs.make import make_simulator
from gtp.envs.multigoal import BEST, GOALS

EPISODES_PER_CHUNK = 100  # of full length


@dataclass(frozen=True, kw_only=True)
class MultiGoalRecipe(Recipe):
    """All that decides the content of a generated multi-goal dataset."""

    name: ClassVar[str] = "multigoal"
    planar: ClassVar[bool] = True
    version: ClassVar[int] = 1
    algorithm: ClassVar[str] = "straight walks"
    notice: ClassVar[str] = "Generated here in a world of our own; D4RL has no such data."

    horizon: int = 30
    action_noise: float = 0.1
    """Standard deviation of the Gaussian noise on every action, whose length is 1 without it."""

    def __post_init__(self):
        super().__post_init__()
        if self.action_noise < 0:
            raise ValueError(f"action_noise must not be negative, got {self.action_noise}")

    def chunks(self) -> list[int]:
        return split(self.steps, EPISODES_PER_CHUNK * self.horizon)

    def make_collector(self) -> gym.Env:
        return make_simulator("gtp/MultiGoal-v0", max_episode_steps=self.horizon)

    def record(self, environment: gym.Env, chunk: int, steps: int) -> list[EpisodeBuffer]:
        episodes: list[EpisodeBuffer] = []
        while steps > 0:
            seed, rng = self.random_stream(chunk, len(episodes))
            act = partial(walk, goal=GOALS[rng.integers(len(GOALS))], noise=self.action_noise, rng=rng)
            episodes.append(record_episode(environment, act, seed=seed, steps=steps))
            steps -= len(episodes[-1].rewards)
        return episodes

    def expert(self, rng: np.random.Generator) -> Actor:
        """Always walks to the best goal, without noise."""
        return partial(walk, goal=GOALS[BEST], noise=0.0, rng=rng)


def walk(position: np.ndarray, *, goal: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Action (2,) float32 from a position (2,) straight towards a goal (2,), with noise of this deviation."""
    way = goal - position
    action = way / np.linalg.norm(way) + noise * rng.standard_normal(2)
    return np.clip(action, -1.0, 1.0).astype(np.float32)
