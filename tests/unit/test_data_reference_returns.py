import gymnasium as gym
import numpy as np
import pytest

from gtp.config import TaskSpec
from gtp.data.generate.locomotion import LocomotionRecipe
from gtp.data.generate.waypoint import WaypointRecipe
from gtp.data.summaries.reference_returns import measure_reference_returns

MAZE = TaskSpec(
    name="maze",
    environment="PointMaze_UMaze-v3",
    max_episode_steps=300,
    observation_keys=("observation",),
    maze="umaze",
    start_cell=(1, 1),
    goal_cell=(3, 1),
)
HOPPER = TaskSpec(name="hopper", environment="Hopper-v5", max_episode_steps=60)


def test_experts_reach_what_random_policies_do_not():
    random, expert = measure_reference_returns(MAZE, WaypointRecipe(maze="umaze"), episodes=5)
    assert (random.policy, expert.policy) == ("random", "expert")
    assert expert.success == expert.mean == 1.0
    assert random.mean < 1.0
    assert expert.length < random.length <= 300


def test_interval_is_students_over_episodes_and_the_measurement_repeats():
    recipe = LocomotionRecipe(robot="hopper", tier="medium")
    rows = measure_reference_returns(HOPPER, recipe, episodes=4)
    assert rows == measure_reference_returns(HOPPER, recipe, episodes=4)
    for row in rows:
        assert row.success is None
        assert row.low < row.mean < row.high
        assert row.mean - row.low == pytest.approx(row.high - row.mean)
    other = measure_reference_returns(
        HOPPER, LocomotionRecipe(robot="hopper", tier="medium", seed=1), episodes=4
    )
    assert other[0].mean != rows[0].mean


def test_interval_by_hand():
    row = measure_reference_returns(HOPPER, LocomotionRecipe(robot="hopper", tier="medium"), episodes=2)[0]
    a, b = replay_random(2)
    assert row.mean == pytest.approx((a + b) / 2)
    # The quantile t(0.975, 1) is 12.7062, the standard error of two numbers |a - b| / 2.
    assert row.high - row.mean == pytest.approx(12.7062 * abs(a - b) / 2, rel=1e-4)


def replay_random(episodes: int) -> list[float]:
    """The returns of the random policy's episodes, rolled out once more by hand."""
    returns = []
    for episode in range(episodes):
        resetting, acting = np.random.SeedSequence((0, episode)).spawn(2)
        rng, environment = np.random.default_rng(acting), gym.make("Hopper-v5", max_episode_steps=60)
        environment.reset(seed=int(resetting.generate_state(1)[0]))
        total, done = 0.0, False
        while not done:
            action = rng.uniform(-1, 1, 3).astype(np.float32)
            _, reward, terminated, truncated, _ = environment.step(action)
            total, done = total + reward, terminated or truncated
        returns.append(total)
    return returns
