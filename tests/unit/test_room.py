"""A full disk, a quota or a limit on the size of files: one line, and nothing is left."""

import contextlib
import errno
import gc
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp import algorithms
from gtp.config import Execution
from gtp.data.generate.waypoint import WaypointRecipe
from gtp.data.sources import FromMinari
from gtp.data.sources.generate import generate_dataset
from gtp.data.sources.minari import fetch
from gtp.data.store import room
from gtp.data.store.build import Made, Order, build_dataset, describe_dataset
from gtp.data.store.minari_store import create_dataset, sole_builder
from gtp.data.store.room import find_reason
from gtp.data.transitions import save_transitions
from gtp.errors import UserError
from gtp.files import require_files, require_room, write_csv
from gtp.training.loop import train

from .forked import forked
from .minari_data import MEDIUM, write_hopper
from .training_fixtures import CONFIG, tiny_transitions

ID = "handmade/big-v0"
KILO, MEGA = 1 << 10, 1 << 20


def episodes(count: int, steps: int = 1000):
    """Episodes of about 110 kB each."""
    for _ in range(count):
        yield EpisodeBuffer(
            observations=np.zeros((steps + 1, 11)),
            actions=np.zeros((steps, 3), np.float32),
            rewards=np.zeros(steps),
            terminations=np.zeros(steps, bool),
            truncations=np.arange(steps) == steps - 1,
        )


def build(root: Path, count: int, steps: int = 0) -> None:
    """Install a dataset as sources do; `steps` is what is told of its size, 0 for nothing."""

    def make(workshop) -> Made:
        boxes = {
            "observation_space": spaces.Box(-1, 1, (11,), np.float64),
            "action_space": spaces.Box(-1, 1, (3,), np.float32),
        }
        create_dataset(workshop.staging, ID, buffer=episodes(count), steps=steps, **boxes)
        return Made(root=workshop.staging, entries=describe_dataset(ID, workshop.staging))

    order = {"source": "handmade", "recipe": {}, "remade": frozenset(), "notice": "", "command": ""}
    build_dataset(Order(dataset_id=ID, **order), root, make)


