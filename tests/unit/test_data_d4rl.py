"""D4RL's files: what the conversion makes of each kind of row, what it refuses, and how it downloads."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.data.sources import d4rl, d4rl_file, download
from gtp.data.sources.d4rl import fetch_d4rl
from gtp.data.sources.d4rl_tasks import URLS, find_task
from gtp.data.store.card import read_card, verify_card, write_card
from gtp.data.store.minari_store import minari_root, open_dataset
from gtp.envs.mazes import MAZES, goal_position, layout_of
from gtp.errors import UserError

HOPPER, ANTMAZE = "hopper-medium-v2", "antmaze-umaze-v2"
SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch) -> Path:
    """D4RL's folder, empty; no test may find the user's, or wait long for a server."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))
    return tmp_path / "d4rl"


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


def marks(rows: int, *at: int) -> np.ndarray:
    """Flags of some rows, set at the given ones."""
    flags = np.zeros(rows, dtype=bool)
    flags[list(at)] = True
    return flags


def hopper_columns(rows: int, *, terminals=(), timeouts=(), **columns) -> dict:
    """Columns of a hopper's file; row i is recognised by its values: observation i, action i / 40000."""
    return {
        "observations": np.repeat(np.arange(rows, dtype=np.float32)[:, None], 11, axis=1),
        "actions": np.repeat(np.arange(rows, dtype=np.float32)[:, None] / 40000, 3, axis=1),
        "rewards": np.arange(rows, dtype=np.float32) / 2,
        "terminals": marks(rows, *terminals),
        "timeouts": marks(rows, *timeouts),
        **columns,
    }


def antmaze_columns(positions, *, terminals=(), timeouts=(), **columns) -> dict:
    """Columns of an ant's file along positions (N, 2); entry j >= 2 of observation i is 100 i + j."""
    positions = np.asarray(positions, dtype=np.float32)
    rows = len(positions)
    rest = 100 * np.arange(rows, dtype=np.float32)[:, None] + np.arange(2, 29, dtype=np.float32)
    return {
        "observations": np.concatenate([positions, rest], axis=1),
        "actions": np.repeat(np.arange(rows, dtype=np.float32)[:, None] / 1000, 8, axis=1),
        "rewards": marks(rows, *terminals).astype(np.float32),
        "terminals": marks(rows, *terminals),
        "timeouts": marks(rows, *timeouts),
        **columns,
    }


def next_of(columns: dict, ends: dict[int, float]) -> dict:
    """Add next_observations: the following row's, but at the rows in `ends` that value everywhere."""
    following = np.roll(columns["observations"], -1, axis=0)
    for row, value in ends.items():
        following[row] = value
    return columns | {"next_observations": following}


