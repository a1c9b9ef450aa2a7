"""Evaluation environments: any Gymnasium id, and mazes with one fixed start cell and one fixed goal."""

import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np

from gtp.config import TaskSpec
from gtp.envs.mazes import find_maze, goal_position, layout_of
from gtp.envs.wrappers import FixedGoal, FlatObservation, HeldAction
from gtp.errors import UserError, suggest, told_to_the_user

with contextlib.redirect_stderr(io.StringIO()):  # importing it prints a notice about its Adroit hands
    import gymnasium_robotics
    from gymnasium_robotics.envs.maze.maze_v4 import MazeEnv

gym.register_envs(gymnasium_robotics)
gym.register("gtp/D4RLAntMaze-v0", entry_point="gtp.envs.d4rl_ant:D4RLAntMaze")
gym.register("gtp/MultiGoal-v0", entry_point="gtp.envs.multigoal:MultiGoal")


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


def make_goal_environment(task: TaskSpec) -> FixedGoal:
    """`make_task` for a maze task."""
    assert task.maze is not None
    assert task.start_cell is not None  # TaskSpec asks it of a maze task
    with told_to_the_user():
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
    with told_of(environment), warnings.catch_warnings():
        # An id names the version that is meant: D4RL's data belong to v4.
        warnings.filterwarnings("ignore", r".*The environment \S+ is out of date")
        return gym.make(environment, disable_env_checker=True, **options)


def check_exists(environment: str) -> None:
    """Raises UserError when there is no environment of an id, whose module, if it names one, is imported."""
    with told_of(environment), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about versions, as above
        module, _, name = environment.rpartition(":")
        if module:
            importlib.import_module(module)
        if not any(re.fullmatch(rf"{re.escape(name)}(-v\d+)?", known) for known in gym.registry):
            gym.spec(name)  # raises; an id without a version stands for the newest


def check_runs(environment: gym.Env, name: str) -> None:
    """Reset an environment and take one step in it. Raises UserError when it cannot."""
    with told_of(name):
        environment.reset(seed=0)
        environment.step(environment.action_space.sample())


@contextlib.contextmanager
def told_of(environment: str) -> Iterator[None]:
    """Turn whatever an environment raises while it is found, made or tried into a UserError."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except ImportError as error:  # of the module in an id such as some.module:Env-v0
        raise UserError(f"cannot make environment {environment!r}: {error}; install what it needs") from error
    except gym.error.Error as error:
        if environment not in gym.registry:
            advice = suggest(environment, gym.registry, "gymnasium.registry")
            raise UserError(f"unknown environment {environment!r}; {advice}") from error
        reason = " ".join(str(error).split())
        raise UserError(f"cannot make environment {environment!r}: {reason}") from error
    except Exception as error:  # of the simulator's own code
        reason = " ".join([type(error).__name__, *str(error).split()])[:200]
        raise UserError(
            f"environment {environment!r} does not work here ({reason}); choose another, or install the"
            " version of its package and of the simulator that belong together"
        ) from error
