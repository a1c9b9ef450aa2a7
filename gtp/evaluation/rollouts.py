"""Rollouts of a trained policy in its task's environment: one record per episode.

Episodes of one policy run side by side, so that each step asks the policy once. Starts depend on
(policy seed, episode) and noise on (policy seed, episode, step): every method of a study meets the same
starts, and a result repeats to the bit. A control loop that calls `Policy.reset` and `Policy.act` gets the
same episodes; only the size of its batches can change them, by rounding.
"""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gtp.acting import ActingRule, applicable
from gtp.config import TaskSpec
from gtp.envs.make import make_environment
from gtp.envs.success import succeeded
from gtp.errors import UserError, shorten
from gtp.policy import Policy, load_policy
from gtp.progress import Progress
from gtp.schema import Episode, Position


class Acting(Protocol):
    """What `Rollouts` asks of a policy."""

    @property
    def seed(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def diverged_at(self) -> int | None: ...

    def start_seed(self, episode: int) -> int: ...

    def reset(self, episodes: Sequence[int]) -> None: ...

    def act(self, obs: np.ndarray, nfe: int, acting: ActingRule) -> np.ndarray: ...


class Rollouts:
    """Environments of one task, made once and used by every policy that is evaluated on it."""

    def __init__(self, task: TaskSpec, episodes: int):
        self.task = task
        self.environments: list[gym.Env] = [make_environment(task) for _ in range(episodes)]

    def run(
        self,
        policy: Acting,
        nfe: int,
        rule: ActingRule,
        tracked: int = 0,
        finished: Callable[[], None] = lambda: None,
    ) -> tuple[list[Episode], list[Position]]:
        """One episode in every environment at K = nfe by a rule; also positions in the first `tracked`.

        A diverged policy yields one row that says so: it cannot act, and leaving it out would flatter
        the method.
        """
        if policy.diverged_at is not None:
            return [diverged(policy, nfe, rule, policy.diverged_at)], []
        count = len(self.environments)
        observations = np.stack(
            [
                environment.reset(seed=policy.start_seed(i))[0]
                for i, environment in enumerate(self.environments)
            ]
        )
        policy.reset(range(count))
        returns, lengths = np.zeros(count), np.zeros(count, dtype=int)
        success: list[bool | None] = [None] * count
        active = list(range(count))
        paths: list[list[tuple[float, float]]] = [[] for _ in range(tracked)]
        while active:
            actions = policy.act(observations, nfe, rule)
            if not np.isfinite(actions).all():  # the very last update may ruin the weights unnoticed
                return [diverged(policy, nfe, rule, policy.step)], []
            for i in active:
                if i < tracked:
                    paths[i].append(position(self.environments[i]))
            still_active = []
            for i in active:
                observations[i], reward, terminated, truncated, info = self.environments[i].step(actions[i])
                returns[i] += reward
                lengths[i] += 1
                if "success" in info:
                    success[i] = bool(success[i]) or succeeded(info["success"])
                if terminated or truncated:
                    finished()
                else:
                    still_active.append(i)
            active = still_active
        rows = [
            Episode(
                policy.seed,
                policy.step,
                nfe,
                rule.name,
                i,
                float(returns[i]),
                self.task.normalized_score(float(returns[i])),
                None if solved is None else int(solved),
                int(lengths[i]),
                "ok",
            )
            for i, solved in enumerate(success)
        ]
        positions = [
            Position(policy.seed, i, step, *xy, int(bool(success[i])))
            for i, path in enumerate(paths)
            for step, xy in enumerate(path)
        ]
        return rows, positions


def check_spaces(policy: Policy, environment: gym.Env) -> None:
    """Raises UserError when an environment has other observations or another box of actions than a policy."""
    box, size = environment.action_space, len(policy.observation_mean)
    low, high = policy.action_low.tolist(), policy.action_high.tolist()
    same = environment.observation_space.shape == (size,) and box.shape == (len(low),)
    if same and isinstance(box, spaces.Box) and np.allclose(box.low, low) and np.allclose(box.high, high):
        return
    raise UserError(
        f"{policy.label} was trained for {size} observations and actions from {low} to {high}, and"
        f" {policy.task.environment} has observations {shorten(environment.observation_space)} and actions"
        f" {shorten(box)}; install the version of it that the data were recorded in, or train anew"
    )


def diverged(policy: Acting, nfe: int, rule: ActingRule, step: int) -> Episode:
    """The one row of a policy that cannot act since a training step."""
    return Episode(policy.seed, policy.step, nfe, rule.name, -1, None, None, None, None, f"diverged@{step}")


def position(environment: gym.Env) -> tuple[float, float]:
    """Where the body of a maze task is, (x, y) in the simulator's units."""
    simulator: Any = environment.unwrapped
    x, y = simulator.data.qpos[:2]
    return float(x), float(y)


def evaluate(
    policies: list[Path],
    nfe: list[int],
    episodes: int,
    acting: Sequence[str] = ("sample",),
    *,
    rollout_episodes: int = 0,
    rollout_nfe: int | None = None,
    environment: str | None = None,
) -> tuple[list[Episode], list[Position]]:
    """Every seed of every policy file, at every K of `nfe` and by every rule, for `episodes` episodes each.

    A method that is not generative is evaluated at K = 1 only, and rules that it cannot follow are left out;
    one whose actions do not depend on noise has the rule "deterministic" instead. With `rollout_episodes`,
    also the positions of that many episodes per seed of the last file, by the first rule and at
    K = `rollout_nfe` (default: the largest). `environment` is that of `load_policy`.
    Raises UserError for unusable files and for files of different tasks, ValueError as `settle` does.
    """
    first = load_policy(policies[0], environment=environment)
    steps_of, rules, rollout_nfe = settle(first, nfe, episodes, acting, rollout_episodes, rollout_nfe)
    rollouts = Rollouts(first.task, episodes)
    check_spaces(first, rollouts.environments[0])
    settings = list(product(steps_of, rules))
    total = len(policies) * len(first.seeds) * len(settings) * episodes
    progress = Progress(f"evaluate {first.task.name} {first.label}", total, "episodes")
    rows, positions = [], []
    for path in policies:
        for seed in first.seeds:
            policy = load_policy(path, seed, environment=environment)
            if (policy.task, policy.label, policy.algorithm) != (first.task, first.label, first.algorithm):
                raise UserError(f"{path} and {policies[0]} differ in task or method; evaluate them apart")
            for k, rule in settings:
                drawn = path == policies[-1] and (k, rule) == (rollout_nfe, rules[0])
                tracked = rollout_episodes if drawn else 0
                found, tracks = rollouts.run(policy, k, rule, tracked, progress.advance)
                rows += found
                positions += tracks
    return rows, positions


def settle(
    policy: Policy,
    nfe: list[int],
    episodes: int,
    acting: Sequence[str] = ("sample",),
    rollout_episodes: int = 0,
    rollout_nfe: int | None = None,
) -> tuple[list[int], list[ActingRule], int]:
    """What `evaluate` makes of its arguments for a policy's method: the K, the rules, and the rollouts' K.

    Raises ValueError for numbers below 1 or named twice, for rollouts that there cannot be, and for rules
    that there are none of, or none that the method can follow.
    """
    if episodes < 1 or not nfe or min(nfe) < 1:
        raise ValueError(f"episodes and nfe must be at least 1, got episodes {episodes} and nfe {nfe}")
    if len(set(nfe)) != len(nfe):
        raise ValueError(f"nfe names a number twice: {nfe}; name each once")
    if not 0 <= rollout_episodes <= episodes:
        raise ValueError(f"rollout episodes must be from 0 to {episodes}, got {rollout_episodes}")
    choosable = policy.algorithm.choosable_nfe
    steps_of = nfe if choosable else [1]
    rollout_nfe = max(steps_of) if rollout_nfe is None or not choosable else rollout_nfe
    if rollout_episodes and policy.task.maze is None:
        raise ValueError(f"task {policy.task.name} has no maze to draw rollouts in; leave out the rollouts")
    if rollout_episodes and rollout_nfe not in steps_of:
        raise ValueError(f"rollout nfe {rollout_nfe} is not among the nfe that are evaluated: {steps_of}")
    return steps_of, rules_for(policy, acting), rollout_nfe


def rules_for(policy: Policy, acting: Sequence[str]) -> list[ActingRule]:
    """The rules of these names that a policy's method can follow.

    Raises ValueError for a name that is none or stands there twice, and when no rule is left.
    """
    rules = [ActingRule.parse(name) for name in acting]
    if len({rule.name for rule in rules}) != len(rules):
        raise ValueError(f"acting names a rule twice: {' '.join(acting)}; name each once")
    found = applicable(rules, policy.algorithm)
    if not found:
        raise ValueError(f"{policy.label} can act by none of {' '.join(acting) or 'no rules'}; add 'sample'")
    return found
