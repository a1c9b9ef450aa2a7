"""Fetching: a dataset of the user's own Minari folder is installed with a card; failures are one line."""

import shutil

import pytest

from gtp.data import fetch
from gtp.data.card import verify_card
from gtp.errors import UserError


def test_copy_in_the_users_minari_folder_is_installed_with_a_card(generated, tmp_path, monkeypatch):
    root, dataset_id, _ = generated
    own = tmp_path / "own"
    shutil.copytree(root / dataset_id, own / dataset_id)
    (own / dataset_id / "card.json").unlink()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(own))
    fetch.fetch_dataset("minari", dataset_id, tmp_path / "root")
    card = verify_card(tmp_path / "root" / dataset_id)
    assert card["source"] == "minari"
    assert card["steps"] == verify_card(root / dataset_id)["steps"]


def test_failed_download_says_what_to_do_and_leaves_nothing(tmp_path, monkeypatch):
    def no_network(dataset_id):
        raise ConnectionError("host\nnot found")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "empty"))
    monkeypatch.setattr("minari.download_dataset", no_network)
    with pytest.raises(UserError, match=r"host not found.*minari download D4RL/a-v0") as error:
        fetch.fetch_dataset("minari", "D4RL/a-v0", tmp_path / "root")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "root" / "D4RL").exists()


def test_d4rl_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"hopper-medium-v2.*does not convert"):
        fetch.fetch_dataset("d4rl", "d4rl/hopper-medium-v2", tmp_path)
