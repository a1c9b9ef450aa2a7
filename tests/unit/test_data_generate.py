import contextlib
import dataclasses
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest

from gtp.data.generate import recording
from gtp.data.generate.waypoint import WaypointRecipe
from gtp.data.sources import generate
from gtp.data.sources.generate import generate_dataset
from gtp.data.store.card import checksums, read_card, verify_card
from gtp.envs.mazes import MAZES
from gtp.errors import UserError

from .forked import forked

ID = "generated/pointmaze/test-v0"
TINY = WaypointRecipe(maze="umaze", steps=50, horizon=20)

BUILDER = """
from gtp.data.sources.generate import generate_dataset
from gtp.data.generate.waypoint import WaypointRecipe
if __name__ == "__main__":
    recipe = WaypointRecipe(maze="umaze", steps={steps}, horizon=300)
    generate_dataset(recipe, dataset_id="{id}", root={root!r}, workers={workers})
"""


def start_builder(folder: Path, root: Path, steps: int, workers: int) -> subprocess.Popen:
    """Start a process that generates a dataset."""
    script = folder / f"build-{steps}-{workers}.py"
    script.write_text(BUILDER.format(steps=steps, workers=workers, id=ID, root=str(root)))
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    return subprocess.Popen([sys.executable, script], env=environment, stderr=subprocess.PIPE, text=True)


