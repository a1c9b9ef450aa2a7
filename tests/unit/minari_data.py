"""Small datasets as those of the Minari collection, and how tests fetch them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.data.sources import FromMinari
from gtp.data.sources.minari import fetch
from gtp.data.store.minari_store import create_dataset

MEDIUM, EXPERT = "mujoco/hopper/medium-v0", "mujoco/hopper/expert-v0"


def fetch_minari(ids: Sequence[str], dataset_id: str, root: Path, **options) -> dict:
    """Fetch a dataset as `gtp dataset fetch minari` does; returns its card."""
    return fetch(FromMinari(ids=tuple(ids)), dataset_id, root, **options)


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
