"""Evaluation environments: any Gymnasium id, and mazes with one fixed start cell and one fixed goal."""

import contextlib
import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.errors import UserError

with contextlib.redirect_stderr(io.StringIO()):  # importing it prints a notice about its Adroit hands
    import gymnasium_robotics
    from gymnasium_robotics.envs.maze import maps
    from gymnasium_robotics.envs.maze.maze_v4 import MazeEnv

gym.register_envs(gymnasium_robotics)

# Two rooms joined by a short and a long corridor. Hyperparameters are chosen on this map, which no
# table of results uses.
ROOMS = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 0, 0, 1, 0, 0, 0, 1],
    [1, 0, 0, 0, 0, 1, 0, 1],
    [1, 1, 0, 1, 1, 1, 0, 1],
    [1, 0, 0, 1, 0, 0, 0, 1],
    [1, 0, 1, 1, 0, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 0, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
]

GOAL_MARK = maps.GOAL  # a free cell that goals are drawn from; without any, all free cells are

# 1 is a wall, 0 is free; rows run from the largest y downwards, columns from the smallest x upwards.
MAZES: dict[str, list[list[int]]] = {
    "umaze": maps.U_MAZE,
    "medium": maps.MEDIUM_MAZE,
    "large": maps.LARGE_MAZE,
    "rooms": ROOMS,
}


class Cell(NamedTuple):
    """One cell of a maze; x and y are its centre in the simulator's units."""

    row: int
    col: int
    x: float
    y: float
    is_wall: bool


def find_maze(name: str) -> list[list[int]]:
    """The map of a maze. Raises UserError with the nearest name when there is none."""
    if name not in MAZES:
        raise UserError(f"unknown maze {name!r}; {_suggest(name, MAZES)}")
    return MAZES[name]


def cell_size(environment: str) -> float:
    """Edge of a maze cell in the simulator's units: 4 for the ant, 1 for the point."""
    return 4.0 if environment.startswith("AntMaze") else 1.0


def maze_cells(maze: str, size: float = 1.0) -> list[Cell]:
    """All cells of a maze, row by row; the origin is the middle of the map, as in Gymnasium-Robotics.

    Units: size and the cells' x and y in the simulator's units. Raises: UserError for an unknown maze.
    """
    grid = find_maze(maze)
    height, width = len(grid), len(grid[0])
    return [
        Cell(row, col, (col + 0.5 - width / 2) * size, (height / 2 - row - 0.5) * size, grid[row][col] == 1)
        for row in range(height)
        for col in range(width)
    ]


def cell_center(maze: str, cell: Sequence[int], size: float = 1.0) -> np.ndarray:
    """Centre (x, y) of a free cell (row, col).

    Shapes: (2,) float64. Raises: UserError naming the nearest free cell when this one is a wall or outside.
    """
    row, col = cell
    free = {(c.row, c.col): np.array([c.x, c.y]) for c in maze_cells(maze, size) if not c.is_wall}
    if (row, col) not in free:
        nearest = min(free, key=lambda other: abs(other[0] - row) + abs(other[1] - col))
        raise UserError(f"cell {(row, col)} of maze {maze!r} is a wall or outside the map; try {nearest}")
    return free[row, col]


def goal_position(task: TaskSpec) -> np.ndarray:
    """Centre (x, y) of a maze task's goal cell, shape (2,), in the simulator's units."""
    return cell_center(task.maze, task.goal_cell, cell_size(task.environment))


def make_environment(task: TaskSpec) -> gym.Env:
    """The evaluation environment of a task, with flat float32 observations and the task's horizon.

    On a maze task each episode starts in `start_cell`, with the simulator's own noise on the position; the
    goal is the centre of `goal_cell`. Reaching it gives reward 1 and ends the episode; all other rewards are
    0. `info["success"]` says whether the goal was reached; on other tasks it is the simulator's, if any.

    Raises: UserError when the environment, the maze, a cell or an observation key does not exist.
    """
    return FlatObservation(make_task(task), task.observation_keys)


def make_task(task: TaskSpec) -> gym.Env:
    """`make_environment` before its observations are flattened."""
    if task.maze is not None:
        return make_goal_environment(task)
    return make_simulator(task.environment, max_episode_steps=task.max_episode_steps)