def write_file(path: Path, columns: dict, **options) -> Path:
    """An HDF5 file as D4RL writes them, compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if values is not None:
                file.create_dataset(name, data=values, **({"compression": "gzip"} | options))
        file["metadata/algorithm"] = np.bytes_("SAC")
    return path


def convert(root: Path, columns: dict, d4rl_id: str = HOPPER, **options) -> tuple[dict, list]:
    """Card and episodes of a file with these columns."""
    path = write_file(root.parent / "file.hdf5", columns)
    card = fetch_d4rl(d4rl_id, root, source=str(path), **options)
    return card, list(open_dataset(f"d4rl/{d4rl_id}", root).iterate_episodes())


def rows_of(episodes: list) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """Of each hopper episode: its observations, actions, terminations and truncations as row numbers."""
    return [
        (
            episode.observations[:, 0].astype(int).tolist(),
            np.rint(40000 * episode.actions[:, 0]).astype(int).tolist(),
            np.flatnonzero(episode.terminations).tolist(),
            np.flatnonzero(episode.truncations).tolist(),
        )
        for episode in episodes
    ]


def assert_nothing_installed(root: Path) -> None:
    assert not list(root.glob("d4rl/*"))
    assert [path.name for path in root.glob(".building/*") if path.suffix != ".lock"] == []
    if root.exists():
        with minari_root(root):
            assert minari.list_local_datasets() == {}


# Which rows become which episodes.


def test_without_next_observations_the_unknown_successors_go(root):
    #   rows  0 1 2t | 3 4 5T | 6 7     t: timeout, T: terminal, then the end of the file
    card, episodes = convert(root, hopper_columns(8, timeouts=[2], terminals=[5]))
    assert rows_of(episodes) == [
        ([0, 1, 2], [0, 1], [], [1]),
        ([3, 4, 5, 5], [3, 4, 5], [2], []),
        ([6, 7], [6], [], [0]),
    ]
    assert [episode.rewards.tolist() for episode in episodes] == [[0, 0.5], [1.5, 2, 2.5], [3]]
    assert (card["d4rl"]["rows"], card["d4rl"]["dropped_rows"], card["d4rl"]["vanished_episodes"]) == (
        8,
        2,
        0,
    )
    assert (card["episodes"], card["steps"]) == (3, 6)
    assert card["d4rl"]["borders"] == ["terminals", "timeouts"]


def test_with_next_observations_every_row_is_kept(root):
    columns = hopper_columns(8, timeouts=[2], terminals=[5])
    card, episodes = convert(root, next_of(columns, {2: 20, 5: 50, 7: 70}))
    assert rows_of(episodes) == [
        ([0, 1, 2, 20], [0, 1, 2], [], [2]),
        ([3, 4, 5, 50], [3, 4, 5], [2], []),
        ([6, 7, 70], [6, 7], [], [1]),
    ]
    assert (card["steps"], card["d4rl"]["dropped_rows"]) == (8, 0)


def test_a_border_that_no_flag_marks_shows_in_the_next_observations(root):
    # As where D4RL put two files together: medium-expert.
    columns = next_of(hopper_columns(6, timeouts=[5]), {2: 20, 5: 50})
    columns["next_observations"][3] += 5e-7  # rounding is no border
    assert rows_of(convert(root, columns)[1]) == [
        ([0, 1, 2, 20], [0, 1, 2], [], [2]),
        ([3, 4, 5, 50], [3, 4, 5], [], [2]),
    ]


def test_files_without_timeouts_are_cut_at_the_horizon(root):
    # 1000 steps in an episode, counted anew after a terminal: 0..999, 1000..1005T, 1006..2005, 2006..2009
    card, episodes = convert(
        root, hopper_columns(2010, terminals=[1005], timeouts=[7], timeouts_=None), HOPPER
    )
    assert len(episodes) == 3  # with its timeouts
    path = write_file(root.parent / "old.hdf5", hopper_columns(2010, terminals=[1005]) | {"timeouts": None})
    card = fetch_d4rl("hopper-medium-v0", root, source=str(path))
    episodes = list(open_dataset("d4rl/hopper-medium-v0", root).iterate_episodes())
    assert [(rows[0][0], rows[0][-1], len(rows[1]), rows[2]) for rows in rows_of(episodes)] == [
        (0, 999, 999, []),
        (1000, 1005, 6, [5]),
        (1006, 2005, 999, []),
        (2006, 2009, 3, []),
    ]
    assert card["d4rl"]["borders"] == ["terminals", "every 1000 steps"]
    assert card["d4rl"]["dropped_rows"] == 3


def test_episodes_of_one_step(root):
    columns = hopper_columns(5, timeouts=[0, 2, 4], terminals=[3])
    card, episodes = convert(root, columns)
    # Row 0 vanishes; 1 2t loses its last; 3T stays with its observation repeated; 4t vanishes.
    assert rows_of(episodes) == [([1, 2], [1], [], [0]), ([3, 3], [3], [0], [])]
    assert (card["d4rl"]["dropped_rows"], card["d4rl"]["vanished_episodes"]) == (3, 2)
    path = write_file(root.parent / "next.hdf5", next_of(columns, {0: 10, 2: 20, 3: 30, 4: 40}))
    card = fetch_d4rl(HOPPER, root, source=str(path))
    assert [len(episode) for episode in open_dataset(f"d4rl/{HOPPER}", root)] == [1, 2, 1, 1]
    assert card["d4rl"]["vanished_episodes"] == 0


def test_a_terminal_step_at_the_horizon_terminates(root):
    _, episodes = convert(root, hopper_columns(4, timeouts=[3], terminals=[3]))
    assert rows_of(episodes) == [([0, 1, 2, 3, 3], [0, 1, 2, 3], [3], [])]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("following", [False, True])
def test_blocks_of_any_size_give_the_same_episodes(block, following, root, monkeypatch):
    columns = hopper_columns(23, timeouts=[2, 3, 11, 17], terminals=[6, 7, 13])
    if following:
        columns = next_of(columns, dict.fromkeys((2, 3, 6, 7, 9, 11, 13, 17, 22), 99))
    expected = rows_of(convert(root, columns)[1])
    monkeypatch.setattr(d4rl_file, "BLOCK", block)
    other = root.parent / "other"
    fetch_d4rl(HOPPER, other, source=str(root.parent / "file.hdf5"))
    found = rows_of(open_dataset(f"d4rl/{HOPPER}", other).iterate_episodes())
    assert found == expected
    assert len(found) == (9 if following else 7)


def test_blocks_count_the_horizon_across_their_borders(root, monkeypatch):
    monkeypatch.setattr(d4rl_file, "BLOCK", 64)
    _, episodes = convert(root, hopper_columns(2010, terminals=[1005]) | {"timeouts": None})
    assert [len(episode) for episode in episodes] == [999, 6, 999, 3]


# What the datasets say, and what training reads from them.


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
    fetch_d4rl(HOPPER, root, source=str(path))
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


# What is refused.


BAD = {
    "no actions": ({"actions": None}, "it has no 'actions'"),
    "no observations": ({"observations": None}, "it has no 'observations'"),
    "no terminals": ({"terminals": None}, "it has no 'terminals'"),
    "short rewards": ({"rewards": np.zeros(7, "f4")}, "its 'rewards' have 7 rows and its 'observations' 8"),
    "long next": ({"next_observations": np.zeros((9, 11), "f4")}, "its 'next_observations' have 9 rows"),
    "another robot": ({"observations": np.zeros((8, 17), "f4")}, r"shape \(8, 17\) where \('N', 11\)"),
    "wide rewards": ({"rewards": np.zeros((8, 2), "f4")}, r"its 'rewards' have shape \(8, 2\)"),
    "a number": ({"rewards": np.float32(1)}, r"its 'rewards' have shape \(\)"),
    "integers": ({"observations": np.zeros((8, 11), "i4")}, "its 'observations' are int32"),
    "half precision": ({"actions": np.zeros((8, 3), "f2")}, "its 'actions' are float16"),
    "words": ({"rewards": np.array([b"a"] * 8)}, r"its 'rewards' are \|S1"),
    "NaN": ({"observations": np.full((8, 11), np.nan, "f4")}, "its 'observations' contain NaN .* in row 0"),
    "infinite": ({"rewards": np.float32([0] * 7 + [np.inf])}, "its 'rewards' contain NaN .* in row 7"),
    "NaN next": (
        {"next_observations": np.full((8, 11), np.nan, "f4")},
        "its 'next_observations' contain NaN",
    ),
    "NaN flag": ({"terminals": np.full(8, np.nan, "f4")}, "its 'terminals' contain NaN"),
    "counts": ({"timeouts": np.arange(8)}, "its 'timeouts' contain other values than 0 and 1"),
    "wide actions": (
        {"actions": np.full((8, 3), 1.0001, "f4")},
        r"its 'actions' reach 1.0001, outside \[-1, 1\]",
    ),
    "nothing known": ({"timeouts": np.ones(8, bool)}, "it has no step whose successor is known"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_columns_are_one_line(change, message, root):
    columns = hopper_columns(8, timeouts=[7]) | change
    path = root.parent / "bad.hdf5"
    write_file(path, columns, **({"compression": None} if np.shape(change.get("rewards", [0])) == () else {}))
    with pytest.raises(UserError, match=message) as caught:
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def assert_one_line(error: UserError, path: Path) -> None:
    assert "\n" not in str(error)
    assert str(path) in str(error)
    assert "use an intact copy" in str(error)


def test_rounding_of_actions_is_clipped(root):
    _, episodes = convert(root, hopper_columns(4, actions=np.full((4, 3), 1 + 5e-6, "f4")))
    assert episodes[0].actions.max() == 1.0


def test_no_rows(root):
    path = write_file(root.parent / "bad.hdf5", hopper_columns(0))
    with pytest.raises(UserError, match="it has no rows") as caught:
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def test_a_bad_value_in_a_later_block_leaves_nothing(root, monkeypatch):
    monkeypatch.setattr(d4rl_file, "BLOCK", 10)
    columns = hopper_columns(100, timeouts=range(4, 100, 5))
    columns["rewards"][93] = np.nan
    path = write_file(root.parent / "bad.hdf5", columns)
    with pytest.raises(UserError, match="its 'rewards' contain NaN or infinite values in row 93"):
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_nothing_installed(root)


HUGE = {
    "nothing of it": {"shape": (10**13, 11), "dtype": "f4", "chunks": (100, 11)},
    "one block": {"shape": (10**13, 11), "dtype": "f4"},
    "huge pieces": {"shape": (10**9, 11), "dtype": "f4", "chunks": (10**7, 11)},
}


@pytest.mark.parametrize("options", HUGE.values(), ids=HUGE)
def test_huge_shapes_without_data_are_not_allocated(options, root):
    path = write_file(root.parent / "huge.hdf5", hopper_columns(8) | {"observations": None})
    with h5py.File(path, "a") as file:
        column = file.create_dataset("observations", **options)
        if column.chunks is not None:
            column[0] = 1.0  # one piece is there
    assert path.stat().st_size < 1 << 29
    with pytest.raises(
        UserError, match=r"its 'observations' declare shape .* without that much data"
    ) as caught:
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def test_columns_of_other_files_are_refused(root):
    other = write_file(root.parent / "other.hdf5", hopper_columns(8))
    path = write_file(root.parent / "bad.hdf5", hopper_columns(8) | {"rewards": None})
    with h5py.File(path, "a") as file:
        file["rewards"] = h5py.ExternalLink(str(other), "rewards")
    with pytest.raises(UserError, match="its 'rewards' lies in another file"):
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_nothing_installed(root)


def test_antmaze_goals_are_checked(root):
    columns = antmaze_columns(np.zeros((4, 2))) | {"infos/goal": np.zeros((4, 3), "f4")}
    with pytest.raises(UserError, match=r"its 'infos/goal' have shape \(4, 3\) where \('N', 2\) is expected"):
        convert(root, columns, ANTMAZE)
    assert_nothing_installed(root)


@pytest.mark.parametrize("kept", [0, 8, 100, 3000, -1000, -1])
def test_truncated_files_are_one_line(kept, root):
    path = write_file(root.parent / "cut.hdf5", hopper_columns(200))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="cannot be read as HDF5") as caught:
        fetch_d4rl(HOPPER, root, source=str(path))
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


@pytest.mark.parametrize(
    "wrong", ["hoper-medium-v2", "hopper", "antmaze-huge-play-v2", "pen-human-v1", "../x-v2"]
)
def test_unknown_ids_are_answered_with_the_known_ones(wrong, root):
    with pytest.raises(
        UserError, match=f"unknown D4RL id {re.escape(repr(wrong))}; use one of antmaze-large-d"
    ):
        fetch_d4rl(wrong, root)
    with pytest.raises(UserError, match="D4RL's file of hopper-expert-v7 is not known; give its path or URL"):
        fetch_d4rl("hopper-expert-v7", root)
    assert not root.exists()


def test_missing_files_and_malformed_checksums_are_one_line(root, tmp_path):
    with pytest.raises(
        UserError, match=f"there is no file {tmp_path}/absent; give the path or URL of D4RL's"
    ):
        fetch_d4rl(HOPPER, root, source=f"{tmp_path}/absent")
    with pytest.raises(UserError, match="bad sha256 'abc'; give the 64 hexadecimal digits"):
        fetch_d4rl(HOPPER, root, sha256="abc")
    assert not root.exists()


def test_urls_are_d4rls():
    assert len(URLS) == 9 + 12
    assert (
        find_task("halfcheetah-medium-replay-v2").url
        == f"{SERVER}/gym_mujoco_v2/halfcheetah_medium_replay-v2.hdf5"
    )
    maze = "Ant_maze_{}_noisy_multistart_{}_multigoal_{}_sparse"
    for d4rl_id, name in {
        "antmaze-umaze-v0": "ant_maze_new/" + maze.format("u-maze", False, False),
        "antmaze-umaze-diverse-v2": "ant_maze_v2/" + maze.format("u-maze", True, True) + "_fixed",
        "antmaze-medium-play-v2": "ant_maze_v2/" + maze.format("big-maze", True, False) + "_fixed",
        "antmaze-large-diverse-v0": "ant_maze_new/" + maze.format("hardest-maze", True, True),
    }.items():
        assert find_task(d4rl_id).url == f"{SERVER}/{name}.hdf5"


# What stays, and what is made again.


def test_an_intact_dataset_is_kept(root, capsys):
    card, _ = convert(root, hopper_columns(8))
    stamp = (root / "d4rl" / HOPPER / "card.json").stat().st_mtime_ns
    path = root.parent / "file.hdf5"
    assert fetch_d4rl(HOPPER, root, source=str(path), sha256=card["recipe"]["file_sha256"].upper()) == card
    path.unlink()  # without the file the card's word is taken
    assert fetch_d4rl(HOPPER, root) == card
    assert (root / "d4rl" / HOPPER / "card.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("damage", "main_data.hdf5 has changed since its card was written"),
        ("version", "was made by another version of the conversion"),
        ("file", "was made from another file"),
        ("card", "has no card"),
    ],
)
def test_another_dataset_is_made_again(what, message, root, capsys):
    card, _ = convert(root, hopper_columns(8))
    folder, path = root / "d4rl" / HOPPER, root.parent / "file.hdf5"
    if what == "damage":
        with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
            file["episode_0/rewards"][0] = 5.0
    elif what == "version":
        write_card(folder, card | {"recipe": card["recipe"] | {"version": 0}})
    elif what == "file":
        write_file(path, hopper_columns(9))
    else:
        (folder / "card.json").unlink()
    capsys.readouterr()
    again = fetch_d4rl(HOPPER, root, source=str(path))
    lines = [line for line in capsys.readouterr().err.splitlines() if "converting the file again" in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert again == verify_card(folder)
    assert again["steps"] == (8 if what == "file" else 7)
    assert list((root / ".building").iterdir()) == [root / ".building" / f"d4rl--{HOPPER}.lock"]


def test_a_file_that_is_refused_leaves_the_old_dataset(root):
    card, _ = convert(root, hopper_columns(8))
    bad = write_file(root.parent / "bad.hdf5", hopper_columns(8) | {"rewards": None})
    with pytest.raises(UserError, match="it has no 'rewards'"):
        fetch_d4rl(HOPPER, root, source=str(bad))
    assert verify_card(root / "d4rl" / HOPPER) == card


def test_place_of_another_source_is_left_alone(root):
    card, _ = convert(root, hopper_columns(8))
    folder = root / "d4rl" / HOPPER
    write_card(folder, card | {"recipe": {"name": "locomotion", "seed": 3}})
    with pytest.raises(UserError, match="holds data of another source; delete the folder"):
        fetch_d4rl(HOPPER, root, source=str(root.parent / "file.hdf5"))
    assert read_card(folder)["recipe"]["name"] == "locomotion"


def test_d4rls_own_folder_is_searched_first(root, own_folder):
    path = write_file(own_folder / "hopper_medium-v2.hdf5", hopper_columns(8))
    card = fetch_d4rl(HOPPER, root)
    assert (card["d4rl"]["file"], card["d4rl"]["url"]) == (str(path), None)
    assert path.exists()
    with pytest.raises(
        UserError, match=rf"{path} has sha256 {card['recipe']['file_sha256']} instead of 0000"
    ):
        fetch_d4rl(HOPPER, root, sha256="0" * 64)
    verify_card(root / "d4rl" / HOPPER)


def test_a_root_that_cannot_be_written_is_one_line(root):
    path = write_file(root.parent / "file.hdf5", hopper_columns(8))
    root.write_text("in the way")
    with pytest.raises(UserError, match=f"cannot write dataset d4rl/{HOPPER} under {root}"):
        fetch_d4rl(HOPPER, root, source=str(path))


# Downloads, from a server in this process.


class FileServer:
    """Serves one file at any path. Set the attributes to make it fail; `requests` are (first byte, sent)."""

    def __init__(self, content: bytes):
        self.content, self.requests = content, []
        self.ranges, self.cut, self.status, self.etag = True, [], 200, '"1"'
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hopper_medium-v2.hdf5"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.status != 200:
            handler.send_response(self.status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        size = len(self.content)
        start = int((re.match(r"bytes=(\d+)-", handler.headers.get("Range", "")) or [0, 0])[1])
        if not self.ranges or handler.headers.get("If-Range", self.etag) != self.etag:
            start = 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(size - start))
        handler.end_headers()
        stop = self.cut.pop(0) if self.cut else size
        handler.wfile.write(self.content[start:stop])
        self.requests.append((start, stop))
        if stop < size:
            handler.close_connection = True

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A file of 2.5 MB that does not compress."""
    rng = np.random.default_rng(0)
    columns = hopper_columns(40_000, timeouts=range(999, 40_000, 1000))
    columns["observations"] = rng.normal(size=(40_000, 11)).astype(np.float32)
    columns["actions"] = rng.uniform(-1, 1, size=(40_000, 3)).astype(np.float32)
    path = write_file(tmp_path_factory.mktemp("served") / "file.hdf5", columns, compression=None)
    assert path.stat().st_size > 2_000_000
    return path.read_bytes()


