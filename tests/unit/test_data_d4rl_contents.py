"""D4RL's files: what the datasets made from them say, and what training reads from them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.data.sources import d4rl, d4rl_file
from gtp.data.store.card import verify_card
from gtp.data.store.minari_store import open_dataset
from gtp.envs.mazes import MAZES, goal_position, layout_of

from .d4rl_files import (
    ANTMAZE,
    HOPPER,
    antmaze_columns,
    convert,
    fetch_d4rl,
    hopper_columns,
    next_of,
    rows_of,
    write_file,
)

pytestmark = pytest.mark.usefixtures("d4rl_folder")


@pytest.mark.parametrize(
    ("d4rl_id", "sizes", "environment"),
    [
        ("hopper-medium-v2", (11, 3), "Hopper-v4"),
        ("halfcheetah-medium-replay-v2", (17, 6), "HalfCheetah-v4"),
        ("walker2d-medium-expert-v2", (17, 6), "Walker2d-v4"),
    ],
)
def test_locomotion_datasets_name_their_environment(d4rl_id, sizes, environment, root):
    columns = hopper_columns(4, timeouts=[3]) | {
        "observations": np.ones((4, sizes[0]), np.float32),
        "actions": np.ones((4, sizes[1]), np.float32),
    }
    card, episodes = convert(root, columns, d4rl_id, command="typed")
    dataset = open_dataset(f"d4rl/{d4rl_id}", root)
    assert dataset.env_spec.id == environment == card["d4rl"]["environment"]
    assert (dataset.observation_space.shape, dataset.action_space.shape) == ((sizes[0],), (sizes[1],))
    assert {dataset.observation_space.dtype, dataset.action_space.dtype} == {np.dtype("float32")}
    assert {getattr(episodes[0], n).dtype for n in ("observations", "actions", "rewards")} == {np.dtype("f4")}
    assert card == verify_card(root / "d4rl" / d4rl_id)
    assert (card["source"], card["command"]) == ("d4rl", "typed")
    digest = hashlib.sha256((root.parent / "file.hdf5").read_bytes()).hexdigest()
    assert card["recipe"] == {"name": "d4rl", "version": d4rl.VERSION, "id": d4rl_id, "file_sha256": digest}


def test_double_precision_is_kept(root):
    columns = hopper_columns(4, timeouts=[3])
    columns = {name: v.astype("f8") if v.dtype == "f4" else v for name, v in columns.items()}
    _, episodes = convert(root, columns)
    assert open_dataset(f"d4rl/{HOPPER}", root).observation_space.dtype == np.float64
    assert episodes[0].observations.dtype == episodes[0].actions.dtype == np.float64


def test_columns_with_a_second_axis_and_numbers_for_flags_are_d4rls_too(root):
    columns = hopper_columns(4, terminals=[1], timeouts=[3])
    plain = rows_of(convert(root, columns)[1])
    changed = {n: columns[n][:, None].astype("f4") for n in ("rewards", "terminals", "timeouts")}
    path = write_file(root.parent / "wide.hdf5", columns | changed)
    fetch_d4rl(HOPPER, root, path)
    assert rows_of(open_dataset(f"d4rl/{HOPPER}", root).iterate_episodes()) == plain


def test_transitions_of_a_locomotion_task(root):
    convert(root, hopper_columns(8, timeouts=[2], terminals=[5]))
    task = TaskSpec(name="hopper-medium", environment="Hopper-v4", max_episode_steps=1000)
    transitions = prepare_transitions(f"d4rl/{HOPPER}", root, task)
    assert transitions.observations[:, 0].tolist() == [0, 1, 3, 4, 5, 6]
    assert transitions.next_observations[:, 0].tolist() == [1, 2, 4, 5, 5, 7]
    assert transitions.terminations.tolist() == [0, 0, 0, 0, 1, 0]
    assert transitions.rewards.tolist() == [0, 0.5, 1.5, 2, 2.5, 3]
    assert transitions.episode_starts.tolist() == [0, 2, 5]


def test_antmaze_recordings_go_on_after_terminals(root):
    goals = np.float32([[7, 8]] * 6 + [[9, 10]] * 3)
    columns = antmaze_columns(
        [[i / 2, -i / 4] for i in range(6)] + [[0, 0]] * 3, terminals=[2, 3, 8], timeouts=[5]
    )
    card, episodes = convert(root, columns | {"infos/goal": goals}, ANTMAZE)
    assert [len(episode) for episode in episodes] == [5, 2]
    one = episodes[0].observations
    assert one["achieved_goal"].tolist() == [[i / 2, -i / 4] for i in range(6)]
    assert one["observation"].shape == (6, 27)
    assert one["observation"][3, :2].tolist() == [302, 303]
    assert one["desired_goal"].tolist() == [[7, 8]] * 6
    assert episodes[1].observations["desired_goal"].tolist() == [[9, 10]] * 3
    assert np.flatnonzero(episodes[0].terminations).tolist() == [2, 3]
    assert np.flatnonzero(episodes[0].truncations).tolist() == [4]
    # The terminal in the last row of the file has no known successor, and none is made up.
    assert not episodes[1].terminations.any()
    assert card["d4rl"]["dropped_rows"] == 2
    assert card["d4rl"]["desired_goal"] == "infos/goal"
    dataset = open_dataset(f"d4rl/{ANTMAZE}", root)
    assert dataset.env_spec.id == "gtp/D4RLAntMaze-v0"
    recovered = dataset.recover_environment()
    assert recovered.spec.max_episode_steps == 700
    assert recovered.unwrapped.maze.maze_map == MAZES["umaze"]
    assert recovered.observation_space["observation"].shape == (27,)
    Path(recovered.unwrapped.tmp_xml_file_path).unlink()  # Gymnasium-Robotics leaves it behind
    assert {space.dtype for space in dataset.observation_space.values()} == {np.dtype("float32")}
    assert dataset.observation_space.contains({key: value[0] for key, value in one.items()})


@pytest.mark.parametrize("block", [1, 3, 100])
def test_the_card_says_where_antmaze_rewards_were_earned(block, root, monkeypatch):
    monkeypatch.setattr(d4rl_file, "BLOCK", block)
    positions = [[0, 0], [0.5, 0], [1, 0.5], [1.25, 0.5], [8, 8], [8, 8.5], [8, 9]]
    # Steps 1 and 2 lead to rows 2 and 3; step 3 leads nowhere that is known; step 4 leads to row 5.
    columns = antmaze_columns(positions, terminals=[1, 2, 3, 4], timeouts=[6])
    card, _ = convert(root, columns, ANTMAZE)
    assert card["d4rl"]["rewarded_steps"] == 3
    assert card["d4rl"]["rewarded_position"] == pytest.approx([(1 + 1.25 + 8) / 3, (0.5 + 0.5 + 8.5) / 3])


def test_rewards_elsewhere_have_no_place(root):
    for columns, d4rl_id in [
        (antmaze_columns(np.zeros((3, 2)), timeouts=[2]), ANTMAZE),
        (hopper_columns(4, timeouts=[3]), HOPPER),
    ]:
        card, _ = convert(root, columns, d4rl_id)
        assert (card["d4rl"]["rewarded_steps"], card["d4rl"]["rewarded_position"]) == (0, None)


def test_antmaze_without_goals_says_so(root):
    card, episodes = convert(root, antmaze_columns(np.zeros((3, 2)), timeouts=[2]), ANTMAZE)
    assert episodes[0].observations["desired_goal"].tolist() == [[0, 0]] * 3
    assert card["d4rl"]["desired_goal"] == "absent: zeros"


def test_antmaze_next_observations_are_the_last_ones(root):
    columns = next_of(antmaze_columns(np.zeros((4, 2)), timeouts=[1]), {1: 5, 3: 6})
    card, episodes = convert(root, columns | {"infos/goal": np.ones((4, 2), np.float32)}, ANTMAZE)
    assert [e.observations["achieved_goal"].tolist() for e in episodes] == [
        [[0, 0], [0, 0], [5, 5]],
        [[0, 0], [0, 0], [6, 6]],
    ]
    assert episodes[1].observations["observation"][-1].tolist() == [6] * 27
    assert episodes[1].observations["desired_goal"].tolist() == [[1, 1]] * 3
    assert card["d4rl"]["dropped_rows"] == 0


def test_an_ant_that_jumps_was_reset(root):
    # The flags of the first files are out of step with the recordings (issue 77 of D4RL).
    positions = [[0, 0], [0.9, 0], [1.8, 0], [1.8, 3], [1.8, 3.9]]
    card, episodes = convert(root, antmaze_columns(positions), "antmaze-umaze-v0")
    x_y = [episode.observations["achieved_goal"].tolist() for episode in episodes]
    assert x_y == [np.float32(positions[:3]).tolist(), np.float32(positions[3:]).tolist()]
    assert card["d4rl"]["borders"] == ["timeouts", "steps of more than 1.0 m"]


def test_antmaze_horizon_is_that_of_its_maze(root):
    columns = antmaze_columns(np.zeros((1001, 2))) | {"timeouts": None}
    assert [len(episode) for episode in convert(root, columns, "antmaze-umaze-v0")[1]] == [699, 300]
    assert [len(episode) for episode in convert(root, columns, "antmaze-large-play-v0")[1]] == [999]


def test_transitions_of_an_antmaze_task_end_at_the_goal(root):
    task = TaskSpec(
        name="antmaze-umaze",
        environment="gtp/D4RLAntMaze-v0",
        max_episode_steps=700,
        observation_keys=("achieved_goal", "observation"),
        maze="umaze",
        start_cell=(1, 1),
        goal_cell=(3, 1),
    )
    goal = goal_position(task)
    offsets = [1.4, 0.9, 0.2, 0.1, 0.9, 0.8]  # from the goal; inside its region are the third and fourth
    assert 0.2 < task.goal_radius < 0.8
    # D4RL marks the steps that end in the goal region: 1 and 2.
    columns = antmaze_columns([goal + np.array([0, d]) for d in offsets], terminals=[1, 2], timeouts=[5])
    convert(root, columns, ANTMAZE)
    dataset = open_dataset(f"d4rl/{ANTMAZE}", root)
    assert dataset.env_spec.id == task.environment
    assert layout_of(dataset.env_spec.id).origin == (1, 1)
    transitions = prepare_transitions(f"d4rl/{ANTMAZE}", root, task)
    np.testing.assert_array_equal(transitions.observations, columns["observations"][[0, 1, 4]])
    np.testing.assert_array_equal(transitions.next_observations, columns["observations"][[1, 2, 5]])
    assert transitions.terminations.tolist() == transitions.rewards.tolist() == [0, 1, 0]
    assert transitions.episode_starts.tolist() == [0, 2]
