"""The episodes of a dataset as they were recorded: one row each, for figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gtp.data.store.minari_store import open_dataset, read_episodes
from gtp.envs.success import succeeded


@dataclass(frozen=True)
class RecordedEpisode:
    """One row of episodes.csv: return and length of a recorded episode, before a task cuts or relabels it."""

    episode: int
    episode_return: float
    length: int
    success: int | None
    """Whether info["success"] was ever true; None where the data do not say."""


def episode_rows(dataset_id: str, root: Path) -> list[RecordedEpisode]:
    """All episodes in order. Raises: UserError when the dataset is missing or damaged."""
    return [
        RecordedEpisode(
            int(episode.id),
            float(np.sum(episode.rewards)),
            len(episode.rewards),
            int(succeeded(episode.infos["success"])) if "success" in (episode.infos or {}) else None,
        )
        for episode in read_episodes(open_dataset(dataset_id, root), root)
    ]