@pytest.fixture
def server(content):
    server = FileServer(content)
    yield server
    with contextlib.suppress(OSError):
        server.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_downloaded(card: dict, root: Path, content: bytes, url: str) -> None:
    assert card == verify_card(root / "d4rl" / HOPPER)
    assert card["recipe"]["file_sha256"] == sha256(content)
    assert (card["d4rl"]["file"], card["d4rl"]["url"]) == (None, url)
    assert (card["episodes"], card["steps"]) == (40, 40 * 999)
    assert list((root / ".building").iterdir()) == [root / ".building" / f"d4rl--{HOPPER}.lock"]


def test_the_default_is_d4rls_server(server, content, root, monkeypatch, capsys):
    monkeypatch.setitem(URLS, HOPPER, server.url)
    card = fetch_d4rl(HOPPER, root)
    assert_downloaded(card, root, content, server.url)
    assert server.requests == [(0, len(content))]
    assert f"downloading {server.url}: {len(content) / 1e6:.1f} MB" in capsys.readouterr().err
    server.close()
    assert fetch_d4rl(HOPPER, root) == card  # asks nobody


def test_a_broken_connection_is_resumed(server, content, root):
    server.cut = [1_000_000, 1_500_000]
    card = fetch_d4rl(HOPPER, root, source=server.url, sha256=sha256(content))
    assert_downloaded(card, root, content, server.url)
    assert server.requests == [(0, 1_000_000), (1_000_000, 1_500_000), (1_500_000, len(content))]


