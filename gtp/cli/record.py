"""The verbs of datasets that are recorded with a simulator, or held against what is expected of them."""

import json
from pathlib import Path
from typing import Annotated, Union

import tyro

from gtp.cli.command_line import command_line, write_or_print
from gtp.config import TaskSpec
from gtp.data.generate.recipes import RECIPES
from gtp.data.summaries.expectations import Expectations
from gtp.files import require_files, write_text

AnyRecipe = Union[  # noqa: UP007 (the members are known at run time only)
    tuple(Annotated[recipe, tyro.conf.subcommand(name)] for name, recipe in RECIPES.items())
]


def generate(recipe: AnyRecipe, id: str, root: Path, workers: int = 1) -> None:
    """Record a dataset with the simulator, as a Minari dataset with a card.

    Args:
        recipe: What to record.
        id: Minari id below generated/, for example generated/pointmaze/medium-100k-v0.
        root: Minari's root folder (what MINARI_DATASETS_PATH names).
        workers: Processes; the data do not depend on it.
    """
    from gtp.data.sources.generate import generate_dataset

    generate_dataset(recipe, dataset_id=id, root=root, workers=workers, command=command_line())


def validate(id: str, root: Path, output: Path, expect: Expectations, maze: str | None = None) -> None:
    """Compare a dataset with what is expected of it; write what was checked, or fail and say what differs.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
        output: JSON of the quantities that were checked.
        expect: Ranges, ends included.
        maze: Name of the map, for the coverage.
    """
    from gtp.data.summaries.expectations import validate_dataset

    require_files(output)
    write_text(output, json.dumps(validate_dataset(id, root, expect, maze), indent=2) + "\n")


def reference_returns(
    recipe: AnyRecipe, task: TaskSpec, output: Path | None = None, episodes: int = 100
) -> None:
    """Measure what a random policy and the recipe's expert reach on a task whose data are generated.

    Args:
        recipe: How the data are recorded; names the expert and the seed.
        task: The task.
        output: CSV with a row for each policy; without it they are printed.
        episodes: Episodes of each policy.
    """
    from gtp.data.summaries.reference_returns import Reference, measure_reference_returns

    require_files(output)
    rows = measure_reference_returns(task, recipe, episodes)
    write_or_print(output, Reference, rows)


VERBS = {"generate": generate, "validate": validate, "reference_returns": reference_returns}
