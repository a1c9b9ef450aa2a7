import math

import gymnasium as gym
import numpy as np
import pytest

from gtp.data.generate.behaviour import ant
from gtp.data.generate.behaviour.ant import (
    AntGoals,
    has_fallen,
    heading_error,
    look,
    rotation_matrix,
    turn_back,
)
from gtp.data.generate.behaviour.policy import load_policies

SIGNS = np.array([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def simulator():
    environment = gym.make(
        "Ant-v5",
        disable_env_checker=True,
        exclude_current_positions_from_observation=False,
        include_cfrc_ext_in_observation=False,
        terminate_when_unhealthy=False,
    )
    yield environment
    environment.close()


def turned_about_itself(state: np.ndarray, turns: int) -> np.ndarray:
    """The same ant, turned by quarter turns about its own axis with its legs renamed; written out by hand."""
    state = state.copy()
    c, s = math.cos(turns * math.pi / 4), math.sin(turns * math.pi / 4)
    w, x, y, z = state[3:7]
    state[3:7] = [w * c - z * s, x * c + y * s, y * c - x * s, w * s + z * c]
    for _ in range(turns):
        wx, wy = state[18:20]
        state[18:20] = wy, -wx
    for joints in (slice(7, 15), slice(21, 29)):
        hips, ankles = state[joints][0::2].copy(), state[joints][1::2] * SIGNS
        state[joints] = np.stack([np.roll(hips, -turns), np.roll(ankles, -turns) * SIGNS], axis=1).ravel()
    return state


def test_four_namings_of_the_legs_give_one_view_and_one_motion(simulator):
    """The symmetry that the controller relies on, by the simulator's own physics."""
    rng = np.random.default_rng(0)
    simulator.reset(seed=0)
    for _ in range(20):
        start, *_ = simulator.step(rng.uniform(-1, 1, 8))
    goal, actions = start[:2] + np.array([3.0, 0.4]), rng.uniform(-1, 1, (5, 8))
    views, seen = [], set()
    for naming in range(4):
        state = turned_about_itself(start, naming)
        simulator.unwrapped.set_state(state[:15], state[15:])
        view, turns = look(state, goal)
        track = [view]
        seen.add(turns)
        for action in actions:
            state, *_ = simulator.step(turn_back(action, turns))
            view, turns = look(state, goal)
            track.append(view)
        views.append(np.array(track))
    assert seen == {0, 1, 2, 3}
    for other in views[1:]:
        np.testing.assert_allclose(other[:, :-1], views[0][:, :-1], atol=1e-12)
        # Where the torso leans, the heading depends on the naming a little.
        np.testing.assert_allclose(other[:, -1], views[0][:, -1], atol=0.1)


@pytest.mark.parametrize("angle", np.linspace(-3.1, 3.1, 13))
def test_goal_is_seen_ahead_wherever_it_is(angle):
    state = np.zeros(29)
    state[2], state[3] = 0.6, 1.0
    view, _ = look(state, np.array([2.0 * np.cos(angle), 2.0 * np.sin(angle)]))
    forward, left, distance, heading = view[-4:]
    assert heading == 0
    assert forward >= abs(left)
    assert np.hypot(forward, left) == pytest.approx(1)
    assert distance == pytest.approx(2.0 / ant.FAR)
    assert view[0] == 0.6
    np.testing.assert_array_equal(view[1:4], [0, 0, 1])  # up


def test_velocity_is_seen_in_the_direction_of_the_goal():
    state = np.zeros(29)
    state[2:4] = 0.6, 1.0
    state[15:18] = 0.0, 1.5, 0.0
    view, turns = look(state, np.array([0.0, 3.0]))  # goal and motion along +y: one quarter turn
    assert turns == 1
    np.testing.assert_allclose(view[4:7], [1.5, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("height", "quaternion", "fallen"),
    [
        (0.6, [1, 0, 0, 0], False),
        (0.1, [1, 0, 0, 0], True),
        (1.2, [1, 0, 0, 0], True),
        (0.6, [0, 1, 0, 0], True),
        (0.6, [math.cos(0.6), math.sin(0.6), 0, 0], False),
    ],
)
def test_fallen_means_too_low_too_high_or_tipped_over(height, quaternion, fallen):
    assert has_fallen(np.array([0, 0, height, *quaternion], dtype=float)) is fallen


@pytest.mark.parametrize(
    ("heading", "error"),
    [(0.3, 0.3), (-0.3, -0.3), (np.pi / 2 + 0.1, 0.1), (np.pi - 0.2, -0.2), (-3.0, np.pi - 3)],
)
def test_heading_error_is_the_angle_from_the_nearest_axis(heading, error):
    rotation = rotation_matrix(np.array([np.cos(heading / 2), 0, 0, np.sin(heading / 2)]))
    assert heading_error(rotation) == pytest.approx(error)


def test_reward_is_capped_speed_towards_the_goal_less_effort():
    environment = AntGoals()
    environment.reset(seed=1)
    before = environment.distance
    _, reward, fallen, truncated, _ = environment.step(np.full(8, 0.5, np.float32))
    speed = (before - environment.distance) / 0.05
    turned = abs(heading_error(rotation_matrix(environment.simulator.unwrapped.data.qpos[3:7])))
    assert reward == pytest.approx(min(speed, 2.5) + 0.5 - 0.1 * 8 * 0.25 - turned)
    assert (fallen, truncated) == (False, False)
    state = environment.simulator.unwrapped.data.qpos
    environment.place_goal(state[:2] + 0.1, state)
    _, reward, _, _, info = environment.step(np.zeros(8, np.float32))
    assert info["goals"] == 1
    assert reward > 5


def test_goals_repeat_with_the_seed_and_lie_one_to_eight_metres_away():
    def goals(seed):
        environment = AntGoals()
        view, _ = environment.reset(seed=seed)
        return view, environment.distance

    distances = [goals(seed)[1] for seed in range(30)]
    assert 1 <= min(distances) < 3 < 6 < max(distances) <= 8
    np.testing.assert_array_equal(goals(3)[0], goals(3)[0])


def test_shipped_ant_reaches_goals_within_eight_metres():
    """At least 95 of 100 goals, each within 15 s, from a standing start on open ground."""
    policy, environment, reached = load_policies("ant").expert, AntGoals(), 0
    for episode in range(100):
        view, info = environment.reset(seed=10_000 + episode)
        fallen, steps = False, 0
        while not fallen and info["goals"] == 0 and steps < 300:
            view, _, fallen, _, info = environment.step(policy.act(view))
            steps += 1
        reached += info["goals"]
    assert reached >= 95