def test_an_interrupted_download_is_resumed_by_the_next_call(server, content, root, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", ())
    server.cut = [1_000_000]
    with pytest.raises(UserError, match=r"the connection ended after 1000000 of \d+ bytes"):
        fetch_d4rl(HOPPER, root, source=server.url)
    assert not (root / "d4rl").exists()
    place = root / ".building" / f"d4rl--{HOPPER}.download"
    assert (place / f"{HOPPER}.hdf5.partial").stat().st_size == 1_000_000
    card = fetch_d4rl(HOPPER, root, source=server.url)
    assert_downloaded(card, root, content, server.url)
    assert server.requests[1] == (1_000_000, len(content))


@pytest.mark.parametrize("change", ["no ranges", "another file", "another URL", "shorter file"])
def test_a_download_that_cannot_be_resumed_starts_again(change, server, content, root, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", ())
    server.cut = [1_000_000]
    with pytest.raises(UserError):
        fetch_d4rl(HOPPER, root, source=server.url)
    url = server.url
    if change == "no ranges":
        server.ranges = False
    elif change == "another file":
        server.etag = '"2"'
    elif change == "another URL":
        url += "?mirror"
    else:
        partial = root / ".building" / f"d4rl--{HOPPER}.download" / f"{HOPPER}.hdf5.partial"
        partial.write_bytes(bytes(len(content) + 10))
        server.ranges = False
    card = fetch_d4rl(HOPPER, root, source=url)
    assert_downloaded(card, root, content, url)
    assert server.requests[1] == (0, len(content))


def test_a_file_with_another_checksum_is_removed(server, content, root):
    with pytest.raises(
        UserError, match=f"has sha256 {sha256(content)} instead of {'0' * 64} and was removed"
    ):
        fetch_d4rl(HOPPER, root, source=server.url, sha256="0" * 64)
    assert_nothing_installed(root)


def test_a_downloaded_file_that_is_refused_is_removed(root):
    server = FileServer(b"<html>moved</html>")
    with pytest.raises(UserError, match=f"^{re.escape(server.url)} cannot be read as HDF5"):
        fetch_d4rl(HOPPER, root, source=server.url)
    server.close()
    assert_nothing_installed(root)


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 3)])
def test_a_server_that_refuses_is_one_line(status, requests, server, root, capsys):
    server.status = status
    with pytest.raises(
        UserError, match=f"cannot download {HOPPER} from {server.url}: the server answers {status}"
    ):
        fetch_d4rl(HOPPER, root, source=server.url)
    assert capsys.readouterr().err.count("trying again") == requests - 1
    assert not (root / "d4rl").exists()


