"""The environment to learn in, and the task that it stands for."""

import re

import numpy as np
from gymnasium import Env, spaces

from gtp.config import TaskSpec
from gtp.envs.make import make_environment, make_simulator
from gtp.errors import UserError
from gtp.online.settings import OnlineConfig


def task_of(config: OnlineConfig) -> TaskSpec:
    """The task of an environment as it is: raw rewards, scores that are returns.

    Raises UserError when there is no such environment, or when nothing says how long an episode is.
    """
    limit = config.max_episode_steps
    if limit is None:
        simulator = make_simulator(config.environment)
        assert simulator.spec is not None  # gymnasium.make notes it
        limit = simulator.spec.max_episode_steps
        simulator.close()
    if limit is None:
        raise UserError(f"environment {config.environment!r} has no time limit; name --max_episode_steps")
    return TaskSpec(
        name=re.sub(r"[^A-Za-z0-9]+", "-", config.environment).strip("-"),
        environment=config.environment,
        max_episode_steps=limit,
        observation_keys=config.observation_keys,
        reference_max=100.0,
    )


def make_world(task: TaskSpec) -> Env:
    """The environment to learn in. Raises UserError when its actions are not a finite box of vectors."""
    world = make_environment(task)
    space = world.action_space
    if not (
        isinstance(space, spaces.Box) and len(space.shape) == 1 and np.isfinite([space.low, space.high]).all()
    ):
        raise UserError(
            f"environment {task.environment!r} has the actions {space}; only vectors in a finite box are"
            " supported"
        )
    return world


def discount_of(episode_steps: int) -> float:
    """gamma for episodes of L steps, clip((L/5 - 1) / (L/5), 0.95, 0.995).

    Source: TD-MPC2 (Hansen et al., 2024), from which MBDPO takes it.
    """
    share = episode_steps / 5
    return float(np.clip((share - 1) / share, 0.95, 0.995))
