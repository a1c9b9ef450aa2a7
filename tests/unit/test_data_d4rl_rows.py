"""D4RL's files: which of their rows become which episodes."""

import pytest

from gtp.data.sources import d4rl_file
from gtp.data.store.minari_store import open_dataset

from .d4rl_files import (
    HOPPER,
    convert,
    fetch_d4rl,
    hopper_columns,
    next_of,
    rows_of,
    write_file,
)

pytestmark = pytest.mark.usefixtures("d4rl_folder")


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
    card = fetch_d4rl("hopper-medium-v0", root, path)
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
    card = fetch_d4rl(HOPPER, root, path)
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
    fetch_d4rl(HOPPER, other, root.parent / "file.hdf5")
    found = rows_of(open_dataset(f"d4rl/{HOPPER}", other).iterate_episodes())
    assert found == expected
    assert len(found) == (9 if following else 7)


def test_blocks_count_the_horizon_across_their_borders(root, monkeypatch):
    monkeypatch.setattr(d4rl_file, "BLOCK", 64)
    _, episodes = convert(root, hopper_columns(2010, terminals=[1005]) | {"timeouts": None})
    assert [len(episode) for episode in episodes] == [999, 6, 999, 3]
