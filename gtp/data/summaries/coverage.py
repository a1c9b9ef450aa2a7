"""Where a maze dataset has been: a histogram of visited positions."""

from pathlib import Path

import numpy as np
from gymnasium import spaces

from gtp.data.store.minari_store import open_dataset, read_episodes
from gtp.envs.mazes import cell_size
from gtp.errors import UserError
from gtp.schema import Bin


def coverage_rows(dataset_id: str, root: Path, bins_per_cell: int = 8) -> list[Bin]:
    """Count the recorded positions in squares, `bins_per_cell` along each edge of a maze cell.

    Only squares that were visited are listed, sorted by x, then y; the counts sum to steps + episodes.
    Raises: UserError when the dataset is missing or damaged, or records no positions.
    """
    dataset = open_dataset(dataset_id, root)
    space = dataset.observation_space
    if not isinstance(space, spaces.Dict) or "achieved_goal" not in space.spaces:
        raise UserError(f"dataset {dataset_id} has no observation 'achieved_goal'; use a maze dataset")
    positions = [episode.observations["achieved_goal"] for episode in read_episodes(dataset, root)]
    # The origin lies on a wall of cells or in the middle of one: an even number of bins fits both.
    width = cell_size(dataset.env_spec.id if dataset.env_spec else "") / bins_per_cell
    bins, counts = np.unique(
        np.floor(np.concatenate(positions) / width).astype(np.int64), axis=0, return_counts=True
    )
    centers = (bins + 0.5) * width
    return [Bin(float(x), float(y), int(n)) for (x, y), n in zip(centers, counts, strict=True)]
