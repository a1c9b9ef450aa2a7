"""Make a Minari dataset from its recipe: whole with its card, or not at all."""

import json
from dataclasses import asdict
from pathlib import Path

from gtp.data import waypoint
from gtp.data.card import (
    checksums,
    describe_episodes,
    find_damage,
    installed_versions,
    read_card,
    write_card,
)
from gtp.data.dataset import (
    create_dataset,
    dataset_folder,
    install_dataset,
    open_dataset,
    read_episodes,
    sole_builder,
)
from gtp.data.recording import record_episodes
from gtp.data.waypoint import WaypointRecipe, make_collector
from gtp.errors import UserError
from gtp.progress import Progress, say

PREFIX = "generated/"
NOTICE = "Generated here with the simulator, following D4RL's recipe for mazes; these are not the D4RL data."


def generate_dataset(
    recipe: WaypointRecipe, *, dataset_id: str, root: Path, workers: int = 1, command: str = ""
) -> dict:
    """Record a recipe's episodes as the Minari dataset `dataset_id` under `root`; returns its card.

    The dataset appears with its card, complete, or not at all. One that is already there is kept when it has
    the same recipe and its checksums hold, and made again when they do not.
    `command` is what the user typed, for the card.

    Raises: UserError when the id does not begin with generated/ or belongs to other data, when the root
    cannot be written, or when a worker dies.
    """
    root = Path(root)
    if not dataset_id.startswith(PREFIX):
        raise UserError(f"bad dataset id {dataset_id!r}; the ids of generated data begin with {PREFIX!r}")
    with sole_builder(dataset_id, root) as staging:
        card = intact_card(recipe, dataset_folder(dataset_id, root))
        if card is None:
            progress = Progress(f"generate {dataset_id}", recipe.steps, "steps")
            folder = create_dataset(
                staging,
                dataset_id,
                buffer=record_episodes(recipe, workers, progress),
                env=make_collector(recipe),
                algorithm_name="waypoint controller",
                description=NOTICE,
            )
            card = make_card(recipe, dataset_id, staging, command)
            write_card(folder, card)
            install_dataset(dataset_id, staging, root)
    return card


def make_card(recipe: WaypointRecipe, dataset_id: str, root: Path, command: str) -> dict:
    """The card of a dataset that has just been recorded under `root`."""
    episodes = read_episodes(open_dataset(dataset_id, root), root)
    return {
        "dataset_id": dataset_id,
        "source": "generate",
        "notice": NOTICE,
        "recipe": describe_recipe(recipe),
        "command": command,
        "sha256": checksums(dataset_folder(dataset_id, root)),
        **describe_episodes(episodes),
        # The recorded episodes go on to further goals; an evaluation episode has one.
        "reference_scores": {"min": 0.0, "max": 1.0, "unit": "goals reached in an evaluation episode"},
        "versions": installed_versions(),
    }


def describe_recipe(recipe: WaypointRecipe) -> dict:
    """Name, version and fields of a recipe as JSON returns them, to be compared with those of a card."""
    return json.loads(json.dumps({"name": "waypoint", "version": waypoint.VERSION, **asdict(recipe)}))


def intact_card(recipe: WaypointRecipe, folder: Path) -> dict | None:
    """The card of an intact dataset of this recipe; None when the place is free or the data are damaged.

    Raises: UserError when the place holds other data.
    """
    card = read_card(folder)
    if card is None:
        if (folder / "data" / "metadata.json").exists():
            raise UserError(
                f"{folder} holds a dataset without a card; choose another id or delete the folder"
            )
        return None
    if card["recipe"] != describe_recipe(recipe):
        raise UserError(f"{folder} was made by another recipe; choose another id or delete the folder")
    damage = find_damage(folder, card)
    if damage is not None:
        say(f"{damage}: making the dataset again")
        return None
    return card
