import dataclasses
import pickle

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.envs.make import make_environment, make_simulator
from gtp.envs.mazes import MAZES, goal_position, layout_of
from gtp.errors import UserError

TASK = TaskSpec(
    name="antmaze-umaze",
    environment="gtp/D4RLAntMaze-v0",
    max_episode_steps=700,
    observation_keys=("achieved_goal", "observation"),
    maze="umaze",
    start_cell=(1, 1),
    goal_cell=(3, 1),
    goal_radius=0.5,
)
ARRAYS_THAT_DIFFER = {
    "actuator_acc0",  # follows from the gear
    "actuator_gear",
    "bvh_aabb",  # follows from the walls' places
    "bvh_nodeid",
    "geom_pos",
    "geom_solimp",
}


@pytest.fixture(scope="module")
def environment():
    return make_environment(TASK)


def at(environment, x: float, y: float, height: float = 0.6, yaw: float = 0.0):
    """Put the ant, legs as in the middle of a stride and at rest, upright at (x, y)."""
    environment.reset(seed=0)
    legs = [0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0]
    orientation = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
    environment.unwrapped.ant_env.set_state(np.array([x, y, height, *orientation, *legs]), np.zeros(14))


def test_model_is_gymnasiums_but_for_what_d4rl_sets_differently(environment):
    ours = environment.unwrapped.model
    gymnasiums = make_simulator("AntMaze_UMaze-v4", max_episode_steps=9).unwrapped.model
    differing = {
        name
        for name in dir(ours)
        if isinstance(value := getattr(ours, name), np.ndarray)
        and not np.array_equal(value, getattr(gymnasiums, name))
    }
    assert differing - {"site_pos"} == ARRAYS_THAT_DIFFER  # that site marks the last episode's goal
    assert ours.opt.timestep == 0.02
    np.testing.assert_array_equal(ours.actuator_gear, [[30, 0, 0, 0, 0, 0]] * 8)
    np.testing.assert_array_equal(ours.actuator_ctrlrange, [[-1, 1]] * 8)
    np.testing.assert_array_equal(ours.geom_solimp[:, :3], [[0.8, 0.8, 0.01]] * ours.ngeom)
    np.testing.assert_array_equal(ours.geom_solref, [[0.02, 1]] * ours.ngeom)
    assert ours.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    np.testing.assert_array_equal(ours.dof_armature, [0] * 6 + [1] * 8)
    np.testing.assert_array_equal(ours.dof_damping, [0] * 6 + [1] * 8)
    # Hips and ankles of D4RL's legs 1 to 4, in degrees.
    ranges = [[-30, 30], [30, 70], [-30, 30], [-70, -30], [-30, 30], [-70, -30], [-30, 30], [30, 70]]
    np.testing.assert_allclose(np.rad2deg(ours.jnt_range[1:]), ranges)


def test_an_action_lasts_a_tenth_of_a_second_and_pulls_with_thirty(environment):
    environment.reset(seed=0)
    data = environment.unwrapped.data
    before = data.time
    environment.step(np.linspace(-1, 1, 8, dtype=np.float32))
    assert data.time - before == pytest.approx(0.1)
    # Motors drive hip and ankle of D4RL's legs 4, 1, 2, 3, in this order.
    joints = [f"{joint}_{leg}" for leg in (4, 1, 2, 3) for joint in ("hip", "ankle")]
    torques = [data.joint(joint).qfrc_actuator[0] for joint in joints]
    np.testing.assert_allclose(torques, 30 * np.linspace(-1, 1, 8), rtol=1e-6)


def test_starts_at_the_origin_with_d4rls_noise(environment):
    starts = np.array([environment.reset(seed=seed)[0] for seed in range(50)])
    positions, velocities = starts[:, :15], starts[:, 15:]
    rest = np.array([0, 0, 0.75, 1, 0, 0, 0, *np.zeros(8)])
    offsets = np.delete(positions - rest, [3, 4, 5, 6], axis=1)
    assert 0.08 < np.abs(offsets).max() <= 0.1
    assert np.abs(offsets.mean(axis=0)).max() < 0.03
    np.testing.assert_allclose(np.linalg.norm(positions[:, 3:7], axis=1), 1, rtol=1e-6)
    assert 0.09 < velocities.std() < 0.11
    np.testing.assert_array_equal(environment.reset(seed=3)[0], starts[3])


@pytest.mark.parametrize(
    ("maze", "cell", "goal"),
    [("umaze", (3, 1), (0, 8)), ("medium", (6, 6), (20, 20)), ("large", (7, 9), (32, 24))],
)
def test_goals_lie_where_d4rl_has_them(maze, cell, goal):
    task = dataclasses.replace(TASK, maze=maze, goal_cell=cell, observation_keys=("desired_goal",))
    np.testing.assert_array_equal(goal_position(task), goal)
    environment = make_environment(task)
    for seed in range(2):
        np.testing.assert_array_equal(environment.reset(seed=seed)[0], goal)
        assert np.abs(environment.unwrapped.data.qpos[:2]).max() <= 0.1
    np.testing.assert_array_equal(environment.unwrapped.model.site("target").pos[:2], goal)


