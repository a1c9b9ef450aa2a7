"""The Minari collection without a hub: the user's own copies, what is kept, put together and refused."""

import dataclasses
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.data.sources import FromMinari
from gtp.data.sources import minari as source
from gtp.data.store.card import verify_card, write_card
from gtp.data.store.minari_store import create_dataset
from gtp.envs.make import make_simulator
from gtp.envs.mazes import goal_position
from gtp.errors import UserError

from .minari_data import EXPERT, MEDIUM, fetch_minari, set_metadata, write_hopper


def test_own_copy_is_used_and_left_as_it_is(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    card = fetch_minari([MEDIUM], MEDIUM, root, command="typed")
    assert card == verify_card(root / MEDIUM)
    assert (card["steps"], card["remote"], card["command"]) == (100, None, "typed")
    assert card["reference_scores"] is None
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before


def test_dataset_downloaded_by_hand_to_its_place_gets_a_card(own, root):
    write_hopper(root, MEDIUM, 2, seed=0)
    assert fetch_minari([MEDIUM], MEDIUM, root) == verify_card(root / MEDIUM)


@pytest.mark.parametrize("what", ["damaged", "other version", "other ids"])
def test_installed_dataset_that_is_not_as_asked_is_fetched_again(what, own, root, capsys):
    write_hopper(own, MEDIUM, 2, seed=0)
    card = fetch_minari([MEDIUM], MEDIUM, root)
    if what == "damaged":
        with h5py.File(root / MEDIUM / "data" / "main_data.hdf5", "a") as file:
            file["episode_0/rewards"][0] = 5.0
    elif what == "other version":
        write_card(root / MEDIUM, card | {"recipe": card["recipe"] | {"version": 0}})
    else:
        write_card(root / MEDIUM, card | {"recipe": card["recipe"] | {"ids": [EXPERT]}})
    capsys.readouterr()
    assert fetch_minari([MEDIUM], MEDIUM, root) == card == verify_card(root / MEDIUM)
    assert "again" in capsys.readouterr().err
    stamp = (root / MEDIUM / "card.json").stat().st_mtime_ns
    fetch_minari([MEDIUM], MEDIUM, root)
    assert (root / MEDIUM / "card.json").stat().st_mtime_ns == stamp


def test_place_of_another_source_is_left_alone(own, root, generated):
    source, dataset_id, _ = generated
    shutil.copytree(source / dataset_id, root / dataset_id)
    with pytest.raises(UserError, match=f"{root / dataset_id} holds other data"):
        fetch_minari([dataset_id], dataset_id, root)
    verify_card(root / dataset_id)


def test_relative_root_and_dictionaries_of_observations(own, root, generated, monkeypatch):
    source, dataset_id, card = generated
    shutil.copytree(source / dataset_id / "data", own / dataset_id / "data")
    root.mkdir()
    monkeypatch.chdir(root)
    fetched = fetch_minari([dataset_id], dataset_id, Path("."))
    for name in ("episodes", "steps", "episode_return", "success", "action_range", "sha256"):
        assert fetched[name] == card[name]
    verify_card(root / dataset_id)


@pytest.mark.parametrize(
    ("ids", "dataset_id", "message"),
    [
        ([MEDIUM], "combined/x-v0", "one dataset keeps its id"),
        ([MEDIUM, EXPERT], "mujoco/x-v0", "begin with 'combined/'"),
        ([MEDIUM, MEDIUM], "combined/x-v0", "must be different"),
    ],
)
def test_ids_that_make_no_sense_are_refused(ids, dataset_id, message, own, root):
    with pytest.raises(UserError, match=message):
        fetch_minari(ids, dataset_id, root)
    assert not root.exists()


@pytest.mark.parametrize(("ids", "message"), [([], "ids"), (["mujoco/hopper"], "got 'mujoco/hopper'")])
def test_ids_that_minari_could_not_have_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        FromMinari(ids=tuple(ids))


def test_datasets_that_differ_cannot_be_combined(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    write_hopper(own, EXPERT, 2, seed=1, action_space=spaces.Box(-2, 2, (3,), np.float32))
    with pytest.raises(UserError, match=f"{MEDIUM} and {EXPERT} .*action_space") as caught:
        fetch_minari([MEDIUM, EXPERT], "combined/x-v0", root)
    assert "\n" not in str(caught.value)
    assert not (root / "combined").exists()


def test_parts_without_common_reference_scores_leave_none(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    write_hopper(own, EXPERT, 2, seed=1)
    set_metadata(own, MEDIUM, ref_min_score=0.0, ref_max_score=2.0)
    set_metadata(own, EXPERT, ref_min_score=0.0, ref_max_score=1.0)
    card = fetch_minari([MEDIUM, EXPERT], "combined/x-v0", root)
    assert verify_card(root / EXPERT)["reference_scores"]["max"] == 1.0
    assert card["reference_scores"] is None


@pytest.mark.parametrize("remote", ["farama-minari", "gcp://minari-remote", "hf://", ""])
def test_malformed_remote_is_refused(remote, tmp_path, root, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setenv("MINARI_REMOTE", remote)
    with pytest.raises(UserError, match=f"MINARI_REMOTE is {remote!r}; use hf://"):
        fetch_minari([MEDIUM], MEDIUM, root)


def test_full_disk_is_not_taken_for_a_missing_network(tmp_path, root, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setattr(source, "find_remote", full)
    with pytest.raises(UserError, match=r"cannot write dataset .*: No space left on device; free space"):
        fetch_minari([MEDIUM], MEDIUM, root)


ANTMAZE = "D4RL/antmaze/umaze-v1"


@pytest.fixture
def antmaze(own) -> list[dict]:
    """Three episodes of random actions in the environment of D4RL/antmaze/umaze-v1, as that was recorded.

    The map marks reset and goal cells, the task continues at the goal, and observations are dictionaries.
    """
    grid = [[1, 1, 1, 1, 1], [1, "g", 0, 0, 1], [1, 1, 1, 0, 1], [1, "r", 0, 0, 1], [1, 1, 1, 1, 1]]
    options = {"maze_map": grid, "continuing_task": True, "reset_target": False}
    env = make_simulator("AntMaze_UMaze-v4", max_episode_steps=40, **options)
    env.action_space.seed(0)
    buffer, episodes = [], []
    for seed in range(3):
        # Beside the goal, so that random actions cross its border.
        observation, _ = env.reset(seed=seed, options={"reset_cell": np.array([1, 1])})
        states, actions, rewards, flags = [observation], [], [], []
        while not (flags and any(flags[-1])):
            actions.append(env.action_space.sample())
            observation, reward, *flag, _ = env.step(actions[-1])
            states.append(observation)
            rewards.append(float(reward))
            flags.append(flag)
        observations = {key: np.stack([state[key] for state in states]) for key in states[0]}
        terminations, truncations = np.array(flags).T
        episode = {"observations": observations, "actions": np.stack(actions), "rewards": np.array(rewards)}
        episodes.append(episode)
        buffer.append(EpisodeBuffer(**episode, terminations=terminations, truncations=truncations))
    create_dataset(own, ANTMAZE, buffer=buffer, env=env, algorithm_name="random actions")
    env.close()
    return episodes


def test_antmaze_data_are_fetched_and_cut_at_the_goal(antmaze, root):
    card = fetch_minari([ANTMAZE], ANTMAZE, root)
    assert card["minari"]["environment"] == "AntMaze_UMaze-v4"
    assert (card["episodes"], card["steps"]) == (3, 120)
    task = TaskSpec(
        name="antmaze-umaze",
        environment="AntMaze_UMaze-v4",
        max_episode_steps=700,
        observation_keys=("achieved_goal", "observation"),
        maze="umaze",
        start_cell=(3, 1),
        goal_cell=(1, 1),
    )
    positions = [episode["observations"]["achieved_goal"] for episode in antmaze]
    distances = [np.linalg.norm(xy - goal_position(task), axis=1) for xy in positions]
    task = dataclasses.replace(task, goal_radius=float(np.median(np.concatenate(distances))))
    rows = []
    for episode, distance in zip(antmaze, distances, strict=True):
        state = np.concatenate([episode["observations"][key] for key in task.observation_keys], axis=1)
        for t, action in enumerate(episode["actions"]):
            if distance[t] > task.goal_radius:
                rows.append((state[t], action, state[t + 1], distance[t + 1] <= task.goal_radius))
    transitions = prepare_transitions(ANTMAZE, root, task)
    assert 0 < len(rows) < 120
    assert any(row[3] for row in rows)
    assert transitions.observations.shape == (len(rows), 29)
    columns = ("observations", "actions", "next_observations", "terminations")
    for name, expected in zip(columns, zip(*rows, strict=True), strict=True):
        np.testing.assert_array_equal(getattr(transitions, name), np.float32(expected))
    np.testing.assert_array_equal(transitions.rewards, transitions.terminations)