def test_without_network_the_line_names_the_file_and_the_alternatives(server, root, own_folder, monkeypatch):
    monkeypatch.setitem(URLS, HOPPER, server.url)
    server.close()
    with pytest.raises(UserError) as caught:
        fetch_d4rl(HOPPER, root)
    place = own_folder / "hopper_medium-v2.hdf5"
    assert str(caught.value) == (
        f"cannot download {HOPPER} from {server.url}: Connection refused and there is no {place};"
        f" put the file at {place} or name another with --file, or use a study with `source: generate`"
    )
    assert not (root / "d4rl").exists()


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "http://a b/c", "https://127.0.0.1:99999/x", "http://ü:1/x"]
)
def test_malformed_urls_are_one_line(url, root):
    with pytest.raises(UserError, match=f"cannot download {HOPPER} from {re.escape(url)}: "):
        fetch_d4rl(HOPPER, root, source=url)
    assert not (root / "d4rl").exists()


# Several processes, and their end.

PROGRAM = """
import sys
from gtp.data.sources import d4rl_file
from gtp.data.sources.d4rl import fetch_d4rl
d4rl_file.BLOCK = 100
fetch_d4rl(sys.argv[1], sys.argv[2], source=sys.argv[3])
"""


def start(root: Path, path: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PROGRAM, HOPPER, str(root), str(path)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_two_processes_end_with_one_good_dataset(root, tmp_path):
    path = write_file(tmp_path / "file.hdf5", hopper_columns(900, timeouts=range(2, 900, 3)))
    processes = [start(root, path) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sum("installed in" in error for error in errors) == 1
    assert verify_card(root / "d4rl" / HOPPER)["steps"] == 600


def test_a_killed_conversion_leaves_nothing_that_looks_complete(root, tmp_path):
    path = write_file(tmp_path / "file.hdf5", hopper_columns(30_000, timeouts=range(2, 30_000, 3)))
    process = start(root, path)
    written = root / ".building" / f"d4rl--{HOPPER}" / "d4rl" / HOPPER / "data" / "main_data.hdf5"
    deadline = time.monotonic() + 60
    while not (written.exists() and written.stat().st_size > 100_000):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert written.exists()
    assert not (root / "d4rl").exists()
    with minari_root(root):
        assert minari.list_local_datasets() == {}
    write_file(path, hopper_columns(9, timeouts=[2, 5, 8]))
    assert fetch_d4rl(HOPPER, root, source=str(path))["steps"] == 6
    assert not written.parents[3].exists()


# Whatever the bytes: a valid dataset or one line.


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


def assert_valid_or_one_line(path: Path, d4rl_id: str, root: Path) -> bool:
    """Whether the file could be converted; then every step has its observations."""
    try:
        card = fetch_d4rl(d4rl_id, root, source=str(path))
    except UserError as error:
        assert_one_line(error, path)
        assert_nothing_installed(root)
        return False
    folder = root / "d4rl" / d4rl_id
    assert verify_card(folder) == card
    steps = 0
    for episode in open_dataset(f"d4rl/{d4rl_id}", root).iterate_episodes():
        observations = episode.observations
        arrays = list(observations.values()) if isinstance(observations, dict) else [observations]
        assert {len(array) for array in arrays} == {len(episode.rewards) + 1}
        assert all(np.isfinite(array).all() for array in (*arrays, episode.actions, episode.rewards))
        assert np.abs(episode.actions).max() <= 1
        steps += len(episode.rewards)
    assert steps + card["d4rl"]["dropped_rows"] == card["d4rl"]["rows"]
    shutil.rmtree(root / "d4rl")  # so that the next example starts from nothing
    return True


columns_names = st.sampled_from(
    ["observations", "actions", "rewards", "terminals", "timeouts", "next_observations"]
)


@given(
    rows=st.integers(0, 12),
    ant=st.booleans(),
    following=st.booleans(),
    missing=st.sets(columns_names, max_size=2),
    flags=st.lists(st.integers(0, 11), max_size=8),
    change=st.sampled_from([None, None, "NaN", "short", "one more axis", "integers", "huge"]),
    changed=columns_names,
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_any_columns(fuzzed, rows, ant, following, missing, flags, change, changed):
    flags = [flag for flag in flags if flag < rows]
    border = {"terminals": flags[::2], "timeouts": flags[1::2]}
    columns = antmaze_columns(np.zeros((rows, 2)), **border) if ant else hopper_columns(rows, **border)
    if following and rows:
        columns = next_of(columns, dict.fromkeys(flags, 50.0))
    columns |= dict.fromkeys(missing)
    values = columns.get(changed)
    path = fuzzed / "file.hdf5"
    if values is not None and change == "NaN" and rows:
        columns[changed] = values.astype("f4")
        columns[changed][-1] = np.nan
    elif values is not None and change == "short":
        columns[changed] = values[:-1]
    elif values is not None and change == "one more axis":
        columns[changed] = values[None]
    elif values is not None and change == "integers":
        columns[changed] = values.astype(int)
    write_file(path, columns)
    if change == "huge":
        with h5py.File(path, "a") as file:
            file.pop(changed, None)
            file.create_dataset(changed, (10**12, *np.shape(values)[1:]), "f4", chunks=True)
    converted = assert_valid_or_one_line(path, ANTMAZE if ant else HOPPER, fuzzed / "root")
    needed = {"observations", "actions", "rewards", "terminals"}
    if rows == 0 or missing & needed or (change in ("short", "one more axis", "huge") and values is not None):
        assert not converted


@given(data=st.data(), compression=st.sampled_from(["gzip", None]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_any_bytes(fuzzed, data, compression):
    path = write_file(
        fuzzed / "bytes.hdf5", hopper_columns(40, timeouts=[9, 19, 39]), compression=compression
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(content)
    assert_valid_or_one_line(path, HOPPER, fuzzed / "root")
