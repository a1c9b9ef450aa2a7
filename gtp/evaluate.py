"""Rollouts of a trained policy in its task's environment: one record per episode.

Episodes of one policy run side by side, so that each step asks the policy once. Starts depend on
(policy seed, episode) and noise on (policy seed, step): every method of a study meets the same starts,
and a result repeats to the bit.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import gymnasium as gym
import numpy as np

from gtp.config import TaskSpec
from gtp.environments import make_environment
from gtp.errors import UserError
from gtp.files import write_text
from gtp.policy import Policy, load_policy
from gtp.progress import Progress
from gtp.randomness import acting_noise, derive_seed
from gtp.success import succeeded


@dataclass(frozen=True)
class Episode:
    """One row of a scores file. `status` is ok, or diverged@<step> for a policy that is not finite."""

    seed: int
    step: int
    nfe: int
    episode: int
    episode_return: float | None
    normalized_score: float | None
    success: int | None
    length: int | None
    status: str


@dataclass(frozen=True)
class Position:
    """One row of a rollouts file: where the body was, in the simulator's units."""

    seed: int
    episode: int
    step: int
    x: float
    y: float
    success: int


class Rollouts:
    """Environments of one task, made once and used by every policy that is evaluated on it."""

    def __init__(self, task: TaskSpec, episodes: int):
        self.task = task
        self.environments: list[gym.Env] = [make_environment(task) for _ in range(episodes)]

    def run(
        self, policy: Policy, nfe: int, tracked: int = 0, finished: Callable[[], None] = lambda: None
    ) -> tuple[list[Episode], list[Position]]:
        """One episode in every environment with K = nfe; also the positions of the first `tracked` ones.

        A diverged policy yields one row that says so: it cannot act, and leaving it out would flatter
        the method.
        """
        if policy.diverged_at is not None:
            return [diverged(policy, nfe, policy.diverged_at)], []
        count = len(self.environments)
        observations = np.stack(
            [
                environment.reset(seed=derive_seed(policy.seed, "evaluation", i) % 2**31)[0]
                for i, environment in enumerate(self.environments)
            ]
        )
        returns, lengths = np.zeros(count), np.zeros(count, dtype=int)
        success: list[bool | None] = [None] * count
        active = list(range(count))
        paths: list[list[tuple[float, float]]] = [[] for _ in range(tracked)]
        while active:
            noise = acting_noise(policy.noise_shape(count), policy.seed, int(lengths.max()))
            actions = policy.act(observations, nfe, noise)
            if not np.isfinite(actions).all():  # the very last update may ruin the weights unnoticed
                return [diverged(policy, nfe, policy.step)], []
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
                i,
                float(returns[i]),
                self.task.normalized_score(float(returns[i])),
                None if success[i] is None else int(success[i]),
                int(lengths[i]),
                "ok",
            )
            for i in range(count)
        ]
        positions = [
            Position(policy.seed, i, step, *xy, int(bool(success[i])))
            for i, path in enumerate(paths)
            for step, xy in enumerate(path)
        ]
        return rows, positions


def diverged(policy: Policy, nfe: int, step: int) -> Episode:
    """The one row of a policy that cannot act since a training step."""
    return Episode(policy.seed, policy.step, nfe, -1, None, None, None, None, f"diverged@{step}")


def position(environment: gym.Env) -> tuple[float, float]:
    """Where the body of a maze task is, (x, y) in the simulator's units."""
    x, y = environment.unwrapped.data.qpos[:2]
    return float(x), float(y)


def evaluate(
    policies: list[Path],
    nfe: list[int],
    episodes: int,
    *,
    rollout_episodes: int = 0,
    rollout_nfe: int | None = None,
) -> tuple[list[Episode], list[Position]]:
    """Every seed of every policy file, at every K of `nfe`, for `episodes` episodes each.

    A method that is not generative is evaluated once, at K = 1. With `rollout_episodes`, also the
    positions of that many episodes per seed of the last file, at K = `rollout_nfe` (default: the largest).
    Raises UserError for unusable files, for files of different tasks, and for numbers below 1.
    """
    if episodes < 1 or not nfe or min(nfe) < 1:
        raise UserError(f"episodes and nfe must be at least 1, got episodes {episodes} and nfe {nfe}")
    if len(set(nfe)) != len(nfe):
        raise UserError(f"nfe names a number twice: {nfe}; name each once")
    if not 0 <= rollout_episodes <= episodes:
        raise UserError(f"rollout episodes must be from 0 to {episodes}, got {rollout_episodes}")
    first = load_policy(policies[0])
    steps_of = nfe if first.algorithm.generative else [1]
    rollout_nfe = max(steps_of) if rollout_nfe is None or not first.algorithm.generative else rollout_nfe
    if rollout_episodes and first.task.maze is None:
        raise UserError(f"task {first.task.name} has no maze to draw rollouts in; leave out the rollouts")
    if rollout_episodes and rollout_nfe not in steps_of:
        raise UserError(f"rollout nfe {rollout_nfe} is not among the nfe that are evaluated: {steps_of}")
    rollouts = Rollouts(first.task, episodes)
    total = len(policies) * len(first.seeds) * len(steps_of) * episodes
    progress = Progress(f"evaluate {first.task.name} {first.label}", total, "episodes")
    rows, positions = [], []
    for path in policies:
        for seed in first.seeds:
            policy = load_policy(path, seed)
            if (policy.task, policy.label, policy.algorithm) != (first.task, first.label, first.algorithm):
                raise UserError(f"{path} and {policies[0]} differ in task or method; evaluate them apart")
            for k in steps_of:
                tracked = rollout_episodes if path == policies[-1] and k == rollout_nfe else 0
                found, tracks = rollouts.run(policy, k, tracked, progress.advance)
                rows += found
                positions += tracks
    return rows, positions


def write_rows(path: Path, kind: type, rows: Iterable) -> None:
    """Rows of a dataclass as CSV, atomically; None is empty and `episode_return` is called return."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([field.name.removeprefix("episode_") for field in fields(kind)])
    writer.writerows(
        [f"{value:.6g}" if isinstance(value, float) else value for value in astuple(row)] for row in rows
    )
    write_text(path, buffer.getvalue())
