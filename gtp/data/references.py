"""Reference scores of a maze task, measured: what a random policy and the waypoint controller reach."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from gtp.config import TaskSpec
from gtp.data.waypoint import WaypointController, WaypointRecipe
from gtp.environments import make_goal_environment
from gtp.errors import UserError


def measure_references(task: TaskSpec, episodes: int = 100, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return, success and length of evaluation episodes of three policies on a maze task.

    "random" draws actions uniformly from their box; "controller" is the waypoint controller on shortest
    paths without action noise; "data" is the controller with the default recipe's noise and detours. The
    first two are the task's reference_min and reference_max.

    Returns {policy: {"return", "success": means, "length_mean", "length_max": steps of an episode}}.
    Raises: UserError when the task is not a maze task.
    """
    if task.maze is None:
        raise UserError(
            f"task {task.name!r} has no maze; its reference scores are not measured but published"
        )
    environment = make_goal_environment(task)
    recipes = {
        "controller": WaypointRecipe(maze=task.maze, action_noise=0.0, detour=0.0),
        "data": WaypointRecipe(maze=task.maze),
    }
    box = environment.action_space

    def random_policy(rng: np.random.Generator) -> Callable[[dict], np.ndarray]:
        return lambda observation: rng.uniform(box.low, box.high).astype(box.dtype)

    def controller_policy(recipe: WaypointRecipe) -> Callable:
        return lambda rng: _steer(WaypointController(recipe, rng))

    policies = {"random": random_policy}
    policies |= {name: controller_policy(recipe) for name, recipe in recipes.items()}
    return {name: _roll_out(environment, policy, episodes, seed) for name, policy in policies.items()}


def _steer(controller: WaypointController) -> Callable[[dict], np.ndarray]:
    def act(observation: dict) -> np.ndarray:
        state = observation["observation"]
        return controller.act(state[:2], state[2:], observation["desired_goal"])

    return act


def _roll_out(environment: gym.Env, policy: Callable, episodes: int, seed: int) -> dict[str, float]:
    returns, successes, lengths = [], [], []
    for episode in range(episodes):
        reset_sequence, policy_sequence = np.random.SeedSequence((seed, episode)).spawn(2)
        act = policy(np.random.default_rng(policy_sequence))
        observation, _ = environment.reset(seed=int(reset_sequence.generate_state(1)[0]))
        total, length, done = 0.0, 0, False
        while not done:
            observation, reward, terminated, truncated, info = environment.step(act(observation))
            total, length, done = total + reward, length + 1, terminated or truncated
        returns.append(total)
        successes.append(info["success"])
        lengths.append(length)
    return {
        "return": float(np.mean(returns)),
        "success": float(np.mean(successes)),
        "length_mean": float(np.mean(lengths)),
        "length_max": float(np.max(lengths)),
    }
