import dataclasses
import subprocess
import sys
import tempfile
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.data.generate.waypoint import WaypointController, WaypointRecipe
from gtp.envs.make import check_exists, check_runs, make_environment, make_simulator
from gtp.envs.mazes import MAZES, cell_center, goal_position, maze_cells
from gtp.errors import UserError


def drive_to_goal(environment, task, seed: int = 0):
    """Rewards, terminations, truncations and infos of one episode of the noiseless controller."""
    controller = WaypointController(
        WaypointRecipe(maze=task.maze, action_noise=0.0), np.random.default_rng(seed)
    )
    observation, _ = environment.reset(seed=seed)
    steps = []
    while not steps or not (steps[-1][1] or steps[-1][2]):
        action = controller.act(observation[:2], observation[2:4], goal_position(task))
        observation, *rest = environment.step(action)
        steps.append(tuple(rest))
    return observation, steps


def test_reaching_the_goal_ends_the_episode_with_reward_one(maze_task):
    observation, steps = drive_to_goal(make_environment(maze_task), maze_task)
    rewards, terminated, truncated, infos = zip(*steps, strict=True)
    assert (rewards[-1], sum(rewards)) == (1, 1)
    assert (terminated[-1], any(truncated)) == (True, False)
    assert [info["success"] for info in infos] == [False] * (len(steps) - 1) + [True]
    assert np.linalg.norm(observation[:2] - goal_position(maze_task)) <= maze_task.goal_radius
    assert len(steps) < maze_task.max_episode_steps


def test_goal_is_exactly_the_centre_of_its_cell_in_every_episode(maze_task):
    task = dataclasses.replace(maze_task, observation_keys=("desired_goal",))
    environment = make_environment(task)
    for seed in range(5):
        observation, _ = environment.reset(seed=seed)
        np.testing.assert_array_equal(observation, [-1.0, 1.0])
        observation, *_ = environment.step(environment.action_space.sample())
        np.testing.assert_array_equal(observation, [-1.0, 1.0])
        np.testing.assert_array_equal(environment.unwrapped.model.site("target").pos[:2], [-1.0, 1.0])


def test_start_is_the_cell_with_the_simulators_noise(maze_task):
    environment = make_environment(maze_task)
    center = cell_center("umaze", maze_task.start_cell)
    starts = np.array([environment.reset(seed=seed)[0] for seed in range(20)])
    offsets = starts[:, :2] - center
    assert np.abs(offsets).max() <= 0.25
    assert offsets.std(axis=0).min() > 0.05
    np.testing.assert_array_equal(starts[:, 2:], 0)
    np.testing.assert_array_equal(environment.reset(seed=3)[0], starts[3])


def test_goal_radius_decides_success(maze_task):
    near = drive_to_goal(make_environment(maze_task), maze_task)[1]
    task = dataclasses.replace(maze_task, goal_radius=1.2)
    assert len(drive_to_goal(make_environment(task), task)[1]) < len(near)


