"""Downloading from the Minari collection: the real client against a local hub, and every way it can fail."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import minari
import numpy as np
import pytest

from gtp.data.store.card import verify_card
from gtp.data.store.minari_store import minari_root, open_dataset

from .hub_server import HubServer
from .minari_data import EXPERT, MEDIUM, set_metadata, write_hopper

MAIN, META, EXTRA = (
    f"hopper/medium-v0/data/{name}" for name in ("main_data.hdf5", "metadata.json", "more.bin")
)
MB = 1 << 20

# What a user's process does; the client reads HF_ENDPOINT when it is imported, so it must be a new one.
PROGRAM = """
import sys
from gtp.data.sources import FromMinari
from gtp.data.sources.minari import fetch
from gtp.errors import UserError
try:
    fetch(FromMinari(ids=tuple(sys.argv[3:])), sys.argv[1], sys.argv[2])
except UserError as error:
    sys.exit(f"error: {error}")
"""


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
