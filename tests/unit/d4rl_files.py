"""Files as D4RL writes them, small and made by hand, and what tests ask of the datasets made from them."""

from pathlib import Path

import h5py
import minari
import numpy as np

from gtp.data.sources import FromD4RL
from gtp.data.sources.d4rl import fetch
from gtp.data.store.minari_store import minari_root, open_dataset
from gtp.errors import UserError

HOPPER, ANTMAZE = "hopper-medium-v2", "antmaze-umaze-v2"


def fetch_d4rl(
    d4rl_id: str, root: Path, file: Path | str | None = None, sha256: str | None = None, **options
) -> dict:
    """Fetch one of D4RL's datasets as `gtp dataset fetch d4rl` does; returns its card."""
    wanted = FromD4RL(id=d4rl_id, file=None if file is None else str(file), sha256=sha256)
    return fetch(wanted, wanted.own_id, root, **options)


def marks(rows: int, *at: int) -> np.ndarray:
    """Flags of some rows, set at the given ones."""
    flags = np.zeros(rows, dtype=bool)
    flags[list(at)] = True
    return flags


def hopper_columns(rows: int, *, terminals=(), timeouts=(), **columns) -> dict:
    """Columns of a hopper's file; row i is recognised by its values: observation i, action i / 40000."""
    return {
        "observations": np.repeat(np.arange(rows, dtype=np.float32)[:, None], 11, axis=1),
        "actions": np.repeat(np.arange(rows, dtype=np.float32)[:, None] / 40000, 3, axis=1),
        "rewards": np.arange(rows, dtype=np.float32) / 2,
        "terminals": marks(rows, *terminals),
        "timeouts": marks(rows, *timeouts),
        **columns,
    }


def antmaze_columns(positions, *, terminals=(), timeouts=(), **columns) -> dict:
    """Columns of an ant's file along positions (N, 2); entry j >= 2 of observation i is 100 i + j."""
    positions = np.asarray(positions, dtype=np.float32)
    rows = len(positions)
    rest = 100 * np.arange(rows, dtype=np.float32)[:, None] + np.arange(2, 29, dtype=np.float32)
    return {
        "observations": np.concatenate([positions, rest], axis=1),
        "actions": np.repeat(np.arange(rows, dtype=np.float32)[:, None] / 1000, 8, axis=1),
        "rewards": marks(rows, *terminals).astype(np.float32),
        "terminals": marks(rows, *terminals),
        "timeouts": marks(rows, *timeouts),
        **columns,
    }


def next_of(columns: dict, ends: dict[int, float]) -> dict:
    """Add next_observations: the following row's, but at the rows in `ends` that value everywhere."""
    following = np.roll(columns["observations"], -1, axis=0)
    for row, value in ends.items():
        following[row] = value
    return columns | {"next_observations": following}


def write_file(path: Path, columns: dict, **options) -> Path:
    """An HDF5 file as D4RL writes them, compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if values is not None:
                file.create_dataset(name, data=values, **({"compression": "gzip"} | options))
        file["metadata/algorithm"] = np.bytes_("SAC")
    return path


def convert(root: Path, columns: dict, d4rl_id: str = HOPPER, **options) -> tuple[dict, list]:
    """Card and episodes of a file with these columns."""
    path = write_file(root.parent / "file.hdf5", columns)
    card = fetch_d4rl(d4rl_id, root, path, **options)
    return card, list(open_dataset(f"d4rl/{d4rl_id}", root).iterate_episodes())


def rows_of(episodes: list) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """Of each hopper episode: its observations, actions, terminations and truncations as row numbers."""
    return [
        (
            episode.observations[:, 0].astype(int).tolist(),
            np.rint(40000 * episode.actions[:, 0]).astype(int).tolist(),
            np.flatnonzero(episode.terminations).tolist(),
            np.flatnonzero(episode.truncations).tolist(),
        )
        for episode in episodes
    ]


def assert_nothing_installed(root: Path) -> None:
    assert not list(root.glob("d4rl/*"))
    assert [path.name for path in root.glob(".building/*") if path.suffix != ".lock"] == []
    if root.exists():
        with minari_root(root):
            assert minari.list_local_datasets() == {}


def assert_one_line(error: UserError, path: Path) -> None:
    assert "\n" not in str(error)
    assert str(path) in str(error)
    assert "use an intact copy" in str(error)
