"""Fetching from the Minari collection: the real client against a local server, and every way it can fail."""

import dataclasses
import json
import math
import os
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
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.config import TaskSpec
from gtp.data.prepare import prepare_transitions
from gtp.data.sources import announced
from gtp.data.sources import minari as minari_remote
from gtp.data.sources.minari import fetch_minari
from gtp.data.store.card import verify_card, write_card
from gtp.data.store.minari_store import create_dataset, minari_root, open_dataset
from gtp.envs.make import make_simulator
from gtp.envs.mazes import goal_position
from gtp.errors import UserError

from .hub_server import HubServer

MEDIUM, EXPERT = "mujoco/hopper/medium-v0", "mujoco/hopper/expert-v0"
ANTMAZE = "D4RL/antmaze/umaze-v1"
MAIN, META, EXTRA = (
    f"hopper/medium-v0/data/{name}" for name in ("main_data.hdf5", "metadata.json", "more.bin")
)
MB = 1 << 20

# What a user's process does; the client reads HF_ENDPOINT when it is imported, so it must be a new one.
PROGRAM = """
import sys
from gtp.data.sources.minari import fetch_minari
from gtp.errors import UserError
try:
    fetch_minari(sys.argv[3:], sys.argv[1], sys.argv[2])
except UserError as error:
    sys.exit(f"error: {error}")
"""


def write_hopper(root: Path, dataset_id: str, episodes: int, seed: int, **changes) -> None:
    """A Minari dataset with the shapes of a hopper's, 50 steps an episode, whose last one terminates."""
    rng, last = np.random.default_rng(seed), np.arange(50) == 49
    buffer = [
        EpisodeBuffer(
            observations=rng.normal(size=(51, 11)),
            actions=rng.uniform(-1, 1, size=(50, 3)).astype(np.float32),
            rewards=rng.uniform(size=50),
            terminations=last if index == episodes - 1 else np.zeros(50, bool),
            truncations=np.zeros(50, bool) if index == episodes - 1 else last,
        )
        for index in range(episodes)
    ]
    box = spaces.Box(-np.inf, np.inf, (11,), np.float64)
    arguments = {"observation_space": box, "action_space": spaces.Box(-1, 1, (3,), np.float32)}
    create_dataset(root, dataset_id, buffer=buffer, **(arguments | changes))


def set_metadata(root: Path, dataset_id: str, **changes) -> None:
    path = root / dataset_id / "data" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Path:
    """The Minari root that the server serves; leave it as it is."""
    root = tmp_path_factory.mktemp("remote")
    write_hopper(root, MEDIUM, 4, seed=0)
    write_hopper(root, EXPERT, 2, seed=1)
    for dataset_id in (MEDIUM, EXPERT):
        set_metadata(root, dataset_id, ref_min_score=-20.0, ref_max_score=3234.0, author=["A. Author"])
    # Data in arrow format are many files; one more file stands for them.
    (root / "mujoco" / EXTRA).write_bytes(b"more" * 1000)
    listing = {"datasets": [MEDIUM, EXPERT], "namespaces": ["mujoco/hopper"]}
    (root / "mujoco" / "namespace_metadata.json").write_text(json.dumps(listing))
    return root


@pytest.fixture
def hub(remote):
    server = HubServer(remote)
    yield server
    server.close()


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


class Fetcher:
    """Runs `fetch_minari` in processes of their own, with a home and a hub cache of their own."""

    def __init__(self, endpoint: str, folder: Path, root: Path):
        self.root = root
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("MINARI_REMOTE", "MINARI_DATASETS_PATH")},
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(folder / "hub-cache"),
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def start(self, *ids: str, dataset_id: str | None = None) -> subprocess.Popen:
        command = [sys.executable, "-c", PROGRAM, dataset_id or ids[0], str(self.root), *ids]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)

    def succeed(self, *ids: str, **options) -> str:
        process = self.start(*ids, **options)
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors
        return errors

    def fail(self, *ids: str) -> str:
        """The one line that a failed fetch ends with."""
        process = self.start(*ids)
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 1, errors
        assert "Traceback" not in errors
        line = errors.strip().splitlines()[-1]
        assert line.startswith("error: ")
        return line

    def assert_nothing_installed(self) -> None:
        """Neither we nor Minari may take what an unfinished fetch leaves for a dataset."""
        assert not (self.root / MEDIUM).exists()
        with minari_root(self.root):
            assert minari.list_local_datasets() == {}


