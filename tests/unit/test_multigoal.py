"""The multi-goal world and its data: what the mean of four ways, one of them and the best of them reach."""

from collections import Counter

import gymnasium as gym
import numpy as np
import pytest

from gtp.config import TaskSpec
from gtp.data.generate.multigoal import MultiGoalRecipe
from gtp.data.generate.recording import record_episodes
from gtp.data.summaries.reference_returns import measure_reference_returns
from gtp.envs.make import make_environment
from gtp.envs.multigoal import (
    BEST,
    FRICTION,
    GOALS,
    RADIUS,
    REWARDS,
    START,
    STEP_COST,
    STRIDE,
    distance_to_lanes,
)
from gtp.progress import Progress

TASK = TaskSpec(name="multigoal", environment="gtp/MultiGoal-v0", max_episode_steps=30)


@pytest.fixture(scope="module")
def episodes():
    recipe = MultiGoalRecipe(steps=10_000)
    return list(record_episodes(recipe, 1, Progress("record", recipe.steps, "steps")))


def returns_of(act, count: int = 60) -> tuple[float, Counter]:
    """Mean return of a policy, and how often it reached which goal."""
    environment, total, goals = make_environment(TASK), 0.0, Counter()
    for seed in range(count):
        obs, _ = environment.reset(seed=seed)
        over = False
        while not over:
            obs, reward, terminated, truncated, info = environment.step(act(obs))
            total, over = total + reward, terminated or truncated
        goals[info["goal"]] += 1
    return total / count, goals


def neighbours(episodes):
    """(position (2,)) -> the data's actions (50, 2) nearest to it."""
    positions = np.concatenate([episode.observations[:-1] for episode in episodes])
    actions = np.concatenate([episode.actions for episode in episodes])
    return lambda obs: actions[np.square(positions - obs).sum(axis=1).argpartition(50)[:50]]


def test_nothing_is_symmetric_about_the_origin_and_lanes_are_apart():
    assert np.linalg.norm(GOALS.mean(axis=0)) > 0.2
    assert len(set(REWARDS)) == 4
    for goal in GOALS:
        assert min(np.linalg.norm(goal + other) for other in GOALS) > 2 * RADIUS
        assert distance_to_lanes(0.5 * (START + goal)) == pytest.approx(0.0, abs=1e-12)
    assert distance_to_lanes(START + 0.5) > 0.2


def test_friction_holds_short_actions_and_long_ones_have_one_stride():
    environment = gym.make("gtp/MultiGoal-v0", disable_env_checker=True)
    start, _ = environment.reset(seed=0)
    held, reward, *_ = environment.step(np.array([0.99 * FRICTION, 0.0], dtype=np.float32))
    assert np.array_equal(held, start)
    assert reward == -STEP_COST
    moved, *_ = environment.step(np.array([0.7, 1.0], dtype=np.float32))
    assert np.linalg.norm(moved - start) == pytest.approx(STRIDE, rel=1e-4)


def test_leaving_the_lanes_ends_the_episode_with_nothing():
    between = GOALS[0] + GOALS[1] - 2 * START
    direction = (between / np.linalg.norm(between)).astype(np.float32)
    mean, goals = returns_of(lambda obs: direction, count=5)
    assert set(goals) == {-1}
    assert -5 * STEP_COST < mean < 0


def test_the_mean_of_the_datas_actions_never_leaves_the_start(episodes):
    nearest = neighbours(episodes)
    mean, goals = returns_of(lambda obs: nearest(obs).mean(axis=0))
    assert goals == {-1: 60}
    assert mean == pytest.approx(-30 * STEP_COST)


def test_one_of_the_datas_actions_reaches_all_goals_alike(episodes):
    nearest, rng = neighbours(episodes), np.random.default_rng(0)
    mean, goals = returns_of(lambda obs: rng.choice(nearest(obs)), count=200)
    assert min(goals[goal] for goal in range(4)) > 30
    assert mean == pytest.approx(REWARDS.mean() - 7 * STEP_COST, abs=0.08)


def test_the_expert_takes_the_best_goal_and_chance_none():
    random, expert = measure_reference_returns(TASK, MultiGoalRecipe(), episodes=50)
    assert expert.success == 1.0
    assert expert.mean == pytest.approx(REWARDS[BEST] - 6.5 * STEP_COST, abs=0.01)
    assert random.mean == pytest.approx(-0.067, abs=0.02)


def test_data_go_to_each_goal_as_often(episodes):
    shares = [np.mean([abs(e.rewards[-1] - worth + STEP_COST) < 1e-6 for e in episodes]) for worth in REWARDS]
    assert min(shares) > 0.18
    assert max(shares) < 0.32
    assert sum(shares) > 0.95
