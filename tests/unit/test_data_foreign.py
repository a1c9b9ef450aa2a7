"""Datasets of others run no code and read no other files, whatever they say."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.data.store.card import checksums, write_card
from gtp.data.store.minari_store import open_dataset
from gtp.errors import UserError

from .minari_data import MEDIUM, fetch_minari, set_metadata, write_hopper

HOPPER = TaskSpec(name="hopper", environment="Hopper-v4", max_episode_steps=1000)


def name_command(root: Path, *spaces: str) -> Path:
    """Let a dataset without these spaces name `touch <marker>` as its environment; returns the marker."""
    marker = root.parent / "marker"
    spec = EnvSpec(id="Evil-v0", entry_point="os:system", kwargs={"command": f"touch {marker}"})
    path = root / MEDIUM / "data" / "metadata.json"
    metadata = json.loads(path.read_text()) | {"env_spec": spec.to_json()}
    path.write_text(json.dumps({key: value for key, value in metadata.items() if key not in spaces}))
    return marker


@pytest.mark.parametrize(
    "spaces", [("observation_space",), ("action_space",), ("observation_space", "action_space")]
)
def test_entry_point_of_a_dataset_without_spaces_does_not_run(spaces, own, root, capsys):
    for place in (root, own):
        write_hopper(place, MEDIUM, 2, seed=0)
        marker = name_command(place, *spaces)
    with pytest.raises(UserError, match=f"do not state the {spaces[0]}.*; use another copy"):
        prepare_transitions(MEDIUM, root, HOPPER)
    with pytest.raises(UserError, match=f"cannot download {MEDIUM}"):
        fetch_minari([MEDIUM], MEDIUM, root)
    assert f"do not state the {spaces[0]}" in capsys.readouterr().err
    assert not marker.exists()


def test_environment_that_a_dataset_names_is_not_made(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    marker = name_command(own)
    fetch_minari([MEDIUM], MEDIUM, root)
    prepare_transitions(MEDIUM, root, HOPPER)
    assert not marker.exists()


def test_card_is_verified_before_a_dataset_is_opened(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    fetch_minari([MEDIUM], MEDIUM, root)
    set_metadata(root, MEDIUM, author=["somebody"])
    with pytest.raises(UserError, match=r"metadata.json has changed since its card was written"):
        open_dataset(MEDIUM, root)


def external_link(file: h5py.File, other: Path) -> None:
    file["episode_1/rewards"] = h5py.ExternalLink(other, "secret")


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((50,), np.float64)
    layout[:] = h5py.VirtualSource(other, "secret", (50,))
    file.create_virtual_dataset("episode_1/rewards", layout)


def external_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset("episode_1/rewards", (50,), np.float64, external=[(str(other), 0, 400)])


@pytest.mark.parametrize("card", [False, True])
@pytest.mark.parametrize("change", [external_link, virtual, external_storage])
def test_dataset_reads_no_other_file(change, card, root, tmp_path):
    other = tmp_path / "other.hdf5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(50)
    write_hopper(root, MEDIUM, 2, seed=0)
    with h5py.File(root / MEDIUM / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/rewards"]
        change(file, other)
    if card:  # whoever made the data can make one too
        digests = checksums(root / MEDIUM)
        write_card(root / MEDIUM, {"dataset_id": MEDIUM, "recipe": {}, "sha256": digests})
    with pytest.raises(UserError, match=r"'episode_1/rewards' (is a link to|lies in) another file"):
        open_dataset(MEDIUM, root)


def test_dataset_declares_no_more_than_it_holds(root):
    write_hopper(root, MEDIUM, 2, seed=0)
    with h5py.File(root / MEDIUM / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/rewards"]
        file.create_dataset("episode_1/rewards", (10**12,), np.float64, chunks=(1000,))
    with pytest.raises(UserError, match=r"'episode_1/rewards' declares shape \(1000000000000,\) without"):
        open_dataset(MEDIUM, root)


@pytest.mark.parametrize("episodes", [3, 10**9])
def test_dataset_with_fewer_episodes_than_declared_is_refused(episodes, root):
    write_hopper(root, MEDIUM, 2, seed=0)
    set_metadata(root, MEDIUM, total_episodes=episodes)
    with pytest.raises(UserError, match=f"declare {episodes} episodes and it holds 2"):
        open_dataset(MEDIUM, root)


def test_space_of_billions_of_values_is_refused(root):
    write_hopper(root, MEDIUM, 2, seed=0)
    space = {"type": "MultiBinary", "n": 10**11}
    set_metadata(root, MEDIUM, observation_space=json.dumps(space))
    with pytest.raises(UserError, match=r"a space declares 1e\+11 values"):
        open_dataset(MEDIUM, root)
