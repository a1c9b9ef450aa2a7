"""D4RL's files: which datasets stay, which are made again, and processes that end or meet."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import minari
import pytest

from gtp.data.store.card import read_card, verify_card, write_card
from gtp.data.store.minari_store import minari_root
from gtp.errors import UserError

from .d4rl_files import (
    HOPPER,
    convert,
    fetch_d4rl,
    hopper_columns,
    write_file,
)

pytestmark = pytest.mark.usefixtures("d4rl_folder")


def test_an_intact_dataset_is_kept(root, capsys):
    card, _ = convert(root, hopper_columns(8))
    stamp = (root / "d4rl" / HOPPER / "card.json").stat().st_mtime_ns
    path = root.parent / "file.hdf5"
    assert fetch_d4rl(HOPPER, root, path, sha256=card["recipe"]["file_sha256"].upper()) == card
    path.unlink()  # without the file the card's word is taken
    assert fetch_d4rl(HOPPER, root) == card
    assert (root / "d4rl" / HOPPER / "card.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("damage", "main_data.hdf5 has changed since its card was written"),
        ("version", "differs in version"),
        ("file", "differs in file_sha256"),
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
    again = fetch_d4rl(HOPPER, root, path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "making the dataset again" in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert again == verify_card(folder)
    assert again["steps"] == (8 if what == "file" else 7)
    assert list((root / ".building").iterdir()) == [root / ".building" / f"d4rl--{HOPPER}.lock"]


def test_a_file_that_is_refused_leaves_the_old_dataset(root):
    card, _ = convert(root, hopper_columns(8))
    bad = write_file(root.parent / "bad.hdf5", hopper_columns(8) | {"rewards": None})
    with pytest.raises(UserError, match="it has no 'rewards'"):
        fetch_d4rl(HOPPER, root, bad)
    assert verify_card(root / "d4rl" / HOPPER) == card


def test_place_of_another_source_is_left_alone(root):
    card, _ = convert(root, hopper_columns(8))
    folder = root / "d4rl" / HOPPER
    write_card(folder, card | {"recipe": {"name": "locomotion", "seed": 3}})
    with pytest.raises(
        UserError, match=f"{folder} holds other data .*differs in .*name.* move the folder away"
    ):
        fetch_d4rl(HOPPER, root, root.parent / "file.hdf5")
    assert read_card(folder)["recipe"]["name"] == "locomotion"


def test_d4rls_d4rl_folder_is_searched_first(root, d4rl_folder):
    path = write_file(d4rl_folder / "hopper_medium-v2.hdf5", hopper_columns(8))
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
        fetch_d4rl(HOPPER, root, path)


PROGRAM = """
import sys
from gtp.data.sources import d4rl_file
from gtp.data.sources import FromD4RL
from gtp.data.sources.d4rl import fetch
d4rl_file.BLOCK = 100
dataset = FromD4RL(id=sys.argv[1], file=sys.argv[3])
fetch(dataset, dataset.own_id, sys.argv[2])
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
    assert fetch_d4rl(HOPPER, root, path)["steps"] == 6
    assert not written.parents[3].exists()
