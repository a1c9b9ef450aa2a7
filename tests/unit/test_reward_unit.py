"""The unit of rewards against values of random episodes, and what methods do with it."""

from dataclasses import replace

import numpy as np
import pytest

from gtp.algorithms.fql import FQL
from gtp.algorithms.gmpg import GMPG
from gtp.algorithms.gmpo import GMPO
from gtp.algorithms.gtp import GTP
from gtp.algorithms.iql import IQL
from gtp.algorithms.td3_bc import TD3BC
from gtp.config import TaskSpec
from gtp.data.reward_scale import reward_unit

from .training_fixtures import tiny_transitions

GAMMA = 0.9


def maze_transitions(scale: float, shift: float):
    task = TaskSpec(
        name="maze",
        environment="PointMaze_UMaze-v3",
        max_episode_steps=10,
        maze="umaze",
        start_cell=(1, 1),
        goal_cell=(3, 1),
        reward_scale=scale,
        reward_shift=shift,
    )
    return replace(tiny_transitions(), task=task)


def discounted(step: float, goal: float, length: int) -> float:
    """Value of a state from which the goal is reached, and the episode ends, after `length` transitions."""
    rewards = [step] * (length - 1) + [goal]
    return sum(GAMMA**k * r for k, r in enumerate(rewards))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.0, -1.0), (0.1, 0.0), (2.0, -0.5)])
def test_differences_of_values_in_a_maze_become_those_with_rewards_of_minus_one_and_zero(scale, shift):
    unit = reward_unit(maze_transitions(scale, shift), GAMMA)
    step, goal = scale * shift, scale * (1.0 + shift)
    here = discounted(step, goal, 3) - discounted(step, goal, 8)
    there = discounted(-1.0, 0.0, 3) - discounted(-1.0, 0.0, 8)
    assert unit * here == pytest.approx(there)


def test_returns_of_locomotion_span_a_thousand():
    transitions = tiny_transitions()
    rewards = np.zeros(len(transitions), np.float32)
    rewards[:40] = 0.5  # two episodes of 20 transitions; all others return 0
    rewards[40] = -2.5
    assert reward_unit(replace(transitions, rewards=rewards), GAMMA) == pytest.approx(1000.0 / 12.5)
    small = replace(transitions, rewards=0.04 * rewards)
    assert reward_unit(small, GAMMA) == pytest.approx(1000.0 / 0.5)


def test_without_a_spread_rewards_are_left_alone():
    transitions = tiny_transitions()
    assert reward_unit(replace(transitions, rewards=np.ones_like(transitions.rewards)), GAMMA) == 1.0
    assert reward_unit(maze_transitions(1.0, 0.0), 1.0) == 1.0


def test_temperatures_follow_the_unit_and_nothing_else_does():
    assert IQL(beta=3.0).for_reward_unit(10.0) == IQL(beta=30.0)
    assert GMPO(beta=2.0).for_reward_unit(10.0) == GMPO(beta=20.0)
    assert GMPG(beta=2.0).for_reward_unit(10.0) == GMPG(beta=20.0)
    assert FQL(alpha=10.0).for_reward_unit(100.0) == FQL(alpha=0.1)
    assert FQL(normalize_q=True).for_reward_unit(100.0) == FQL(normalize_q=True)
    assert TD3BC().for_reward_unit(10.0) == TD3BC()
    assert GTP(guidance="linear_q", linear_q=0.01).for_reward_unit(100.0) == GTP(
        guidance="linear_q", linear_q=1.0
    )
    assert GTP().for_reward_unit(100.0) == GTP()
