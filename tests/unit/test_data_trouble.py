"""Sound data that cannot be read, and own data that changed: one line tells which."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from gtp.data.sources import how_to_get
from gtp.data.sources.d4rl import find_file
from gtp.data.sources.d4rl_tasks import find_task
from gtp.data.sources.minari import find_own_copy
from gtp.data.store.card import verify_card
from gtp.data.store.minari_store import minari_root, open_dataset
from gtp.errors import UserError

from .d4rl_files import HOPPER, convert, hopper_columns
from .minari_data import MEDIUM, fetch_minari, set_metadata, write_hopper

OWN = "me/hopper/mine-v0"


def refusal(dataset_id: str, root: Path) -> str:
    """The one line with which a dataset is refused, which calls no sound data damaged."""
    with pytest.raises(UserError) as error:
        open_dataset(dataset_id, root)
    message = str(error.value)
    assert "\n" not in message
    assert not {"damaged", "delete", "download"} & set(message.replace(";", " ").split())
    return message


def test_file_that_another_process_writes_is_locked(root):
    write_hopper(root, MEDIUM, 1, seed=0)
    path = root / MEDIUM / "data" / "main_data.hdf5"
    program = f"import h5py; file = h5py.File({str(path)!r}, 'r+'); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as writer:
        writer.stdout.readline()
        message = refusal(MEDIUM, root)
        writer.communicate(b"\n")
    assert "is open in another process that writes to it; wait" in message
    assert "HDF5_USE_FILE_LOCKING=FALSE" in message
    open_dataset(MEDIUM, root)


def test_file_system_without_locks_names_the_setting(root, monkeypatch):
    write_hopper(root, MEDIUM, 1, seed=0)

    def refuse(*arguments, **options):
        reason = "(unable to lock file, errno = 95, error message = 'Operation not supported')"
        raise OSError(95, f"Unable to synchronously open file {reason}")

    monkeypatch.setattr(h5py, "File", refuse)
    message = refusal(MEDIUM, root)
    assert "file system without locks" in message
    assert message.endswith("set HDF5_USE_FILE_LOCKING=FALSE and try again")


@pytest.fixture
def unprivileged():
    """A root in which permissions hold also for the superuser, who becomes nobody meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        root, superuser = Path(place) / "root", os.geteuid() == 0
        write_hopper(root, MEDIUM, 1, seed=0)
        changed = []

        def forbid(path: Path) -> None:
            changed.append(path)
            path.chmod(0)
            if superuser:
                os.seteuid(65534)

        yield root, forbid
        if superuser:
            os.seteuid(0)
        for path in changed:
            path.chmod(0o755)


@pytest.mark.parametrize("what", [".", "data", "data/main_data.hdf5", "data/metadata.json"])
def test_missing_right_to_read_is_named(what, unprivileged):
    root, forbid = unprivileged
    forbid(root / MEDIUM / what)
    message = refusal(MEDIUM, root)
    assert "Permission denied" in message
    assert "the right to read" in message
    assert str(root / MEDIUM / what).removesuffix("/.") in message


def test_newer_minari_is_named(root):
    write_hopper(root, MEDIUM, 1, seed=0)
    set_metadata(root, MEDIUM, minari_version="9.9.9")
    message = refusal(MEDIUM, root)
    assert f"was written by Minari 9.9.9, newer than {minari.__version__} here" in message
    assert message.endswith("`pip install 'minari>=9.9.9'`")


def test_older_layout_is_named(root):
    write_hopper(root, MEDIUM, 1, seed=0)
    (root / MEDIUM / "data" / "metadata.json").unlink()
    assert "has the layout of Minari 0.4 and before (no metadata.json); keep it" in refusal(MEDIUM, root)


def test_own_copy_in_the_older_layout_is_not_passed_over(own, root, capsys):
    write_hopper(own, MEDIUM, 1, seed=0)
    (own / MEDIUM / "data" / "metadata.json").unlink()
    with pytest.raises(UserError, match=f"cannot download {MEDIUM}"):
        fetch_minari([MEDIUM], MEDIUM, root)
    assert "has the layout of Minari 0.4" in capsys.readouterr().err


