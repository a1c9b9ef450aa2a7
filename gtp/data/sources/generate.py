"""Datasets recorded here with a simulator, each from its recipe."""

from pathlib import Path

from gtp.data.generate.recipe import Recipe
from gtp.data.generate.recipes import RECIPES
from gtp.data.generate.recording import record_episodes
from gtp.data.sources import Generated
from gtp.data.store.build import Made, Order, Workshop, build_dataset, describe_dataset
from gtp.data.store.minari_store import create_dataset
from gtp.errors import UserError
from gtp.progress import Progress

KINDS = RECIPES
REMADE = frozenset({"version", "sources"})


def generate_dataset(
    recipe: Recipe, *, dataset_id: str, root: Path, workers: int = 1, command: str = ""
) -> dict:
    """Record a recipe's episodes as the Minari dataset `dataset_id` under `root`; returns its card.

    One that is there is kept or made again as `build_dataset` says; another version of the recipe and other
    behaviour policies make it again. `command` is what the user typed, for the card.

    Raises: UserError when the id does not begin with generated/ or belongs to other data, when the root
    cannot be written, or when a worker dies.
    """
    if not dataset_id.startswith(Generated.prefix):
        raise UserError(
            f"bad dataset id {dataset_id!r}; the ids of generated data begin with {Generated.prefix!r}"
        )

    def record(workshop: Workshop) -> Made:
        create_dataset(
            workshop.staging,
            dataset_id,
            buffer=record_episodes(
                recipe, workers, Progress(f"generate {dataset_id}", recipe.steps, "steps")
            ),
            steps=recipe.steps,
            env=recipe.make_collector(),
            algorithm_name=recipe.algorithm,
            description=recipe.notice,
        )
        return Made(root=workshop.staging, entries=describe_dataset(dataset_id, workshop.staging))

    order = Order(
        dataset_id=dataset_id,
        source=Generated.name,
        recipe=recipe.describe(),
        remade=REMADE,
        notice=recipe.notice,
        command=command,
    )
    return build_dataset(order, root, record)
