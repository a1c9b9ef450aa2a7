"""Reference returns of a task with generated data: what a random policy and the recipe's expert reach."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from scipy import stats

from gtp.config import TaskSpec
from gtp.data.generate.recipe import Actor, Recipe, random_actor
from gtp.envs.make import make_task
from gtp.envs.success import succeeded
from gtp.progress import Progress
from gtp.schema import Reference


def measure_reference_returns(task: TaskSpec, recipe: Recipe, episodes: int = 100) -> list[Reference]:
    """Roll out a policy that acts at random and the recipe's expert.

    Episode i depends on the recipe's seed and i alone.

    Raises: UserError when the environment does not exist.
    """
    environment = make_task(task)
    progress = Progress(f"references of {task.name}", 2 * episodes, "episodes")
    actors: dict[str, Callable[[np.random.Generator], Actor]] = {
        "random": lambda rng: random_actor(environment.action_space, rng),
        "expert": recipe.expert,
    }
    return [
        roll_out(environment, name, make, episodes, recipe.seed, progress.advance)
        for name, make in actors.items()
    ]


def roll_out(
    environment: gym.Env,
    name: str,
    make: Callable[[np.random.Generator], Actor],
    episodes: int,
    seed: int,
    finished: Callable[[], None],
) -> Reference:
    """One policy's episodes, with a generator of its own for each."""
    returns, successes, lengths = [], [], []
    for episode in range(episodes):
        resetting, acting = np.random.SeedSequence((seed, episode)).spawn(2)
        act = make(np.random.default_rng(acting))
        observation, _ = environment.reset(seed=int(resetting.generate_state(1)[0]))
        total, length, done = 0.0, 0, False
        while not done:
            observation, reward, terminated, truncated, info = environment.step(act(observation))
            total, length, done = total + float(reward), length + 1, terminated or truncated
        returns.append(total)
        lengths.append(length)
        successes += [succeeded(info["success"])] if "success" in info else []
        finished()
    mean, error = float(np.mean(returns)), float(stats.sem(returns))
    half = float(stats.t.ppf(0.975, episodes - 1)) * error
    success = float(np.mean(successes)) if successes else None
    return Reference(name, episodes, mean, mean - half, mean + half, success, float(np.mean(lengths)))