@pytest.fixture
def fetcher(hub, tmp_path, root) -> Fetcher:
    return Fetcher(hub.endpoint, tmp_path, root)


def assert_same_data(root: Path, remote: Path, dataset_id: str = MEDIUM) -> None:
    verify_card(root / dataset_id)
    for name in ("main_data.hdf5", "metadata.json"):
        installed, original = (place / dataset_id / "data" / name for place in (root, remote))
        assert installed.read_bytes() == original.read_bytes()


def test_download_is_installed_with_its_card_and_then_kept(hub, fetcher, remote, root):
    fetcher.succeed(MEDIUM)
    assert_same_data(root, remote)
    card = verify_card(root / MEDIUM)
    assert (card["source"], card["episodes"], card["steps"]) == ("minari", 4, 200)
    assert card["recipe"]["ids"] == [MEDIUM]
    assert card["minari"]["authors"] == ["A. Author"]
    assert (card["reference_scores"]["min"], card["reference_scores"]["max"]) == (-20.0, 3234.0)
    assert card["remote"]["url"] == "hf://farama-minari"
    assert card["remote"]["revision"] == hub.repositories["mujoco"].commit
    main = "data/main_data.hdf5"
    assert card["remote"]["files"][main]["sha256"] == card["sha256"][main]
    assert card["remote"]["files"]["data/metadata.json"].keys() == {"git-sha1"}
    # No trace of the download is left, and the second fetch asks the server nothing.
    assert sorted(path.name for path in (root / ".building").iterdir()) == ["mujoco--hopper--medium-v0.lock"]
    hub.requests.clear()
    fetcher.succeed(MEDIUM)
    assert hub.requests == []


def test_connection_that_breaks_once_is_resumed_at_once(tmp_path, remote, root):
    big = tmp_path / "big"
    shutil.copytree(remote, big)
    (big / "mujoco" / EXTRA).write_bytes(os.urandom(14 * MB))
    hub = HubServer(big)
    hub.faults.cut[EXTRA] = 12 * MB
    Fetcher(hub.endpoint, tmp_path, root).succeed(MEDIUM)
    hub.close()
    first, second = (request for request in hub.requests if request.file == EXTRA)
    # The client asks again with Range; of the first part it keeps whole blocks of 10 MB.
    assert (first.start, first.sent) == (0, 12 * MB)
    assert (second.start, second.sent) == (10 * MB, 4 * MB)
    assert (root / "mujoco" / EXTRA).read_bytes() == (big / "mujoco" / EXTRA).read_bytes()


def test_finished_files_of_an_interrupted_download_are_not_transferred_again(hub, fetcher, remote, root):
    hub.faults.refuse.add(MAIN)
    assert "503" in fetcher.fail(MEDIUM)
    fetcher.assert_nothing_installed()
    assert hub.transferred(EXTRA) == 4000
    hub.faults.refuse.clear()
    hub.requests.clear()
    fetcher.succeed(MEDIUM)
    assert_same_data(root, remote)
    assert hub.transferred(MAIN) == (remote / "mujoco" / MAIN).stat().st_size
    assert hub.transferred(EXTRA) == hub.transferred(META) == 0


