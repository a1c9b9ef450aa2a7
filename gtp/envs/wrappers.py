"""Wrappers: what tasks change in a simulator's actions, goals and observations."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.envs.success import succeeded
from gtp.errors import UserError, suggest


class HeldAction(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """One step holds its action for several steps of the simulator; rewards add up, the last state counts.

    Success at any of them is success. Ends early when the simulator ends the episode.
    """

    def __init__(self, env: gym.Env, repeat: int):
        gym.utils.RecordConstructorArgs.__init__(self, repeat=repeat)
        gym.Wrapper.__init__(self, env)
        self.repeat = repeat

    def step(self, action):
        total: Any = 0.0
        success = False
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += reward
            success = success or succeeded(info.get("success", False))
            if terminated or truncated:
                break
        if "success" in info:
            info = {**info, "success": success}
        return observation, total, terminated, truncated, info


class CenteredGoal(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """A maze whose goal is the centre of the cell that `reset(options={"goal_cell": ...})` names.

    The simulator itself adds up to a quarter of a cell of noise. The option "goal_offset" moves the goal from
    the centre by that much.
    """

    def __init__(self, env: gym.Env):
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        observation, info = self.env.reset(seed=seed, options=options)
        assert options is not None  # whoever resets names the goal
        maze: Any = self.env.unwrapped
        maze.goal = maze.maze.cell_rowcol_to_xy(np.array(options["goal_cell"]))
        maze.goal = maze.goal + options.get("goal_offset", 0.0)
        maze.update_target_site_pos()
        observation["desired_goal"] = maze.goal.copy()
        return observation, {**info, "success": False}


class FixedGoal(gym.Wrapper):
    """A maze episode from the task's start cell to its goal."""

    def __init__(self, env: gym.Env, task: TaskSpec, goal: np.ndarray):
        super().__init__(CenteredGoal(env))
        self._goal = goal
        self._radius = task.goal_radius
        self._cells = {
            "reset_cell": np.array(task.start_cell),
            "goal_cell": np.array(task.goal_cell),
            "goal_offset": np.array(task.goal_offset),
        }

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        observation, info = self.env.reset(seed=seed, options={**self._cells, **(options or {})})
        return observation, {**info, "success": self._reached(observation)}

    def step(self, action):
        observation, _, _, truncated, info = self.env.step(action)
        reached = self._reached(observation)
        return observation, float(reached), reached, truncated, {**info, "success": reached}

    def _reached(self, observation: dict) -> bool:
        return bool(np.linalg.norm(observation["achieved_goal"] - self._goal) <= self._radius)


class FlatObservation(gym.ObservationWrapper):
    """Entries of a Dict observation, or a plain Box, as one float32 vector."""

    def __init__(self, env: gym.Env, keys: Sequence[str]):
        super().__init__(env)
        self._keys = tuple(keys)
        boxes = select_boxes(env.observation_space, self._keys, f"environment {env.spec.id!r}")
        low = np.concatenate([box.low for box in boxes], dtype=np.float32, casting="same_kind")
        high = np.concatenate([box.high for box in boxes], dtype=np.float32, casting="same_kind")
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation) -> np.ndarray:
        return flatten_observations(observation, self._keys)


def select_boxes(space: spaces.Space, keys: Sequence[str], owner: str) -> list[spaces.Box]:
    """The one-axis Box spaces that `keys` name; no keys stand for a space that is itself a Box.

    Raises: UserError naming `owner` when a key does not exist, is missing, or is not a one-axis Box.
    """
    if isinstance(space, spaces.Dict):
        if not keys:
            raise UserError(f"{owner} has the observations {list(space)}; name some in observation_keys")
        for key in keys:
            if key not in space.spaces:
                raise UserError(f"{owner} has no observation {key!r}; {suggest(key, space.spaces)}")
        boxes: list[Any] = [space[key] for key in keys]
    elif keys:
        raise UserError(f"{owner} has one unnamed observation; leave observation_keys empty")
    else:
        boxes = [space]
    for box in boxes:
        if not isinstance(box, spaces.Box) or len(box.shape) != 1:
            raise UserError(f"{owner} has the observation {box}; only vectors of numbers are supported")
    return boxes


def flatten_observations(observations, keys: Sequence[str]) -> np.ndarray:
    """Concatenate entries along the last axis: dict of (..., O_k), or one (..., O) -> (..., O) float32."""
    if keys:
        observations = np.concatenate([observations[key] for key in keys], axis=-1)
    return np.asarray(observations, dtype=np.float32)
