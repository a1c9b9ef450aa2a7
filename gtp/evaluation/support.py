"""Does a policy act where its data lie, and does its critic know what follows?

Actions that no data support are where a critic is a guess, and a policy that climbs it goes there. Both are
measured with the policy's own file: the distance of its actions to the data's in (state, action), and Q at
the actions it takes beside the discounted return of the same episodes from there on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from scipy.spatial import cKDTree

from gtp.acting import ActingRule
from gtp.algorithms.common.interface import bind
from gtp.config import TaskSpec
from gtp.data.transitions import Transitions, relative_to_box
from gtp.envs.make import make_environment
from gtp.errors import UserError
from gtp.evaluation.rollouts import rules_for
from gtp.policy import Policy, load_policy
from gtp.randomness import generator
from gtp.schema import Support

NEIGHBOURS = 50_000
"""Most transitions among which the nearest is sought."""
FAR = 0.95
"""Quantile of the data's own distances beyond which an action is far from them."""
REST = 0.01
"""Weight of the rewards that are left out because an episode must end."""
STD_FLOOR = 1e-3


class Visits(NamedTuple):
    """States of a policy's own episodes, what it did there and what followed."""

    obs: np.ndarray
    """(N, O)"""
    act: np.ndarray
    """(N, A) in [-1, 1]"""
    returns: np.ndarray
    """(N,) discounted, in training's rewards."""


