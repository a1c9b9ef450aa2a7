"""Evaluation environments: any Gymnasium id, and mazes with one fixed start cell and one fixed goal."""

import contextlib
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.envs.success import succeeded
from gtp.errors import UserError

with contextlib.redirect_stderr(io.StringIO()):  # importing it prints a notice about its Adroit hands
    import gymnasium_robotics
    from gymnasium_robotics.envs.maze import maps
    from gymnasium_robotics.envs.maze.maze_v4 import MazeEnv

gym.register_envs(gymnasium_robotics)
gym.register("gtp/D4RLAntMaze-v0", entry_point="gtp.envs.d4rl_ant:D4RLAntMaze")
gym.register("gtp/MultiGoal-v0", entry_point="gtp.envs.multigoal:MultiGoal")

# Hyperparameters are chosen on these three maps, which no table of results uses: two rooms joined by a short
# and a long corridor, one corridor with four bends, and two equal ways around a pillar.
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
ZIGZAG = [
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 0, 1],
    [1, 0, 0, 0, 1],
    [1, 0, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1],
]
RING = [
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 0, 1, 0, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1],
]
# A hall, and a pillar with two equal ways around it: a task of the results, unlike those three. The last
# column only moves the map, so that the fork does not lie symmetric about the origin.
FORK = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 0, 1, 1, 1, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
]

GOAL_MARK = maps.GOAL  # a free cell that goals are drawn from; without any, all free cells are

# 1 is a wall, 0 is free; Layout says where a cell lies. D4RL evaluates on the same three maps as
# Gymnasium-Robotics has under these names, row by row.
MAZES: dict[str, list[list[int]]] = {
    "umaze": maps.U_MAZE,
    "medium": maps.MEDIUM_MAZE,
    "large": maps.LARGE_MAZE,
    "rooms": ROOMS,
    "zigzag": ZIGZAG,
    "ring": RING,
    "fork": FORK,
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


@dataclass(frozen=True)
class Layout:
    """Where an environment places the cells of a map in its plane; x always grows with the column."""

    cell_size: float = 1.0
    """Edge of a cell in the simulator's units."""
    origin: tuple[int, int] | None = None
    """Row and column of the cell whose centre is (0, 0); None stands for the middle of the map."""
    y_grows_with_row: bool = False
    """Whether y grows with the row, as in D4RL, instead of falling, as in Gymnasium-Robotics."""

    def position(self, grid: list[list], row: float, col: float) -> tuple[float, float]:
        """Centre (x, y) of a cell in the simulator's units."""
        middle = ((len(grid) - 1) / 2, (len(grid[0]) - 1) / 2)
        origin_row, origin_col = self.origin or middle
        x, y = (col - origin_col) * self.cell_size, (row - origin_row) * self.cell_size
        return (x, y) if self.y_grows_with_row else (x, 0.0 - y)

    def cells(self, maze: str) -> list[Cell]:
        """All cells of a maze, row by row. Raises UserError for an unknown maze."""
        grid = find_maze(maze)
        return [
            Cell(row, col, *self.position(grid, row, col), mark == 1)
            for row, marks in enumerate(grid)
            for col, mark in enumerate(marks)
        ]

    def center(self, maze: str, cell: Sequence[int]) -> np.ndarray:
        """Centre (x, y) of a free cell (row, col).

        Shapes: (2,) float64. Units: the simulator's. Raises: UserError naming the nearest free cell when this
        one is a wall or outside.
        """
        row, col = cell
        free = {(c.row, c.col): np.array([c.x, c.y]) for c in self.cells(maze) if not c.is_wall}
        if (row, col) not in free:
            nearest = min(free, key=lambda other: abs(other[0] - row) + abs(other[1] - col))
            raise UserError(f"cell {(row, col)} of maze {maze!r} is a wall or outside the map; try {nearest}")
        return free[row, col]


# By the first part of an environment's id. D4RL's ant starts at (0, 0), which is cell (1, 1) of all its maps.
LAYOUTS = {
    "PointMaze": Layout(),
    "AntMaze": Layout(cell_size=4.0),
    "gtp/D4RLAntMaze": Layout(cell_size=4.0, origin=(1, 1), y_grows_with_row=True),
}


def layout_of(environment: str) -> Layout:
    """The layout of a maze environment's id, say "AntMaze_UMaze-v4"; a point maze's for any other id."""
    return LAYOUTS.get(re.split("[_-]", environment)[0], Layout())


def cell_size(environment: str) -> float:
    """Edge of a maze cell in the simulator's units: 4 for the ant, 1 for the point."""
    return layout_of(environment).cell_size


def maze_cells(maze: str, size: float = 1.0) -> list[Cell]:
    """All cells of a maze, row by row, as Gymnasium-Robotics lays them out with cells of edge `size`."""
    return Layout(size).cells(maze)


def cell_center(maze: str, cell: Sequence[int], size: float = 1.0) -> np.ndarray:
    """Centre (x, y) of a free cell (row, col) in the layout of `maze_cells`; see `Layout.center`."""
    return Layout(size).center(maze, cell)


def goal_position(task: TaskSpec) -> np.ndarray:
    """The goal (x, y) of a maze task, shape (2,), in the environment's own frame and units.

    Raises: UserError when the goal's cell is a wall or the goal is outside of it.
    """
    layout = layout_of(task.environment)
    center = layout.center(task.maze, task.goal_cell)
    if not np.abs(task.goal_offset).max() < layout.cell_size / 2:
        raise UserError(
            f"task {task.name!r}: goal_offset {task.goal_offset} leaves goal_cell, whose edge is"
            f" {layout.cell_size:g}; choose a smaller offset or another cell"
        )
    return center + task.goal_offset


def make_environment(task: TaskSpec) -> gym.Env:
    """The evaluation environment of a task, with flat float32 observations and the task's horizon.

    On a maze task each episode starts in `start_cell`, with the simulator's own noise on the position; the
    goal is that of `goal_position`. Reaching it gives reward 1 and ends the episode; all other rewards are
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
    start = layout_of(task.environment).center(task.maze, task.start_cell)
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
        maze = self.env.unwrapped
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