def add_episode(root: Path, dataset_id: str) -> None:
    """Add to a dataset as its owner does."""
    episode = EpisodeBuffer(
        observations=np.zeros((51, 11)),
        actions=np.zeros((50, 3), np.float32),
        rewards=np.zeros(50),
        terminations=np.zeros(50, bool),
        truncations=np.arange(50) == 49,
    )
    with minari_root(root):
        minari.load_dataset(dataset_id).update_dataset_from_buffer([episode])


@pytest.mark.parametrize("elsewhere", [False, True])
def test_own_data_that_grew_are_kept_and_get_a_new_card(elsewhere, own, root):
    write_hopper(own, OWN, 2, seed=0)
    fetch_minari([OWN], OWN, root)
    if not elsewhere:
        shutil.rmtree(own)
    add_episode(root, OWN)
    for attempt in (lambda: open_dataset(OWN, root), lambda: fetch_minari([OWN], OWN, root)):
        with pytest.raises(UserError, match="2 episodes then, 3 now; if the change is yours, move") as error:
            attempt()
        assert "delete" not in str(error.value)
        assert "download" not in str(error.value)
    (root / OWN / "card.json").unlink()
    assert fetch_minari([OWN], OWN, root)["episodes"] == 3
    assert open_dataset(OWN, root).total_episodes == 3


def test_generated_data_that_somebody_added_to_are_not_made_again(generated, tmp_path):
    source, dataset_id, card = generated
    root = shutil.copytree(source, tmp_path / "copy")
    set_metadata(root, dataset_id, total_steps=card["steps"] + 1)
    with pytest.raises(UserError, match=f"now; move {root / dataset_id} away and make it with"):
        verify_card(root / dataset_id)


def test_own_data_that_are_damaged_are_neither_deleted_nor_downloaded(own, root):
    write_hopper(root, OWN, 2, seed=0)
    fetch_minari([OWN], OWN, root)
    path = root / OWN / "data" / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:-1000])
    for attempt in (lambda: open_dataset(OWN, root), lambda: fetch_minari([OWN], OWN, root)):
        with pytest.raises(
            UserError, match=r"has changed since .* it may exist here alone: keep it"
        ) as error:
            attempt()
        assert "download" not in str(error.value)
    assert path.exists()


def test_ids_that_no_hub_has_are_not_to_be_downloaded(monkeypatch, tmp_path):
    assert "download" not in how_to_get(OWN, tmp_path)
    assert "minari download D4RL/door/human-v2" in how_to_get("D4RL/door/human-v2", tmp_path)
    monkeypatch.setenv("MINARI_REMOTE", "hf://me")
    assert f"minari download {OWN}" in how_to_get(OWN, tmp_path)


@pytest.mark.parametrize("dtype", ["f2", "i4", "u1", "i8"])
def test_short_and_whole_numbers_are_numbers_in_d4rl_files(dtype, root, d4rl_folder):
    columns = hopper_columns(700, timeouts=[699], rewards=np.full(700, 200, dtype))
    columns["actions"] = columns["actions"].astype(np.float16)
    card, episodes = convert(root, columns)
    assert card["episode_return"]["mean"] == 699 * 200
    assert episodes[0].rewards.dtype.kind == "f"
    assert episodes[0].actions.dtype == np.float32


@pytest.mark.parametrize("d4rl_id", ["pen-human-v1", "kitchen-mixed-v0"])
def test_d4rl_ids_of_other_robots_lead_to_own_data(d4rl_id):
    with pytest.raises(UserError, match='docs/data.md, "Your own dataset as a task"') as error:
        find_task(d4rl_id)
    assert "\n" not in str(error.value)
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    assert "## Your own dataset as a task" in text


def test_user_without_a_home_has_no_copies(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "MINARI_DATASETS_PATH", "D4RL_DATASET_DIR"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert find_own_copy(MEDIUM, tmp_path / "root") is None
    task = find_task(HOPPER)
    assert find_file(task, None) == (None, task.url)
    with pytest.raises(UserError, match="there is no file ~/absent.hdf5"):
        find_file(task, "~/absent.hdf5")