def visible_files(root: Path) -> list[Path]:
    """Files under a Minari root, but for those that a dot hides."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.parts)]


@pytest.fixture
def copy_of_generated(generated, tmp_path) -> tuple[Path, str, Path]:
    """Root, id and folder of a copy that a test may damage."""
    root, dataset_id, _ = generated
    shutil.copytree(root, tmp_path / "minari")
    return tmp_path / "minari", dataset_id, tmp_path / "minari" / dataset_id


def test_result_is_a_minari_dataset(generated, monkeypatch):
    root, dataset_id, _ = generated
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    dataset = minari.load_dataset(dataset_id)
    assert list(minari.list_local_datasets()) == [dataset_id]
    assert (dataset.total_episodes, dataset.total_steps) == (4, 1000)
    assert [len(episode) for episode in dataset] == [300, 300, 300, 100]
    episode = dataset[3]
    assert episode.observations["observation"].shape == (101, 4)
    assert not episode.terminations.any()
    np.testing.assert_array_equal(np.flatnonzero(episode.truncations), [99])
    assert dataset.action_space.contains(episode.actions[0])
    recovered = dataset.recover_environment()
    assert recovered.unwrapped.maze.maze_map == MAZES["umaze"]
    observation, _ = recovered.reset(seed=int(dataset.storage.get_episode_metadata([0]).__next__()["seed"]))
    np.testing.assert_array_equal(observation["observation"], dataset[0].observations["observation"][0])


def test_recorded_actions_replay_to_the_recorded_states(generated):
    root, dataset_id, _ = generated
    dataset = minari.MinariDataset(root / dataset_id / "data")
    environment, episode = dataset.recover_environment(), dataset[1]
    environment.reset(seed=int(next(iter(dataset.storage.get_episode_metadata([1])))["seed"]))
    for step, action in enumerate(episode.actions):
        observation, reward, *_ = environment.step(action)
        for key, recorded in episode.observations.items():
            np.testing.assert_array_equal(observation[key], recorded[step + 1])
        assert reward == episode.rewards[step]


def test_card_describes_the_data(generated):
    root, dataset_id, card = generated
    assert card == read_card(root / dataset_id)
    dataset = minari.MinariDataset(root / dataset_id / "data")
    returns = [episode.rewards.sum() for episode in dataset]
    assert (card["dataset_id"], card["source"], card["command"]) == (dataset_id, "generate", "make it")
    assert "not the D4RL data" in card["notice"]
    assert (card["recipe"]["name"], card["recipe"]["seed"]) == ("waypoint", 3)
    assert (card["episodes"], card["steps"]) == (4, 1000)
    assert card["episode_length"] == {
        "mean": 250,
        "std": pytest.approx(86.6, abs=0.01),
        "min": 100,
        "max": 300,
    }
    assert card["episode_return"]["mean"] == pytest.approx(np.mean(returns))
    assert card["success"] == np.mean([episode.infos["success"].any() for episode in dataset])
    assert card["action_range"] == [[-1, -1], [1, 1]]
    assert {"minari", "gymnasium", "mujoco"} <= card["versions"].keys()
    assert set(card["sha256"]) == {"data/main_data.hdf5", "data/metadata.json"}


def test_number_of_workers_does_not_change_a_byte(tmp_path):
    cards = [
        generate_dataset(TINY, dataset_id=ID, root=tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    ]
    assert cards[0]["sha256"]["data/main_data.hdf5"] == cards[1]["sha256"]["data/main_data.hdf5"]


def test_seed_changes_the_data(tmp_path):
    first = generate_dataset(TINY, dataset_id=ID, root=tmp_path / "a")
    second = generate_dataset(dataclasses.replace(TINY, seed=1), dataset_id=ID, root=tmp_path / "b")
    assert first["sha256"] != second["sha256"]


def test_intact_dataset_is_kept(copy_of_generated, monkeypatch):
    root, dataset_id, folder = copy_of_generated
    recipe = WaypointRecipe(maze="umaze", steps=1000, horizon=300, seed=3)
    monkeypatch.setattr(generate, "record_episodes", None)  # would fail if called
    assert generate_dataset(recipe, dataset_id=dataset_id, root=root) == read_card(folder)


def test_dataset_with_chosen_goals_is_recognised_again(tmp_path):
    recipe = dataclasses.replace(TINY, goal_cells=((1, 1), (3, 1)))
    card = generate_dataset(recipe, dataset_id=ID, root=tmp_path)
    assert generate_dataset(recipe, dataset_id=ID, root=tmp_path) == card
    with pytest.raises(UserError, match="differs in goal_cells"):
        generate_dataset(TINY, dataset_id=ID, root=tmp_path)


def test_damaged_dataset_is_made_again(copy_of_generated, capsys):
    root, dataset_id, folder = copy_of_generated
    before = checksums(folder)
    (folder / "data" / "main_data.hdf5").write_bytes(b"broken")
    (folder / "data" / "stray").touch()
    recipe = WaypointRecipe(maze="umaze", steps=1000, horizon=300, seed=3)
    generate_dataset(recipe, dataset_id=dataset_id, root=root)
    assert checksums(folder) == before
    assert verify_card(folder)
    assert "main_data.hdf5 has changed" in capsys.readouterr().err


def test_data_without_a_card_are_half_of_something_and_made_again(copy_of_generated, capsys):
    root, dataset_id, folder = copy_of_generated
    before = checksums(folder)
    (folder / "card.json").unlink()
    recipe = WaypointRecipe(maze="umaze", steps=1000, horizon=300, seed=3)
    generate_dataset(recipe, dataset_id=dataset_id, root=root)
    assert checksums(folder) == before
    assert "has no card: making the dataset again" in capsys.readouterr().err


def test_dataset_of_another_version_of_the_recipe_is_made_again(copy_of_generated, monkeypatch, capsys):
    root, dataset_id, folder = copy_of_generated
    recipe = WaypointRecipe(maze="umaze", steps=1000, horizon=300, seed=3)
    monkeypatch.setattr(WaypointRecipe, "version", 99)
    generate_dataset(recipe, dataset_id=dataset_id, root=root)
    assert read_card(folder)["recipe"]["version"] == 99
    assert "differs in version): making the dataset again" in capsys.readouterr().err


def test_empty_folders_of_an_interrupted_run_are_no_obstacle(tmp_path):
    (tmp_path / ID / "data").mkdir(parents=True)
    generate_dataset(TINY, dataset_id=ID, root=tmp_path)
    assert verify_card(tmp_path / ID)


def test_other_data_are_never_overwritten(copy_of_generated):
    root, dataset_id, folder = copy_of_generated
    with pytest.raises(UserError, match=rf"{folder} .*differs in .*steps.*; choose another id or move"):
        generate_dataset(TINY, dataset_id=dataset_id, root=root)
    (folder / "card.json").write_text("{}")
    with pytest.raises(UserError, match="is not a dataset card"):
        generate_dataset(TINY, dataset_id=dataset_id, root=root)
    assert (folder / "data" / "main_data.hdf5").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "data/main_data.hdf5").unlink(), "main_data.hdf5 is missing"),
        (lambda f: (f / "data/more").touch(), "data/more"),
        (lambda f: (f / "data/metadata.json").write_text("{}"), "metadata.json has changed"),
        (lambda f: (f / "card.json").unlink(), "card.json is missing"),
        (lambda f: (f / "card.json").write_text("{"), "card.json"),
    ],
)
def test_verification_names_what_differs(damage, message, copy_of_generated):
    folder = copy_of_generated[2]
    assert verify_card(folder)["steps"] == 1000
    damage(folder)
    with pytest.raises(UserError, match=message):
        verify_card(folder)


@pytest.mark.parametrize(
    ("dataset_id", "message"),
    [("D4RL/pointmaze/umaze-v2", "begin with 'generated/'"), ("generated/pointmaze/umaze", "-v<number>")],
)
def test_ids_that_mislead_or_break_minari_are_refused(dataset_id, message, tmp_path):
    with pytest.raises(UserError, match=message):
        generate_dataset(TINY, dataset_id=dataset_id, root=tmp_path)
    assert not visible_files(tmp_path)


def test_failure_half_way_leaves_nothing(tmp_path, monkeypatch):
    def fails(recipe, workers, progress):
        yield next(recording.record_episodes(recipe, workers, progress))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "record_episodes", fails)
    ended = forked(lambda: generate_dataset(TINY, dataset_id=ID, root=tmp_path))  # HDF5 may end the program
    assert ended.status == 2
    assert re.search(r"cannot write dataset .*: No space left on device; free space", ended.lines[-1])
    assert not visible_files(tmp_path)
    monkeypatch.undo()
    generate_dataset(TINY, dataset_id=ID, root=tmp_path)
    assert verify_card(tmp_path / ID)


def test_unwritable_root_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write dataset"):
        generate_dataset(TINY, dataset_id=ID, root=tmp_path / "file")


class Deadly(WaypointRecipe):
    """Ends every process of a pool that is to record it."""

    def make_collector(self):
        if multiprocessing.parent_process() is not None:
            os._exit(1)
        return super().make_collector()


def test_dying_workers_are_reported(tmp_path):
    one_episode = Deadly(maze="umaze", steps=20, horizon=20)
    with pytest.raises(UserError, match="a worker process died"):
        generate_dataset(one_episode, dataset_id=ID, root=tmp_path, workers=2)
    assert not visible_files(tmp_path)


def test_environment_variable_of_minari_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", "elsewhere")
    generate_dataset(TINY, dataset_id=ID, root=tmp_path / "a")
    assert os.environ["MINARI_DATASETS_PATH"] == "elsewhere"
    monkeypatch.delenv("MINARI_DATASETS_PATH")
    generate_dataset(TINY, dataset_id=ID, root=tmp_path / "b")
    assert "MINARI_DATASETS_PATH" not in os.environ


def test_killed_builder_leaves_neither_data_nor_workers(tmp_path):
    root = tmp_path / "minari"
    builder = start_builder(tmp_path, root, steps=3_000_000, workers=2)
    partial = root / ".building" / ID.replace("/", "--") / ID / "data" / "main_data.hdf5"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 10_000):
        assert builder.poll() is None, builder.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = Path(f"/proc/{builder.pid}/task/{builder.pid}/children").read_text().split()
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    assert len(children) >= 2
    assert not visible_files(root)
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)
    builder.stderr.close()

    generate_dataset(TINY, dataset_id=ID, root=root)
    assert verify_card(root / ID)
    assert not partial.parent.exists()


def test_two_builders_at_once_end_with_one_good_dataset(tmp_path):
    root = tmp_path / "minari"
    builders = [start_builder(tmp_path, root, steps=15_000, workers=1) for _ in range(2)]
    messages = [builder.communicate(timeout=60)[1] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], messages
    assert verify_card(root / ID)["steps"] == 15_000
    assert list((root / ".building").iterdir()) == [root / ".building" / f"{ID.replace('/', '--')}.lock"]
    with contextlib.closing(h5py.File(root / ID / "data" / "main_data.hdf5")) as file:
        assert len(file) == 50