def assert_nothing_left(root: Path) -> None:
    assert [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_known_size_is_compared_with_the_limit_before_anything_is_recorded(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("recorded without room")

    monkeypatch.setattr(WaypointRecipe, "record", refuse)
    recipe = WaypointRecipe(maze="umaze", steps=20_000, horizon=300)
    dataset_id = "generated/pointmaze/u-v0"
    ended = forked(
        lambda: generate_dataset(recipe, dataset_id=dataset_id, root=tmp_path), file_size=100 * KILO
    )
    assert ended.status == 2, ended.lines
    (line,) = ended.lines
    assert f"dataset {dataset_id} needs a file of" in line
    assert "none may be larger than 0.102 MB; raise the limit on the size of files (ulimit -f)" in line
    assert_nothing_left(tmp_path)


def test_a_limit_that_is_reached_on_the_way_is_one_line(tmp_path):
    """Whatever is known of the size, HDF5 never comes to the point where it cannot close its file."""
    ended = forked(lambda: build(tmp_path, 100), file_size=2 * MEGA)
    assert ended.status == 2, ended.lines
    (line,) = ended.lines
    assert f"cannot write dataset {ID}" in line
    assert "its file would be larger than 2.1 MB, as files may be; free space" in line
    assert_nothing_left(tmp_path)


def test_data_that_fit_below_the_limit_are_written(tmp_path):
    ended = forked(lambda: build(tmp_path, 10, steps=10_000), file_size=2 * MEGA)
    assert ended.status == 0, ended.lines
    size = (tmp_path / ID / "data/main_data.hdf5").stat().st_size
    assert MEGA < size < 2 * MEGA
    assert not list(tmp_path.rglob(".reserve"))


def test_room_is_tried_for_many_short_episodes_at_once(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(room, "allocate", lambda path, size: tried.append(size))
    build(tmp_path, 20)
    assert tried == [room.RESERVE, room.GRANT]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield disk
    gc.collect()
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_on_the_way_is_one_line(small_disk):
    ended = forked(lambda: build(small_disk, 1000))
    assert ended.status == 2, ended.lines
    (line,) = ended.lines
    assert f"cannot write dataset {ID}" in line
    assert "No space left on device; free space, or raise the quota" in line
    assert_nothing_left(small_disk)


def test_a_write_that_fails_all_the_same_ends_the_program_in_one_line(small_disk, monkeypatch):
    """HDF5 would end it in a segmentation fault."""
    monkeypatch.setattr(room.Guard, "grant", lambda guard, size: size)
    ended = forked(lambda: build(small_disk, 1000))
    assert ended.status == 2, ended.lines
    (line,) = ended.lines
    assert line.startswith(f"gtp: error: cannot write dataset {ID} in ")
    assert "No space left on device" in line
    assert not list(small_disk.rglob("*.hdf5"))


def test_a_disk_without_room_for_a_known_size_is_told_before(small_disk):
    ended = forked(lambda: build(small_disk, 1000, steps=1_000_000))
    assert ended.status == 2, ended.lines
    assert "needs 144 MB and" in ended.lines[0]
    assert "has room for 50.3 MB; free space" in ended.lines[0]
    assert_nothing_left(small_disk)


def fill(path: Path) -> None:
    """Write a file as large as the disk has room."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MEGA if shutil.disk_usage(path).free > MEGA else 4 * KILO))


def test_results_on_a_full_disk_are_one_line(small_disk):
    fill(small_disk / "full")
    with pytest.raises(UserError, match="cannot write .*table.csv: No space left on device; free space"):
        write_csv(small_disk / "table.csv", ["a"], [[0]] * 10_000)
    with pytest.raises(UserError, match="cannot write .*data: No space left on device; free space"):
        save_transitions(small_disk / "data", tiny_transitions())
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_results_larger_than_files_may_be_are_one_line(tmp_path):
    for write in (
        lambda: save_transitions(tmp_path / "data", tiny_transitions()),
        lambda: write_csv(tmp_path / "table.csv", ["a"], [["x" * 10]] * 1000),
    ):
        ended = forked(write, file_size=KILO)
        assert ended.status == 2, ended.lines
        (line,) = ended.lines
        assert "File too large; free space" in line
        assert_nothing_left(tmp_path)


def test_training_asks_for_room_before_its_first_step(tmp_path, monkeypatch):
    def run():
        train(
            algorithms.get("gaussian_bc")(),
            CONFIG,
            tiny_transitions(),
            (0,),
            output=tmp_path / "out",
            checkpoints=tmp_path / "checkpoints",
            execution=Execution(device="cpu", compile="off"),
        )

    monkeypatch.setattr("gtp.training.loop.Learner.update", None)
    ended = forked(run, file_size=KILO)
    assert ended.status == 2, ended.lines
    assert "training needs a file of" in ended.lines[-1]
    assert_nothing_left(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 5000))
    with pytest.raises(UserError, match=r"training needs 0.* MB and .* has room for 0.005 MB"):
        run()


def test_a_copy_that_has_no_room_is_not_called_unusable(own, root, monkeypatch):
    write_hopper(own, MEDIUM, 2, seed=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 5000))
    with pytest.raises(UserError, match=f"dataset {MEDIUM} needs .* has room for 0.005 MB"):
        fetch(FromMinari(ids=(MEDIUM,)), MEDIUM, root)


def test_a_folder_is_no_output_file(tmp_path):
    with pytest.raises(UserError, match="is a folder where a file is to be written; name a file in it"):
        require_files(None, tmp_path / "new.csv", tmp_path)
    require_files(tmp_path / "deeper/new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["deeper"]


def test_what_fits_has_room(tmp_path):
    require_room(tmp_path, 1000, "little")
    with pytest.raises(UserError, match="much needs 1e\\+12 MB"):
        require_room(tmp_path, 10**18, "much")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.ENOENT, "No such file or directory"), None),
        (
            RuntimeError("(file write failed: errno = 122, error message = 'Disk quota exceeded', buf"),
            "Disk quota exceeded",
        ),
        (RuntimeError("Can't decrement id ref count"), None),
    ],
)
def test_failed_writes_are_told_from_other_errors(error, reason):
    assert find_reason(error) == reason


def test_files_that_are_open_are_found_by_their_folder(tmp_path):
    with sole_builder(ID, tmp_path) as staging:
        held = h5py.File(staging / "held.hdf5", "w")
        assert len(room.open_files(staging)) == 1
        held.close()
        assert room.open_files(staging) == []