def test_killed_download_leaves_nothing_that_looks_complete(hub, fetcher, remote, root):
    hub.faults.slow[MAIN] = 60.0
    process = fetcher.start(MEDIUM)
    place = root / ".building" / "mujoco--hopper--medium-v0.download" / "mujoco"
    deadline = time.monotonic() + 60
    while not ((place / EXTRA).exists() and list(place.rglob("*.incomplete"))):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    fetcher.assert_nothing_installed()
    hub.faults.slow.clear()
    hub.faults.refuse.add(MAIN)
    fetcher.fail(MEDIUM)
    assert not list(place.rglob("*.incomplete"))  # the client never looks at them again
    hub.faults.refuse.clear()
    hub.requests.clear()
    fetcher.succeed(MEDIUM)
    assert_same_data(root, remote)
    assert hub.transferred(EXTRA) == 0
    assert not place.exists()


def test_two_fetches_of_one_dataset_download_it_once(hub, fetcher, remote, root):
    hub.faults.slow[MAIN] = 1.0
    processes = [fetcher.start(MEDIUM) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert_same_data(root, remote)
    assert hub.transferred(MAIN) == (remote / "mujoco" / MAIN).stat().st_size


@pytest.mark.parametrize(("file", "kind"), [(MAIN, "sha256"), (META, "git-sha1")])
def test_file_that_arrives_damaged_is_named_and_fetched_anew(file, kind, hub, fetcher, remote, root):
    content = hub.repositories["mujoco"].files[file]
    hub.faults.corrupt[file] = content.index(b"200") + 2 if file == META else len(content) // 2
    line = fetcher.fail(MEDIUM)
    assert f"data/{Path(file).name} of {MEDIUM} arrived damaged from hf://farama-minari (its {kind}" in line
    assert line.endswith("was removed; run the same command again")
    fetcher.assert_nothing_installed()
    hub.faults.corrupt.clear()
    hub.requests.clear()
    fetcher.succeed(MEDIUM)
    assert_same_data(root, remote)
    assert hub.transferred(EXTRA) == 0


@pytest.mark.parametrize("wrong", ["mujoco/hopper/medium-v7", "mujoco/hoper/medium-v0"])
def test_wrong_id_is_answered_with_the_nearest_one(wrong, fetcher):
    line = fetcher.fail(wrong)
    assert f"there is no dataset {wrong!r} on hf://farama-minari; did you mean {MEDIUM!r}?" in line


def test_without_network_the_line_names_the_size_and_the_alternatives(hub, fetcher, tmp_path):
    hub.close()
    line = fetcher.fail("D4RL/antmaze/umaze-v1")
    own = tmp_path / "home" / ".minari" / "datasets" / "D4RL" / "antmaze" / "umaze-v1"
    assert "cannot download D4RL/antmaze/umaze-v1 (605 MB) from hf://farama-minari" in line
    assert f"run `minari download D4RL/antmaze/umaze-v1` and copy its folder to {own}, or" in line
    assert "`source: generate`" in line
    assert "(size unknown)" in fetcher.fail(MEDIUM)
    assert not (tmp_path / "home").exists()


def test_several_ids_are_combined_in_their_order(fetcher, remote, root):
    both = "combined/hopper-medium-expert-v0"
    fetcher.succeed(MEDIUM, EXPERT, dataset_id=both)
    card = verify_card(root / both)
    assert (card["episodes"], card["steps"]) == (6, 300)
    assert list(card["parts"]) == [EXPERT, MEDIUM]  # JSON sorts keys; the order is the recipe's
    assert card["recipe"]["ids"] == [MEDIUM, EXPERT]
    assert card["parts"][EXPERT]["sha256"] == verify_card(root / EXPERT)["sha256"]
    combined = open_dataset(both, root)
    sources = [
        episode for part in (MEDIUM, EXPERT) for episode in open_dataset(part, remote).iterate_episodes()
    ]
    for episode, source in zip(combined.iterate_episodes(), sources, strict=True):
        for name in ("observations", "actions", "rewards", "terminations", "truncations"):
            np.testing.assert_array_equal(getattr(episode, name), getattr(source, name))
    assert combined.spec.combined_datasets == [MEDIUM, EXPERT]
    # Minari forgets the reference scores; both parts have the same.
    assert minari.get_normalized_score(combined, np.array([3234.0]))[0] == 1.0


# From here on no server: the data come from the user's own Minari folder.


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """The user's own Minari folder; without a copy in it the remote is one that refuses connections."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setattr(minari_remote, "download", refuse_download)
    return tmp_path / "own"


def refuse_download(dataset_id: str, place: Path):
    raise UserError(f"cannot download {dataset_id}")


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
    with pytest.raises(UserError, match="holds data of another source"):
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
        ([], "combined/x-v0", "at least one"),
        (["mujoco/hopper"], "mujoco/hopper", "bad dataset id 'mujoco/hopper'"),
        (["../a-v0"], "../a-v0", "bad dataset id"),
    ],
)
def test_ids_that_make_no_sense_are_refused(ids, dataset_id, message, own, root):
    with pytest.raises(UserError, match=message):
        fetch_minari(ids, dataset_id, root)
    assert not root.exists()


def test_datasets_that_differ_cannot_be_combined(own, root):
    write_hopper(own, MEDIUM, 2, seed=0)
    write_hopper(own, EXPERT, 2, seed=1, action_space=spaces.Box(-2, 2, (3,), np.float32))
    with pytest.raises(UserError, match=f"{MEDIUM} and {EXPERT} cannot be combined: action_space") as caught:
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


@pytest.mark.parametrize(("remote", "extra"), [("hf://farama-minari", "hf"), ("gcp://minari-remote", "gcs")])
def test_missing_client_is_named_with_its_installation(remote, extra, tmp_path, root, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setenv("MINARI_REMOTE", remote)
    for module in ("minari.storage.remotes.huggingface", "minari.storage.remotes.gcp"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for module in ("huggingface_hub", "google.cloud.storage"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf'from {remote} needs .*`pip install "minari\[{extra}\]"`'):
        fetch_minari([MEDIUM], MEDIUM, root)


@pytest.mark.parametrize("remote", ["farama-minari", "ftp://x", "hf://", ""])
def test_malformed_remote_is_refused(remote, tmp_path, root, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setenv("MINARI_REMOTE", remote)
    with pytest.raises(UserError, match=r"MINARI_REMOTE is .*; use hf://<organisation> or gcp://<bucket>"):
        fetch_minari([MEDIUM], MEDIUM, root)


def test_full_disk_is_not_taken_for_a_missing_network(tmp_path, root, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setattr(minari_remote, "find_announced", full)
    with pytest.raises(UserError, match=r"cannot write dataset .*: No space left on device; free space"):
        fetch_minari([MEDIUM], MEDIUM, root)


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


METADATA = {
    "empty object": lambda _: "{}",
    "no text": lambda _: "",
    "garbage": lambda _: "{'",
    "a list": lambda _: "[]",
    "not UTF-8": lambda _: b"\xff\xfe",
    "no format": lambda m: {k: v for k, v in m.items() if k != "data_format"},
    "unknown format": lambda m: m | {"data_format": "csv"},
    "no version": lambda m: {k: v for k, v in m.items() if k != "minari_version"},
    "unknown version": lambda m: m | {"minari_version": "9.9.9"},
    "no spaces": lambda m: {k: v for k, v in m.items() if not k.endswith("_space")},
    "garbled space": lambda m: m | {"action_space": "{"},
    "NaN space": lambda m: m | {"action_space": m["action_space"].replace("-1.0", "NaN")},
    "shapeless space": lambda m: m | {"observation_space": m["observation_space"].replace("11", "-3")},
    "discrete actions": lambda m: m | {"action_space": '{"type": "Discrete", "n": 3, "start": 0}'},
    "no episodes": lambda m: m | {"total_episodes": 0},
    "too many episodes": lambda m: m | {"total_episodes": 7},
    "endless episodes": lambda m: m | {"total_episodes": 10**15},
    "negative episodes": lambda m: m | {"total_episodes": -2},
    "NaN episodes": lambda m: m | {"total_episodes": math.nan},
    "other id": lambda m: m | {"dataset_id": EXPERT},
    "no id": lambda m: {k: v for k, v in m.items() if k != "dataset_id"},
    "malformed id": lambda m: m | {"dataset_id": "a b"},
    "words for scores": lambda m: m | {"ref_min_score": "low", "ref_max_score": "high"},
    "NaN scores": lambda m: m | {"ref_min_score": math.nan, "ref_max_score": 1.0},
    "garbled environment": lambda m: m | {"env_spec": "{}"},
    "garbled authors": lambda m: m | {"author": 3},
}


@pytest.mark.parametrize("change", METADATA.values(), ids=METADATA)
def test_garbled_metadata_are_one_line(change, own, root, capsys):
    write_hopper(own, MEDIUM, 2, seed=0)
    path = own / MEDIUM / "data" / "metadata.json"
    changed = change(json.loads(path.read_text()))
    changed = changed if isinstance(changed, str | bytes) else json.dumps(changed)
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    assert_refused_in_one_line(own, root, capsys)


@pytest.mark.parametrize("kept", [0, 100, 5000, -1000, -1])
def test_truncated_data_are_one_line(kept, own, root, capsys):
    write_hopper(own, MEDIUM, 2, seed=0)
    path = own / MEDIUM / "data" / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:kept])
    assert_refused_in_one_line(own, root, capsys)


EPISODES = {
    "no rewards": lambda group: group.pop("rewards"),
    "no steps": lambda group: [replace(group, name, group[name][:0]) for name in ("rewards", "actions")],
    "NaN reward": lambda group: replace(group, "rewards", np.full(50, np.nan)),
    "NaN action": lambda group: replace(group, "actions", np.full((50, 3), np.nan)),
    "narrow actions": lambda group: replace(group, "actions", np.zeros((50, 2))),
}


def replace(group: h5py.Group, name: str, values: np.ndarray) -> None:
    del group[name]
    group[name] = values


@pytest.mark.parametrize("change", EPISODES.values(), ids=EPISODES)
def test_unsound_episodes_are_one_line(change, own, root, capsys):
    write_hopper(own, MEDIUM, 2, seed=0)
    with h5py.File(own / MEDIUM / "data" / "main_data.hdf5", "a") as file:
        change(file["episode_1"])
    assert_refused_in_one_line(own, root, capsys)


def assert_refused_in_one_line(own: Path, root: Path, capsys) -> str:
    """The copy is not used, for a reason in one line, which is returned, and nothing is installed."""
    with pytest.raises(UserError, match=f"cannot download {MEDIUM}"):
        fetch_minari([MEDIUM], MEDIUM, root)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"the copy in {own} is not used: ")
    assert MEDIUM in lines[0]
    assert [path.name for path in root.iterdir()] == [".building"]
    return lines[0]


def test_data_of_a_format_whose_package_is_missing_name_it(own, root, capsys, monkeypatch):
    write_hopper(own, MEDIUM, 2, seed=0)
    set_metadata(own, MEDIUM, data_format="arrow")
    monkeypatch.delitem(sys.modules, "minari.dataset._storages.arrow_storage", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    line = assert_refused_in_one_line(own, root, capsys)
    assert 'pip install "minari[arrow]"' in line
    assert "damaged" not in line


def test_digests_are_those_of_git_and_of_the_hub(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"hello\n")
    assert announced.digest_of(file, "git-sha1") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert announced.digest_of(file, "md5") == "b1946ac92492d2347c6235b4d2611184"
    assert announced.digest_of(file, "sha256").startswith("5891b5b522d5df08")
