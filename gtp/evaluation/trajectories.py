"""What a policy has learned in one state: the paths that its solution map draws from noise to actions."""

from collections.abc import Sequence

import numpy as np
import torch

from gtp.algorithms.common.interface import bind
from gtp.algorithms.common.solution_map_policy import SolutionMapPolicy
from gtp.data.transitions import Transitions
from gtp.policy import Policy
from gtp.randomness import generator
from gtp.schema import EndPoint, Point

NEIGHBOURS = 64
CANDIDATES = 512
VISITED = 500
"""Positions of the dataset that show its world."""


def divided_state(transitions: Transitions) -> tuple[int, np.ndarray]:
    """Row of a state around which the dataset's actions differ most, and the rows of its neighbours.

    Among CANDIDATES evenly spaced rows, the one whose NEIGHBOURS nearest states (standardised distance)
    have the largest mean squared distance of the action from its mean: a junction, where a policy must
    hold several answers at once.
    """
    states = (transitions.observations - transitions.observation_mean) / transitions.observation_std
    best = (-1.0, 0, np.zeros(0, dtype=int))
    for row in np.linspace(0, len(states) - 1, min(CANDIDATES, len(states))).astype(int):
        distance = np.square(states - states[row]).sum(axis=1)
        near = np.argpartition(distance, min(NEIGHBOURS, len(states) - 1))[:NEIGHBOURS]
        spread = float(transitions.actions[near].var(axis=0).sum())
        best = max(best, (spread, int(row), near), key=lambda candidate: candidate[0])
    return best[1], best[2]


def check_drawable(policy: Policy, transitions: Transitions, samples: int, nfe: int) -> None:
    """Raises ValueError for actions of other than two dimensions, no solution map, and numbers below 1."""
    if samples < 1 or nfe < 1:
        raise ValueError(f"samples and nfe must be at least 1, got {samples} and {nfe}")
    if transitions.actions.shape[1] != 2:
        raise ValueError(
            f"trajectories are drawn for two action dimensions; {transitions.task.name} has"
            f" {transitions.actions.shape[1]}: choose another task"
        )
    if not isinstance(policy.algorithm, SolutionMapPolicy):
        raise ValueError(f"{policy.label} has no solution map to draw; choose a GTP method")


def trajectories(policy: Policy, transitions: Transitions, samples: int, nfe: int) -> list[Point]:
    """Paths of `samples` noise samples through K = nfe jumps in the most divided state, and the data there.

    Actions are in [-1, 1] units, times in the policy's own. Raises ValueError as `check_drawable` does.
    """
    check_drawable(policy, transitions, samples, nfe)
    row, near = divided_state(transitions)
    points = [
        Point(row, i, "data", 0.0, *map(float, transitions.actions[j])) for i, j in enumerate(sorted(near))
    ]
    with torch.inference_mode():
        times, path = _paths(policy, transitions, row, samples, nfe)
    for t, actions in zip(times.tolist(), path, strict=True):
        points += [Point(row, i, "path", t, *action) for i, action in enumerate(actions.tolist())]
    return points


def endpoints(
    policy: Policy, transitions: Transitions, samples: int, evaluations: Sequence[int]
) -> list[EndPoint]:
    """Where `samples` noise samples end at each of several K in the most divided state, and where that is.

    The place is known where observations are positions or begin with them: in the plane and in mazes. Raises
    ValueError as `check_drawable` does.
    """
    points = []
    row, _ = divided_state(transitions)
    for nfe in evaluations:
        check_drawable(policy, transitions, samples, nfe)
        with torch.inference_mode():
            _, path = _paths(policy, transitions, row, samples, nfe)
        points += [EndPoint("action", nfe, i, *action) for i, action in enumerate(path[-1].tolist())]
    observations = transitions.observations
    if observations.shape[1] == 2 or transitions.task.maze:
        points.append(EndPoint("state", None, 0, *observations[row, :2].tolist()))
        rows = np.linspace(0, len(observations) - 1, min(VISITED, len(observations))).astype(int)
        points += [
            EndPoint("visited", None, i, *place) for i, place in enumerate(observations[rows, :2].tolist())
        ]
    return points


def _paths(policy: Policy, transitions: Transitions, row: int, samples: int, nfe: int):
    """Times (K + 1,) and points (K + 1 of (samples, 2)) of the paths in the state of a row."""
    obs = policy.normalize(torch.from_numpy(transitions.observations[[row]])).expand(samples, -1)
    actor = bind(policy.modules, policy.params)["actor_ema"]
    noise = torch.randn((samples, 2), generator=generator(policy.seed, "flow map"))
    assert isinstance(policy.algorithm, SolutionMapPolicy)  # as check_drawable has it
    return policy.algorithm.trajectory(actor, obs, noise, nfe)
