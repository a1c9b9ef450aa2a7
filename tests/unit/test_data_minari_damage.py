"""Copies of Minari datasets that cannot be used are refused in one line, and nothing is installed."""

import json
import math
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gtp.errors import UserError

from .minari_data import EXPERT, MEDIUM, fetch_minari, set_metadata, write_hopper

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
