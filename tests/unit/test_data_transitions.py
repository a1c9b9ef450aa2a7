import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gtp.data import transitions as module
from gtp.data.transitions import (
    ARRAYS,
    digest,
    load_transitions,
    observation_statistics,
    save_transitions,
    scale_actions,
)
from gtp.errors import UserError
from gtp.files import write_tensor_file


def with_row(array: np.ndarray, row: int, value: float) -> np.ndarray:
    changed = array.copy()
    changed[row] = value
    return changed


UNSOUND = {
    "NaN observation": lambda t: {"observations": with_row(t.observations, 2, np.nan)},
    "infinite reward": lambda t: {"rewards": with_row(t.rewards, 0, np.inf)},
    "NaN next observation": lambda t: {"next_observations": with_row(t.next_observations, 5, np.nan)},
    "action outside": lambda t: {"actions": with_row(t.actions, 1, 1.01)},
    "fewer rewards": lambda t: {"rewards": t.rewards[:-1]},
    "fewer next observations": lambda t: {"next_observations": t.next_observations[:-1]},
    "narrower next observations": lambda t: {"next_observations": t.next_observations[:, :3]},
    "observations without features": lambda t: {"observations": t.observations[:, 0]},
    "double precision": lambda t: {"observations": t.observations.astype(np.float64)},
    "half a termination": lambda t: {"terminations": with_row(t.terminations, 0, 0.5)},
    "no deviation": lambda t: {"observation_std": np.zeros(4, np.float32)},
    "empty action box": lambda t: {"action_high": t.action_low},
    "mean of another size": lambda t: {"observation_mean": np.zeros(3, np.float32)},
    "first episode later": lambda t: {"episode_starts": np.int64([1, 3])},
    "episode after the end": lambda t: {"episode_starts": np.int64([0, 6])},
    "episodes twice": lambda t: {"episode_starts": np.int64([0, 3, 3])},
    "termination within an episode": lambda t: {"terminations": np.float32([0, 1, 1, 0, 0, 0])},
    "no episodes": lambda t: {"episode_starts": np.int64([])},
    "empty": lambda t: {
        name: getattr(t, name)[:0]
        for name in ("observations", "actions", "rewards", "next_observations", "terminations")
    },
}


def test_round_trip(tiny_transitions, tmp_path):
    save_transitions(tmp_path / "t.safetensors", tiny_transitions)
    loaded = load_transitions(tmp_path / "t.safetensors")
    assert loaded.task == tiny_transitions.task
    assert (loaded.dataset_id, loaded.dataset_digest) == ("generated/pointmaze/tiny-v0", "0" * 64)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(tiny_transitions, name))
        assert getattr(loaded, name).dtype == getattr(tiny_transitions, name).dtype
    assert len(loaded) == 6


def test_equal_transitions_give_equal_bytes(tiny_transitions, tmp_path):
    digests = set()
    for name in ("a.safetensors", "b.safetensors"):
        save_transitions(tmp_path / name, tiny_transitions)
        digests.add(digest(tmp_path / name))
    other = dataclasses.replace(tiny_transitions, dataset_digest="1" * 64)
    save_transitions(tmp_path / "c.safetensors", other)
    assert len(digests) == 1
    assert digest(tmp_path / "c.safetensors") not in digests


@pytest.mark.parametrize("change", UNSOUND.values(), ids=UNSOUND)
def test_unsound_arrays_are_refused_when_built_and_when_loaded(change, tiny_transitions, tmp_path):
    arrays = change(tiny_transitions)
    with pytest.raises(ValueError, match="generated/pointmaze/tiny-v0"):
        dataclasses.replace(tiny_transitions, **arrays)

    path = tmp_path / "t.safetensors"
    save_transitions(path, tiny_transitions)
    header = {"format": module.FORMAT, "task": dataclasses.asdict(tiny_transitions.task)}
    header |= {"dataset_id": "x", "dataset_digest": "y"}
    write_tensor_file(path, {**load_file(path), **arrays}, header)
    with pytest.raises(UserError) as caught:
        load_transitions(path)
    assert str(path) in str(caught.value)
    assert "dataset prepare" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_file_is_refused(kept, tiny_transitions, tmp_path):
    path = tmp_path / "t.safetensors"
    save_transitions(path, tiny_transitions)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"t\.safetensors is truncated or not.*prepare it again"):
        load_transitions(path)


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"header": "not json"}, {"header": '{"format": "gtp-policy"}'}]
)
def test_foreign_file_is_refused(metadata, tmp_path):
    path = tmp_path / "t.safetensors"
    save_file({"weights": np.zeros(3, np.float32)}, path, metadata=metadata)
    with pytest.raises(UserError, match=r"t\.safetensors is .*prepare it again"):
        load_transitions(path)


def test_missing_array_is_refused(tiny_transitions, tmp_path):
    path = tmp_path / "t.safetensors"
    save_transitions(path, tiny_transitions)
    header = {"format": module.FORMAT, "task": dataclasses.asdict(tiny_transitions.task)}
    header |= {"dataset_id": "x", "dataset_digest": "y"}
    write_tensor_file(path, {"rewards": tiny_transitions.rewards}, header)
    with pytest.raises(UserError, match=r"t\.safetensors.*prepare it again"):
        load_transitions(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_transitions(tmp_path / "t.safetensors")
    with pytest.raises(UserError, match=str(tmp_path)):
        load_transitions(tmp_path)


def test_file_larger_than_memory_is_refused(tiny_transitions, tmp_path, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    save_transitions(tmp_path / "t.safetensors", tiny_transitions)
    monkeypatch.setattr("gtp.files.safe_open", no_memory)
    with pytest.raises(UserError, match=r"t\.safetensors.*memory"):
        load_transitions(tmp_path / "t.safetensors")


def test_file_has_the_permissions_of_any_new_file(tiny_transitions, tmp_path):
    save_transitions(tmp_path / "t.safetensors", tiny_transitions)
    (tmp_path / "plain").touch()
    assert os.stat(tmp_path / "t.safetensors").st_mode == os.stat(tmp_path / "plain").st_mode


def test_unwritable_place_is_refused(tiny_transitions, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        save_transitions(tmp_path / "file" / "t.safetensors", tiny_transitions)


def test_actions_are_scaled_to_the_box():
    low, high = np.float32([-2.0, 0.0]), np.float32([2.0, 10.0])
    scaled = scale_actions(np.array([[-2.0, 10.0], [0.0, 5.0], [1.0, 0.0]]), low, high)
    np.testing.assert_allclose(scaled, [[-1, 1], [0, 0], [0.5, -1]])
    assert scaled.dtype == np.float32


def test_actions_may_leave_the_box_by_rounding_alone():
    low, high = -np.ones(1, np.float32), np.ones(1, np.float32)
    assert scale_actions(np.array([[1.000001]]), low, high) == 1
    with pytest.raises(ValueError, match=r"1\.01"):
        scale_actions(np.array([[0.0], [1.01]]), low, high)


def test_observation_statistics_have_a_floor():
    mean, std = observation_statistics(np.float32([[0, 7], [4, 7]]))
    np.testing.assert_allclose(mean, [2, 7])
    np.testing.assert_allclose(std, [2, 1e-3])


def test_training_data_load_without_a_simulator():
    forbidden = ["gymnasium", "minari", "mujoco", "scipy", "pandas", "tyro"]
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({forbidden}))\n"  # None makes an import fail
        "import gtp.data.transitions"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
