"""Make a Minari dataset from its recipe: whole with its card, or not at all."""

from pathlib import Path

from gtp.data.generate.recipe import Recipe
from gtp.data.generate.recording import record_episodes
from gtp.data.store.card import (
    checksums,
    describe_episodes,
    find_damage,
    installed_versions,
    read_card,
    write_card,
)
from gtp.data.store.minari_store import (
    create_dataset,
    dataset_folder,
    install_dataset,
    open_dataset,
    read_episodes,
    sole_builder,
)
from gtp.errors import UserError
from gtp.progress import Progress, say

PREFIX = "generated/"
REMADE = {"version", "sources"}  # of a recipe: what makes it the same recipe, at another time


def generate_dataset(
    recipe: Recipe, *, dataset_id: str, root: Path, workers: int = 1, command: str = ""
) -> dict:
    """Record a recipe's episodes as the Minari dataset `dataset_id` under `root`; returns its card.

    The dataset appears with its card, complete, or not at all. One that is already there is kept when it has
    the same recipe and its checksums hold. It is made again when they do not, and when another version of
    the recipe or other behaviour policies made it.
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
                env=recipe.make_collector(),
                algorithm_name=recipe.algorithm,
                description=recipe.notice,
            )
            card = make_card(recipe, dataset_id, staging, command)
            write_card(folder, card)
            install_dataset(dataset_id, staging, root)
    return card


def make_card(recipe: Recipe, dataset_id: str, root: Path, command: str) -> dict:
    """The card of a dataset that has just been recorded under `root`."""
    episodes = read_episodes(open_dataset(dataset_id, root), root)
    return {
        "dataset_id": dataset_id,
        "source": "generate",
        "notice": recipe.notice,
        "recipe": recipe.describe(),
        "command": command,
        "sha256": checksums(dataset_folder(dataset_id, root)),
        **describe_episodes(episodes),
        "versions": installed_versions(),
    }


def intact_card(recipe: Recipe, folder: Path) -> dict | None:
    """The card of an intact dataset of this recipe; None when it is to be made.

    Only this program makes ids that begin with generated/, and writes the card last: without one the data are
    half of something. Raises: UserError when the card is that of another recipe.
    """
    card = read_card(folder)
    if card is None:
        if (folder / "data").exists():
            say(f"{folder} has no card: making the dataset again")
        return None
    differing = find_difference(card["recipe"], recipe.describe())
    if differing - REMADE:
        raise UserError(
            f"{folder} was made by another recipe (it differs in {', '.join(sorted(differing - REMADE))});"
            " choose another id or delete the folder"
        )
    problem = (
        f"{folder} was made by another version of the recipe" if differing else find_damage(folder, card)
    )
    if problem is not None:
        say(f"{problem}: making the dataset again")
        return None
    return card


def find_difference(card: dict, recipe: dict) -> set[str]:
    """Names of the entries in which two descriptions of a recipe differ."""
    return {name for name in card.keys() | recipe.keys() if card.get(name) != recipe.get(name)}