@dataclass(frozen=True)
class Neighbourhood:
    """Part of the data as a tree to search, and states of another part, with the data's own distances."""

    tree: cKDTree
    states: np.ndarray
    """(P, O), raw."""
    scales: tuple[np.ndarray, np.ndarray]
    """Standard deviations of observations (O,) and actions (A,)."""
    distances: np.ndarray
    """(P,) of the actions that the data took in those states."""

    @classmethod
    def of(cls, transitions: Transitions, pairs: int) -> "Neighbourhood":
        """At most `pairs` states, and at most NEIGHBOURS other transitions.

        Raises: ValueError for pairs below 1 and for data of one transition.
        """
        if pairs < 1:
            raise ValueError(f"pairs must be at least 1, got {pairs}")
        if len(transitions) < 2:
            raise ValueError("the data have one transition alone, to which nothing can be near")
        order = torch.randperm(len(transitions), generator=generator(0, "support")).numpy()
        count = min(pairs, len(transitions) // 2)
        asked, kept = order[:count], order[count : count + NEIGHBOURS]
        obs, act = transitions.observations, transitions.actions
        scales = transitions.observation_std, np.maximum(act.std(axis=0), STD_FLOOR)
        tree = cKDTree(coordinates(obs[kept], act[kept], scales))
        own = tree.query(coordinates(obs[asked], act[asked], scales))[0]
        return cls(tree, obs[asked], scales, own)

    def distance(self, act: np.ndarray) -> np.ndarray:
        """Distance of actions in the states to the nearest transition.

        Shapes: act (P, A) in [-1, 1] -> (P,).
        """
        return self.tree.query(coordinates(self.states, act, self.scales))[0]


def coordinates(obs: np.ndarray, act: np.ndarray, scales: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(state, action) with every coordinate in its standard deviations: (N, O), (N, A) -> (N, O + A)."""
    return np.concatenate([obs / scales[0], act / scales[1]], axis=1)


def measure_support(
    path: Path,
    transitions: Transitions,
    nfe: int,
    acting: Sequence[str],
    pairs: int,
    episodes: int,
    discount: float,
    environment: str | None = None,
) -> list[Support]:
    """A row for each seed of a policy file and each rule that its method can follow.

    `nfe` is K; methods that cannot choose it have 1. `discount` is that of training. `environment` is that
    of `load_policy`.
    Raises: UserError for unusable files and when policy and data belong to different tasks, ValueError for
    numbers out of range and for rules as gtp.evaluation.rollouts.rules_for does.
    """
    first = load_policy(path, environment=environment)
    if first.task.name != transitions.task.name:
        raise UserError(
            f"{path} was trained on {first.task.name}, and the data are of {transitions.task.name};"
            " name the transitions that it was trained on"
        )
    if nfe < 1 or episodes < 1 or not 0.0 < discount <= 1.0:
        raise ValueError(
            "nfe and episodes must be at least 1 and the discount in (0, 1],"
            f" got nfe {nfe}, episodes {episodes} and discount {discount}"
        )
    k = nfe if first.algorithm.choosable_nfe else 1
    rules, near = rules_for(first, acting), Neighbourhood.of(transitions, pairs)
    environments = environments_for(first, episodes, discount)
    return [
        row(load_policy(path, seed, environment=environment), k, rule, near, environments, discount)
        for seed in first.seeds
        for rule in rules
    ]


def environments_for(policy: Policy, episodes: int, discount: float) -> list[gym.Env]:
    """Environments whose episodes run on after the task's horizon until what follows weighs REST; none where
    returns are not asked for: without a critic, and where training's rewards cannot be told from the task.
    """
    if policy.algorithm.critic is None or policy.task.reward_normalization != "none":
        return []
    more = math.ceil(math.log(REST) / math.log(discount)) if discount < 1.0 else 0
    longer = replace(policy.task, max_episode_steps=policy.task.max_episode_steps + more)
    return [make_environment(longer) for _ in range(episodes)]


def row(
    policy: Policy,
    nfe: int,
    rule: ActingRule,
    near: Neighbourhood,
    environments: Sequence[gym.Env],
    discount: float,
) -> Support:
    """The row of one seed and one rule. Without environments, Q and returns are left out."""
    known = (policy.seed, nfe, rule.name, len(near.states))
    own = float(np.median(near.distances))
    diverged = policy.diverged_at
    if diverged is None:
        policy.reset(range(len(near.states)))
        act = in_box(policy, policy.act(near.states, nfe, rule))
        visits = visit(policy, nfe, rule, environments, discount) if environments else None
        if not np.isfinite(act).all() or (visits and not np.isfinite(visits.act).all()):
            diverged = policy.step  # the very last update may ruin the weights unnoticed
    if diverged is not None:
        return Support(*known, None, own, None, 0, None, None, None, f"diverged@{diverged}")
    distance = near.distance(act)
    far = float((distance > np.quantile(near.distances, FAR)).mean())
    if visits is None:
        return Support(*known, float(np.median(distance)), own, far, 0, None, None, None, "ok")
    q = q_values(policy, visits)
    return Support(
        *known,
        float(np.median(distance)),
        own,
        far,
        len(q),
        float(q.mean()),
        float(visits.returns.mean()),
        float((q > visits.returns).mean()),
        "ok",
    )


def visit(
    policy: Policy, nfe: int, rule: ActingRule, environments: Sequence[gym.Env], discount: float
) -> Visits:
    """One episode in each environment: its states before the task's horizon, with the returns from there on.

    Actions that are not finite end the episodes at once and are the last.
    """
    count = len(environments)
    obs = np.stack([e.reset(seed=policy.start_seed(i))[0] for i, e in enumerate(environments)])
    policy.reset(range(count))
    paths: list[list[tuple]] = [[] for _ in range(count)]
    active = list(range(count))
    while active:
        raw = policy.act(obs, nfe, rule)
        act = in_box(policy, raw)
        if not np.isfinite(act).all():
            return Visits(obs, act, np.zeros(count))
        still = []
        for i in active:
            seen = obs[i].copy()
            obs[i], reward, terminated, truncated, _ = environments[i].step(raw[i])
            paths[i].append((seen, act[i], training_reward(policy.task, float(reward))))
            if not (terminated or truncated):
                still.append(i)
        active = still
    kept = []
    for path in paths:
        follow = returns_to_go([reward for *_, reward in path], discount)
        kept += [(o, a, g) for (o, a, _), g in zip(path, follow, strict=True)][
            : policy.task.max_episode_steps
        ]
    return Visits(*(np.stack(column) for column in zip(*kept, strict=True)))


def returns_to_go(rewards: Sequence[float], discount: float) -> list[float]:
    """sum_k discount^k r_{t + k} for each step t of an episode."""
    found, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
        found.append(total)
    return found[::-1]


def training_reward(task: TaskSpec, reward: float) -> float:
    """What training reads for a raw reward of a task without normalised rewards."""
    return task.reward_scale * (reward + task.reward_shift)


def in_box(policy: Policy, act: np.ndarray) -> np.ndarray:
    """Actions in the environment's units as they are in training, in [-1, 1]. Shapes: (B, A) -> (B, A)."""
    low, high = (bound.numpy() for bound in (policy.action_low, policy.action_high))
    return relative_to_box(act, low, high)


@torch.inference_mode()
def q_values(policy: Policy, visits: Visits) -> np.ndarray:
    """min_j Q_j of the averaged critic at what was visited, (N,), in training's rewards."""
    name = policy.algorithm.critic
    assert name is not None  # without one nothing is visited
    critic = bind(policy.modules, policy.params)[name]
    obs, act = (torch.as_tensor(part, dtype=torch.float32) for part in (visits.obs, visits.act))
    return critic(policy.normalize(obs), act).amin(dim=0).double().numpy()
