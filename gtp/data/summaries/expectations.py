"""What a dataset must look like, so that a recipe gone wrong is noticed before anything trains on it."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gtp.data.store.card import verify_card
from gtp.data.store.minari_store import dataset_folder, open_dataset, read_episodes
from gtp.envs.mazes import layout_of
from gtp.errors import UserError, told_to_the_user

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """Ranges, ends included, that quantities of a dataset must lie in; what is left out is not checked."""

    episode_return: Range | None = None
    """Mean return of an episode, raw rewards."""
    episode_length: Range | None = None
    """Mean number of steps of an episode."""
    success: Range | None = None
    """Share of the episodes that ever succeed."""
    best_return: Range | None = None
    """Largest return of an episode."""
    coverage: Range | None = None
    """Share of the maze's free cells that the data enter."""
    largest_action: Range | None = None
    """Largest absolute value of any action, in the environment's units."""

    def __post_init__(self):
        for field in fields(self):
            span = getattr(self, field.name)
            if span is not None and span[0] > span[1]:
                raise ValueError(f"{field.name} must be a range [least, most], got {list(span)}")


def validate_dataset(
    dataset_id: str, root: Path, expectations: Expectations, maze: str | None = None
) -> dict[str, float]:
    """Measure a dataset and compare; returns the quantities that were checked.

    Raises: UserError when the dataset is missing or damaged, or when expectations do not hold: the message
    names every one of them with what was found.
    """
    card = verify_card(dataset_folder(dataset_id, Path(root)))
    wanted = {
        field.name: span
        for field in fields(expectations)
        if (span := getattr(expectations, field.name)) is not None
    }
    if "coverage" in wanted and maze is None:
        raise UserError(f"dataset {dataset_id} has no maze whose coverage could be checked; remove the range")
    found = {}
    for name in wanted:
        if name == "coverage":
            assert maze is not None  # refused above
            found[name] = share_of_cells(dataset_id, root, maze)
        elif name == "largest_action":
            found[name] = float(np.abs(card["action_range"]).max())
        elif name == "best_return":
            found[name] = card["episode_return"]["max"]
        elif name == "success":
            found[name] = card["success"]
        else:
            found[name] = card[name]["mean"]
    problems = [
        f"{name} is {'unknown' if found[name] is None else format(found[name], '.4g')}, not in"
        f" [{low:g}, {high:g}]"
        for name, (low, high) in wanted.items()
        if found[name] is None or not low <= found[name] <= high
    ]
    if problems:
        raise UserError(
            f"dataset {dataset_id} is not what config/tasks.yaml expects: {'; '.join(problems)};"
            " correct the recipe, or the expectation if the change is meant"
        )
    return found


def share_of_cells(dataset_id: str, root: Path, maze: str) -> float:
    """Share of a maze's free cells that some recorded position lies in."""
    dataset = open_dataset(dataset_id, root)
    layout = layout_of(dataset.env_spec.id if dataset.env_spec else "")
    with told_to_the_user():
        cells = layout.cells(maze)
    centers = np.array([(cell.x, cell.y) for cell in cells if not cell.is_wall])
    visited = np.zeros(len(centers), dtype=bool)
    for episode in read_episodes(dataset, root):
        offsets = np.abs(episode.observations["achieved_goal"][:, None] - centers)
        visited |= (offsets.max(axis=-1) <= layout.cell_size / 2).any(axis=0)
    return float(visited.mean())
