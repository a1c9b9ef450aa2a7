"""The episodes of a dataset as they were recorded: one row each, for figures."""

from pathlib import Path

import numpy as np

from gtp.data.store.minari_store import open_dataset, read_episodes
from gtp.envs.success import succeeded
from gtp.schema import RecordedEpisode


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