class Broken(gym.Env):
    """Breaks when it is made, as FetchReach does beside another MuJoCo, or later on."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)

    def __init__(self, when="make"):
        if when == "make":
            raise AssertionError
        self.when = when

    def reset(self, *, seed=None, options=None):
        if self.when == "reset":
            raise AssertionError("no such joint")
        return np.zeros(3, np.float32), {}

    def step(self, action):
        raise RuntimeError("two\nlines")


gym.register("test/Broken-v0", entry_point=Broken)


def test_an_environment_that_breaks_is_one_line():
    with pytest.raises(UserError, match=r"'test/Broken-v0' does not work here \(AssertionError\); choose"):
        make_simulator("test/Broken-v0")
    for when, reason in (("reset", "AssertionError no such joint"), ("step", "RuntimeError two lines")):
        environment = make_simulator("test/Broken-v0", when=when)
        with pytest.raises(UserError, match=rf"does not work here \({reason}\)") as caught:
            check_runs(environment, "test/Broken-v0")
        assert "\n" not in str(caught.value)
    check_runs(make_simulator("Pendulum-v1"), "Pendulum-v1")


def test_an_id_that_there_is_none_of_is_found_without_making_it():
    for environment in ("test/Broken-v0", "Pendulum", "gymnasium.envs:Pendulum-v1", "Hopper-v4"):
        check_exists(environment)
    with pytest.raises(UserError, match="unknown environment 'Pendulun-v1'; did you mean 'Pendulum-v1'"):
        check_exists("Pendulun-v1")
    with pytest.raises(UserError, match="'no_such_module:Env-v0': .*install what it needs"):
        check_exists("no_such_module:Env-v0")


def test_horizon_truncates(maze_task):
    task = dataclasses.replace(maze_task, max_episode_steps=7)
    environment = make_environment(task)
    environment.reset(seed=0)
    ends = [environment.step(np.zeros(2, np.float32))[2:4] for _ in range(7)]
    assert ends == [(False, False)] * 6 + [(False, True)]


def test_observations_are_the_named_entries_in_order(maze_task):
    flat = make_environment(dataclasses.replace(maze_task, observation_keys=("desired_goal", "observation")))
    observation, _ = flat.reset(seed=0)
    assert observation.shape == flat.observation_space.shape == (6,)
    assert observation.dtype == flat.observation_space.dtype == np.float32
    np.testing.assert_array_equal(observation[:2], goal_position(maze_task))
    np.testing.assert_array_equal(observation[2:], make_environment(maze_task).reset(seed=0)[0])


@pytest.mark.parametrize("maze", MAZES)
def test_cells_lie_where_the_simulator_puts_them(maze, maze_task):
    free = [(c.row, c.col) for c in maze_cells(maze) if not c.is_wall]
    task = dataclasses.replace(maze_task, maze=maze, start_cell=free[0], goal_cell=free[-1])
    simulator = make_environment(task).unwrapped
    for cell in maze_cells(maze):
        np.testing.assert_allclose(simulator.maze.cell_rowcol_to_xy((cell.row, cell.col)), (cell.x, cell.y))
    assert {f"block_{c.row}_{c.col}" for c in maze_cells(maze) if c.is_wall} == {
        name
        for i in range(simulator.model.ngeom)
        if (name := simulator.model.geom(i).name).startswith("block_")
    }


@pytest.mark.filterwarnings("ignore:.*out of date")
def test_ant_mazes_are_four_times_as_large():
    task = TaskSpec(
        name="antmaze-umaze",
        environment="AntMaze_UMaze-v4",
        max_episode_steps=700,
        observation_keys=("achieved_goal", "observation"),
        maze="umaze",
        start_cell=(3, 1),
        goal_cell=(1, 1),
    )
    environment = make_environment(task)
    observation, info = environment.reset(seed=0)
    assert observation.shape == (29,)
    assert np.abs(observation[:2] - [-4.0, -4.0]).max() < 1.5
    np.testing.assert_array_equal(goal_position(task), [-4.0, 4.0])
    assert info["success"] is False


def test_other_environments_keep_their_rewards_and_say_nothing_of_success(box_task):
    environment, plain = make_environment(box_task), gym.make("Pendulum-v1", max_episode_steps=200)
    observation, info = environment.reset(seed=0)
    expected, _ = plain.reset(seed=0)
    np.testing.assert_array_equal(observation, expected)
    assert environment.step(np.ones(1, np.float32))[1] == plain.step(np.ones(1, np.float32))[1]
    assert "success" not in info


def test_importing_the_simulators_prints_nothing():
    code = "import gtp.data.sources.generate, gtp.data.prepare"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_no_model_files_are_left_behind(maze_task, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests use the shared one at the same time
    make_environment(maze_task).close()
    assert list(tmp_path.iterdir()) == []


def test_a_held_action_is_several_steps_of_the_simulator(maze_task):
    held = make_environment(dataclasses.replace(maze_task, action_repeat=3, max_episode_steps=4))
    plain = make_environment(maze_task)
    np.testing.assert_array_equal(held.reset(seed=3)[0], plain.reset(seed=3)[0])
    action = np.array([0.7, -0.4], dtype=np.float32)
    for step in range(4):
        after, _, _, truncated, _ = held.step(action)
        for _ in range(3):
            expected, *_ = plain.step(action)
        np.testing.assert_array_equal(after, expected)
        assert truncated == (step == 3)  # the horizon counts actions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": "PointMaze_UMase-v3"}, "'PointMaze_UMaze-v3'"),
        ({"environment": "Pendulum-v1"}, "PointMaze_UMaze-v3"),
        ({"maze": "umase"}, "did you mean 'umaze'"),
        ({"goal_cell": (2, 1)}, r"\(2, 1\) of maze 'umaze'.*try \(1, 1\)"),
        ({"start_cell": (9, 9)}, r"\(9, 9\)"),
        ({"start_cell": (1, 1)}, "start_cell and goal_cell"),
        ({"observation_keys": ("observatoin",)}, "did you mean 'observation'"),
        ({"observation_keys": ()}, "name some in observation_keys"),
    ],
)
def test_bad_tasks_get_one_line_with_the_remedy(changes, message, maze_task):
    with pytest.raises(UserError, match=message) as caught:
        make_environment(dataclasses.replace(maze_task, **changes))
    assert "\n" not in str(caught.value)


def test_bad_plain_tasks_get_one_line(box_task):
    with pytest.raises(UserError, match="leave observation_keys empty"):
        make_environment(dataclasses.replace(box_task, observation_keys=("observation",)))
    with pytest.raises(UserError, match="did you mean 'Pendulum-v1'"):
        make_environment(dataclasses.replace(box_task, environment="Pendulun-v1"))


def test_only_the_notice_of_a_newer_version_is_silenced(monkeypatch):
    make = gym.make

    def make_and_warn(*arguments, **options):
        warnings.warn("another notice", stacklevel=1)
        return make(*arguments, **options)

    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        make("Hopper-v4").close()
        monkeypatch.setattr(gym, "make", make_and_warn)
        make_simulator("Hopper-v4").close()
    texts = [str(each.message) for each in raised]
    assert sum("out of date" in text for text in texts) == 1  # of gymnasium's own function
    assert "another notice" in texts