def make_goal_environment(task: TaskSpec) -> "FixedGoal":
    """`make_task` for a maze task."""
    size = cell_size(task.environment)
    start = cell_center(task.maze, task.start_cell, size)
    goal = goal_position(task)
    if np.linalg.norm(start - goal) <= task.goal_radius:
        raise UserError(f"task {task.name!r}: start_cell and goal_cell coincide; choose two different cells")
    # The simulator must neither end the episode nor move the goal: FixedGoal decides both.
    simulator = make_maze_simulator(
        task.environment,
        find_maze(task.maze),
        task.action_repeat,
        max_episode_steps=task.max_episode_steps * task.action_repeat,
        continuing_task=True,
        reset_target=False,
    )
    return FixedGoal(simulator, task, goal)


def make_maze_simulator(environment: str, grid: list[list], action_repeat: int = 1, **options) -> gym.Env:
    """A maze environment of Gymnasium-Robotics on a map, each action held for `action_repeat` of its steps.

    Raises: UserError when it is not a maze.
    """
    if "Maze" not in environment:
        raise UserError(
            f"environment {environment!r} has no maze; try 'PointMaze_UMaze-v3' or remove the maze"
        )
    simulator = make_simulator(environment, maze_map=grid, **options)
    assert isinstance(simulator.unwrapped, MazeEnv)
    # The simulator leaves the model file it has read in the temporary folder, one for each environment.
    Path(simulator.unwrapped.tmp_xml_file_path).unlink(missing_ok=True)
    return HeldAction(simulator, action_repeat) if action_repeat > 1 else simulator


def make_simulator(environment: str, **options) -> gym.Env:
    """`gymnasium.make` whose errors are one line. Raises UserError."""
    try:
        return gym.make(environment, disable_env_checker=True, **options)
    except gym.error.Error as error:
        if environment not in gym.registry:
            suggestion = _suggest(environment, gym.registry)
            raise UserError(f"unknown environment {environment!r}; {suggestion}") from error
        reason = " ".join(str(error).split())
        raise UserError(f"cannot make environment {environment!r}: {reason}") from error


class HeldAction(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """One step holds its action for several steps of the simulator; rewards add up, the last state counts.

    Success at any of them is success. Ends early when the simulator ends the episode.
    """

    def __init__(self, env: gym.Env, repeat: int):
        gym.utils.RecordConstructorArgs.__init__(self, repeat=repeat)
        gym.Wrapper.__init__(self, env)
        self.repeat = repeat

    def step(self, action):
        total, success = 0.0, False
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += reward
            success = success or info.get("success", False)
            if terminated or truncated:
                break
        if "success" in info:
            info = {**info, "success": success}
        return observation, total, terminated, truncated, info


class CenteredGoal(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """A maze whose goal is the centre of the cell that `reset(options={"goal_cell": ...})` names.

    The simulator itself adds up to a quarter of a cell of noise.
    """

    def __init__(self, env: gym.Env):
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        observation, info = self.env.reset(seed=seed, options=options)
        maze = self.env.unwrapped
        maze.goal = maze.maze.cell_rowcol_to_xy(np.array(options["goal_cell"]))
        maze.update_target_site_pos()
        observation["desired_goal"] = maze.goal.copy()
        return observation, {**info, "success": False}


class FixedGoal(gym.Wrapper):
    """A maze episode from the task's start cell to the centre of its goal cell."""

    def __init__(self, env: gym.Env, task: TaskSpec, goal: np.ndarray):
        super().__init__(CenteredGoal(env))
        self._goal = goal
        self._radius = task.goal_radius
        self._cells = {"reset_cell": np.array(task.start_cell), "goal_cell": np.array(task.goal_cell)}

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
                raise UserError(f"{owner} has no observation {key!r}; {_suggest(key, space.spaces)}")
        boxes = [space[key] for key in keys]
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


def _suggest(name: str, valid) -> str:
    names = list(valid)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"choose one of {', '.join(sorted(names))}" if len(names) <= 10 else "see gymnasium.registry"