@pytest.mark.parametrize(
    ("maze", "cell", "goal"),
    [("umaze", (3, 1), (0.75, 8.75)), ("medium", (6, 6), (20.75, 20.75)), ("large", (7, 9), (32.75, 24.75))],
)
def test_the_offset_puts_goals_at_the_mean_of_d4rls(maze, cell, goal):
    task = dataclasses.replace(
        TASK, maze=maze, goal_cell=cell, goal_offset=(0.75, 0.75), observation_keys=("desired_goal",)
    )
    environment = make_environment(task)
    np.testing.assert_array_equal(environment.reset(seed=0)[0], goal)
    np.testing.assert_array_equal(environment.unwrapped.model.site("target").pos[:2], goal)
    for x, y, reached in [(*goal, True), (goal[0] - 0.75, goal[1] - 0.75, False)]:
        environment.reset(seed=0)
        at(environment, x, y)
        _, reward, terminated, _, info = environment.step(np.zeros(8, np.float32))
        assert (reward, terminated, info["success"]) == (float(reached), reached, reached)


def test_the_offset_moves_x_and_y_as_the_simulator_has_them():
    task = dataclasses.replace(TASK, goal_offset=(0.25, -1.5))
    np.testing.assert_array_equal(goal_position(task), [0.25, 6.5])
    task = dataclasses.replace(task, environment="AntMaze_UMaze-v4")
    np.testing.assert_array_equal(goal_position(task), [-3.75, -5.5])


@pytest.mark.parametrize("offset", [(2.0, 0.0), (0.0, -7.0), (np.nan, 0.0)])
def test_goals_outside_of_their_cell_are_refused(offset):
    with pytest.raises(UserError, match=r"goal_offset .*; choose") as caught:
        make_environment(dataclasses.replace(TASK, goal_offset=offset))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("maze", MAZES)
def test_cells_lie_where_the_simulator_puts_them(maze):
    cells = layout_of(TASK.environment).cells(maze)
    free = [(cell.row, cell.col) for cell in cells if not cell.is_wall]
    simulator = make_environment(
        dataclasses.replace(TASK, maze=maze, start_cell=free[0], goal_cell=free[-1])
    ).unwrapped
    walls = {
        geom.name: geom.pos
        for geom in map(simulator.model.geom, range(simulator.model.ngeom))
        if geom.name.startswith("block_")
    }
    assert walls.keys() == {f"block_{cell.row}_{cell.col}" for cell in cells if cell.is_wall}
    for cell in cells:
        center = [4 * (cell.col - 1), 4 * (cell.row - 1)]  # D4RL's rule
        np.testing.assert_array_equal([cell.x, cell.y], center)
        np.testing.assert_array_equal(simulator.maze.cell_rowcol_to_xy((cell.row, cell.col)), center)
        near = np.add(center, [1.9, -1.9])
        np.testing.assert_array_equal(simulator.maze.cell_xy_to_rowcol(near), [cell.row, cell.col])
        if cell.is_wall:
            np.testing.assert_array_equal(walls[f"block_{cell.row}_{cell.col}"], [*center, 1])
    np.testing.assert_array_equal(simulator.model.geom("block_0_0").size, [2, 2, 1])


@pytest.mark.parametrize(
    ("x", "y", "blocked"),
    # From the start, walls are left (x = -4), above (y = -4) and below (y = 4), and the way right is free.
    [(-2, 0, True), (0, -2, True), (0, 2, True), (2, 0, False), (8, 2, False), (8, 6, False), (2, 8, False)],
)
def test_walls_stop_the_ant_where_d4rl_has_them(x, y, blocked, environment):
    at(environment, x, y)
    contacts = environment.unwrapped.data.contact
    touched = {environment.unwrapped.model.geom(geom).name for pair in contacts.geom for geom in pair}
    assert any(name.startswith("block_") for name in touched) == blocked


def test_the_ant_cannot_be_pushed_through_a_wall(environment):
    def pushed(force_x: float, force_y: float) -> np.ndarray:
        at(environment, 0, 0)
        torso = environment.unwrapped.model.body("torso").id
        environment.unwrapped.data.xfrc_applied[torso, :2] = force_x, force_y
        for _ in range(60):
            observation, *_ = environment.step(np.zeros(8, np.float32))
        environment.unwrapped.data.xfrc_applied[:] = 0
        return observation[:2]

    assert pushed(15, 0)[0] > 3  # along the corridor
    assert pushed(0, 15)[1] < 2  # the wall between start and goal begins at y = 2
    assert pushed(-15, 0)[0] > -2


