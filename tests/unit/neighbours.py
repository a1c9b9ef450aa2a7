"""Policies read off data without training: what the nearest recorded states did, or the mean of it."""

from collections.abc import Callable, Iterable

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer
from scipy.spatial import KDTree

from gtp.data.generate.recipe import Recipe

Act = Callable[[np.ndarray], np.ndarray]


class Neighbours:
    """The actions of the `count` states that lie nearest, each coordinate in units of its deviation."""

    def __init__(self, observations: np.ndarray, actions: np.ndarray, count: int):
        self._scale, self._actions, self._count = observations.std(axis=0), actions, count
        self._tree = KDTree(observations / self._scale)

    def near(self, observation: np.ndarray) -> np.ndarray:
        """Observation (O,) -> actions (count, A)."""
        return self._actions[self._tree.query(observation / self._scale, self._count)[1]]

    def mean(self, observation: np.ndarray) -> np.ndarray:
        """What the clone of the mean does, which is also one step along the diagonal: E[a | noise]."""
        return self.near(observation).mean(axis=0)

    def one(self, rng: np.random.Generator) -> Act:
        """What a clone of the whole distribution does: any of the actions."""
        return lambda observation: rng.choice(self.near(observation))


def record(recipe: Recipe) -> list[EpisodeBuffer]:
    """All episodes of a recipe."""
    environment = recipe.make_collector()
    return [
        episode
        for index, steps in enumerate(recipe.chunks())
        for episode in recipe.record(environment, index, steps)
    ]


def roll_out(environment: gym.Env, act: Act, seeds: Iterable[int]) -> list[tuple[float, int, dict]]:
    """Return, length and last info of an episode for each seed."""
    rows = []
    for seed in seeds:
        observation, _ = environment.reset(seed=seed)
        total, length, done = 0.0, 0, False
        while not done:
            observation, reward, terminated, truncated, info = environment.step(act(observation))
            total, length, done = total + reward, length + 1, terminated or truncated
        rows.append((total, length, info))
    return rows
