"""D4RL's files: what the conversion refuses, in one line; and whatever the bytes, nothing is half done."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtp.data.sources import FromD4RL, d4rl_file
from gtp.data.sources.d4rl import fetch
from gtp.data.sources.d4rl_tasks import URLS, find_task
from gtp.data.store.card import verify_card
from gtp.data.store.minari_store import open_dataset
from gtp.errors import UserError

from .d4rl_files import (
    ANTMAZE,
    HOPPER,
    antmaze_columns,
    assert_nothing_installed,
    assert_one_line,
    convert,
    fetch_d4rl,
    hopper_columns,
    next_of,
    write_file,
)

pytestmark = pytest.mark.usefixtures("d4rl_folder")

SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"


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
    "long doubles": ({"actions": np.zeros((8, 3), "g")}, "its 'actions' are float128"),
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
        r"24 of 24 entries of its 'actions' \(100 %\) lie outside \[-1, 1\], the largest of size 1.0001",
    ),
    "nothing known": ({"timeouts": np.ones(8, bool)}, "successor"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_columns_are_one_line(change, message, root):
    columns = hopper_columns(8, timeouts=[7]) | change
    path = root.parent / "bad.hdf5"
    write_file(path, columns, **({"compression": None} if np.shape(change.get("rewards", [0])) == () else {}))
    with pytest.raises(UserError, match=message) as caught:
        fetch_d4rl(HOPPER, root, path)
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def test_rounding_of_actions_is_clipped(root):
    _, episodes = convert(root, hopper_columns(4, actions=np.full((4, 3), 1 + 5e-6, "f4")))
    assert episodes[0].actions.max() == 1.0


def test_actions_outside_the_box_are_counted_and_clipped_where_the_user_says_so(root, monkeypatch, capsys):
    monkeypatch.setattr(d4rl_file, "BLOCK", 3)
    actions = np.zeros((8, 3), "f4")
    actions[2, 0], actions[7, 2] = -1.7, 1.2
    path = write_file(root.parent / "wide.hdf5", hopper_columns(8, timeouts=[7], actions=actions))
    with pytest.raises(
        UserError, match=r"2 of 24 .*\(8.33 %\).*of size 1.7; set clip_actions: true"
    ) as caught:
        fetch_d4rl(HOPPER, root, path)
    assert_one_line(caught.value, path)
    clipped = FromD4RL(id=HOPPER, file=str(path), clip_actions=True)
    card = fetch(clipped, clipped.own_id, root)
    assert card["d4rl"]["clipped_actions"] == 2
    assert "2 of 24 entries" in capsys.readouterr().err
    (episode,) = open_dataset(clipped.own_id, root).iterate_episodes()
    np.testing.assert_array_equal(episode.actions[2], [-1, 0, 0])
    refused = FromD4RL(id=HOPPER, file=str(path))
    with pytest.raises(UserError, match="2 of 24"):  # the recipe is another one: what is there is not taken
        fetch(refused, refused.own_id, root)


def test_no_rows(root):
    path = write_file(root.parent / "bad.hdf5", hopper_columns(0))
    with pytest.raises(UserError, match="it has no rows") as caught:
        fetch_d4rl(HOPPER, root, path)
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def test_a_bad_value_in_a_later_block_leaves_nothing(root, monkeypatch):
    monkeypatch.setattr(d4rl_file, "BLOCK", 10)
    columns = hopper_columns(100, timeouts=range(4, 100, 5))
    columns["rewards"][93] = np.nan
    path = write_file(root.parent / "bad.hdf5", columns)
    with pytest.raises(UserError, match="'rewards' .*row 93"):
        fetch_d4rl(HOPPER, root, path)
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
    with pytest.raises(UserError, match=r"'observations' declare") as caught:
        fetch_d4rl(HOPPER, root, path)
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


def test_columns_of_other_files_are_refused(root):
    other = write_file(root.parent / "other.hdf5", hopper_columns(8))
    path = write_file(root.parent / "bad.hdf5", hopper_columns(8) | {"rewards": None})
    with h5py.File(path, "a") as file:
        file["rewards"] = h5py.ExternalLink(str(other), "rewards")
    with pytest.raises(UserError, match="'rewards'"):
        fetch_d4rl(HOPPER, root, path)
    assert_nothing_installed(root)


def test_antmaze_goals_are_checked(root):
    columns = antmaze_columns(np.zeros((4, 2))) | {"infos/goal": np.zeros((4, 3), "f4")}
    with pytest.raises(UserError, match=r"'infos/goal' .*\(4, 3\).*\('N', 2\)"):
        convert(root, columns, ANTMAZE)
    assert_nothing_installed(root)


@pytest.mark.parametrize("kept", [0, 8, 100, 3000, -1000, -1])
def test_truncated_files_are_one_line(kept, root):
    path = write_file(root.parent / "cut.hdf5", hopper_columns(200))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="cannot be read as HDF5") as caught:
        fetch_d4rl(HOPPER, root, path)
    assert_one_line(caught.value, path)
    assert_nothing_installed(root)


@pytest.mark.parametrize("wrong", ["hopper", "../x-v2"])
def test_ids_that_d4rl_could_not_have_are_refused(wrong):
    with pytest.raises(ValueError, match=re.escape(repr(wrong))):
        FromD4RL(id=wrong)


@pytest.mark.parametrize("wrong", ["hoper-medium-v2", "antmaze-huge-play-v2", "pen-human-v1"])
def test_unknown_ids_are_answered_with_the_known_ones(wrong, root):
    with pytest.raises(UserError, match=f"D4RL id.*{re.escape(repr(wrong))}") as caught:
        fetch_d4rl(wrong, root)
    assert HOPPER in str(caught.value)
    with pytest.raises(UserError, match="hopper-expert-v7.*give its path or URL"):
        fetch_d4rl("hopper-expert-v7", root)
    assert not root.exists()


def test_missing_files_and_malformed_checksums_are_one_line(root, tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/absent; give the path or URL"):
        fetch_d4rl(HOPPER, root, tmp_path / "absent")
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


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


def assert_valid_or_one_line(path: Path, d4rl_id: str, root: Path) -> bool:
    """Whether the file could be converted; then every step has its observations."""
    try:
        card = fetch_d4rl(d4rl_id, root, path)
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