def test_observation_is_d4rls_in_its_order(environment):
    at(environment, 3.5, 0.25, yaw=0.7)
    rng = np.random.default_rng(0)
    for _ in range(10):
        observation, *_ = environment.step(rng.uniform(-1, 1, 8).astype(np.float32))
    data = environment.unwrapped.data
    assert observation.shape == environment.observation_space.shape == (29,)
    np.testing.assert_array_equal(observation, np.float32([*data.qpos[:15], *data.qvel[:14]]))
    joints = ["root", *(f"{joint}_{leg}" for leg in range(1, 5) for joint in ("hip", "ankle"))]
    np.testing.assert_array_equal(
        observation,
        np.float32(
            np.concatenate([*(data.joint(j).qpos for j in joints), *(data.joint(j).qvel for j in joints)])
        ),
    )
    torso = data.body("torso")
    np.testing.assert_allclose(observation[:3], torso.xpos, atol=0.05)  # xpos is of the step's beginning


def test_reset_returns_the_state_it_is_in(environment):
    observation, _ = environment.reset(seed=5)
    data = environment.unwrapped.data
    np.testing.assert_array_equal(observation, np.float32([*data.qpos, *data.qvel]))
    np.testing.assert_array_equal(data.body("torso").xpos, data.qpos[:3])


def test_velocities_are_of_the_world_and_turns_of_the_body(environment):
    at(environment, 0, 0, height=3.0, yaw=np.pi / 2)  # in the air, looking along y
    simulator = environment.unwrapped
    velocity = np.zeros(14)
    velocity[0], velocity[3] = 1.0, 2.0
    simulator.ant_env.set_state(simulator.data.qpos.copy(), velocity)
    mujoco.mj_step(simulator.model, simulator.data)
    assert simulator.data.qpos[0] == pytest.approx(0.02, rel=0.05)  # moves along the world's x
    rotation = simulator.data.qpos[3:7]
    # Turns about the body's x axis, which is the world's y: z of the torso's axis leans along the world's x.
    axis = np.zeros(3)
    mujoco.mju_rotVecQuat(axis, np.array([0.0, 0.0, 1.0]), rotation)
    np.testing.assert_allclose(axis, [np.sin(0.04), 0, np.cos(0.04)], atol=2e-3)


def test_reaching_the_goal_ends_the_episode(environment):
    at(environment, 0.2, 7.7)
    _, reward, terminated, truncated, info = environment.step(np.zeros(8, np.float32))
    assert (reward, terminated, truncated, info["success"]) == (1, True, False, True)
    at(environment, 0.0, 7.3)
    _, reward, terminated, truncated, info = environment.step(np.zeros(8, np.float32))
    assert (reward, terminated, truncated, info["success"]) == (0, False, False, False)


def test_relabels_trajectories_of_d4rls_frame(write_dataset):
    # From the start right, down and back left to the goal at (0, 8); the last state lies beyond it.
    way = np.array([(0.0, 0), (4, 0), (8, 0), (8, 4), (8, 8), (4, 8), (0.51, 8), (0.3, 8.3), (-1, 8)])
    steps = len(way) - 1
    episode = {
        "observations": {
            "achieved_goal": way,
            "observation": np.zeros((steps + 1, 27)),
            "desired_goal": np.zeros((steps + 1, 2)),
        },
        "actions": np.zeros((steps, 8), np.float32),
        "rewards": np.zeros(steps),
        "terminations": np.zeros(steps, bool),
        "truncations": np.arange(steps) == steps - 1,
    }
    sizes = {"achieved_goal": 2, "observation": 27, "desired_goal": 2}
    source = write_dataset(
        episode,
        observation_space=spaces.Dict(
            {name: spaces.Box(-np.inf, np.inf, (size,), np.float64) for name, size in sizes.items()}
        ),
        action_space=spaces.Box(-1, 1, (8,), np.float32),
    )
    transitions = prepare_transitions(*source, dataclasses.replace(TASK, reward_shift=-1.0))
    np.testing.assert_array_equal(transitions.rewards, [-1] * 6 + [0])
    np.testing.assert_array_equal(transitions.terminations, [0] * 6 + [1])
    np.testing.assert_allclose(transitions.next_observations[-1, :2], [0.3, 8.3], rtol=1e-6)


def test_copies_and_plain_use_are_d4rls_too():
    environment = gym.make("gtp/D4RLAntMaze-v0", maze_map=MAZES["medium"]).unwrapped
    copy = pickle.loads(pickle.dumps(environment))
    assert copy.maze.maze_map == MAZES["medium"]
    np.testing.assert_array_equal(copy.model.geom_pos, environment.model.geom_pos)
    observation, _ = copy.reset(seed=0)
    goal = observation["desired_goal"]
    row, col = copy.maze.cell_xy_to_rowcol(goal)
    assert MAZES["medium"][row][col] == 0
    np.testing.assert_array_equal(goal, [4 * (col - 1), 4 * (row - 1)])


def test_cells_that_are_walls_get_one_line():
    with pytest.raises(UserError, match=r"cell \(2, 1\) of maze 'umaze'.*try \(1, 1\)"):
        make_environment(dataclasses.replace(TASK, goal_cell=(2, 1)))
