"""A tiny dataset and the smallest useful budget, for tests of training."""

import numpy as np

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import TaskSpec, TrainConfig
from gtp.data.transitions import Transitions

TASK = TaskSpec(name="tiny", environment="Tiny-v0", max_episode_steps=10)
CONFIG = TrainConfig(steps=120, batch_size=16, hidden_size=16, hidden_layers=2, snapshots=3)


def small_method(name: str) -> Algorithm:
    """A method with its defaults, but for the one whose networks are large and whose actions take long."""
    return algorithms.get(name)(size="nano", samples=8) if name == "mbdpo" else algorithms.get(name)()


class Still:
    """A policy whose actions are all 0, with what evaluation asks of one."""

    seed, step, diverged_at = 0, 1, None

    def __init__(self, action_size: int):
        self.action_size = action_size

    def start_seed(self, episode):
        return episode

    def reset(self, episodes):
        pass

    def act(self, obs, nfe, acting):
        return np.zeros((len(obs), self.action_size), dtype=np.float32)


def tiny_transitions(count: int = 200, seed: int = 0) -> Transitions:
    """Random transitions with three observations and two actions; every twentieth terminates."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    terminations = np.zeros(count, dtype=np.float32)
    terminations[19::20] = 1.0
    observations = normal(count, 3)
    return Transitions(
        observations=observations,
        actions=np.tanh(normal(count, 2)),
        rewards=terminations.copy(),
        next_observations=observations + 0.1 * normal(count, 3),
        terminations=terminations,
        episode_starts=np.arange(0, count, 20),
        observation_mean=observations.mean(axis=0),
        observation_std=observations.std(axis=0),
        action_low=-np.ones(2, dtype=np.float32),
        action_high=np.ones(2, dtype=np.float32),
        task=TASK,
        dataset_id="generated/tiny-v0",
        dataset_digest="0" * 64,
    )
