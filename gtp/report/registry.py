"""Every figure and table, once: what it is made of, and which studies have it.

A figure is an entry here, a script workflow/scripts/figure_<name>.py and a caption
workflow/report/figure_<name>.rst; a table likewise.
"""

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gtp.report.record import StudyRecord

PUBLISHED = "workflow/published"
"""Folder of the scores that others have published."""


def always(study: StudyRecord) -> bool:
    """For figures and tables of every study."""
    return True


def has_mazes(study: StudyRecord) -> bool:
    """Whether a task of a study has a maze."""
    return any(task.maze for task in study.tasks)


def has_other_tasks(study: StudyRecord) -> bool:
    """Whether a task of a study has no maze."""
    return not all(task.maze for task in study.tasks)


def has_group(group: str) -> Callable[[StudyRecord], bool]:
    """Whether a study has methods of a group, rl or cloning."""
    return lambda study: any(method.group == group for method in study.methods)


def has_ablations(study: StudyRecord) -> bool:
    """Whether a study has an ablation together with its parent."""
    names = {method.name for method in study.methods}
    return any(method.ablation_of in names for method in study.methods)


def has_published(study: StudyRecord) -> bool:
    """Whether others have published scores of a study's methods on its tasks."""
    tasks, methods = ({item.name for item in items} for items in (study.tasks, study.methods))
    with open(f"{PUBLISHED}/scores.csv", newline="", encoding="utf-8") as file:
        return any(row["task"] in tasks and row["method"] in methods for row in csv.DictReader(file))


@dataclass(frozen=True, kw_only=True)
class Product:
    """A figure or a table: a function of study.json and of some results tables."""

    name: str
    label: str
    """What the report calls it."""
    tables: tuple[str, ...] = ()
    """The results tables that it needs: keys of gtp.schema.TABLES and names of its script's inputs."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further inputs of its script: name -> committed file."""
    applies: Callable[[StudyRecord], bool] = always
    """Whether a study has it; a study of trials has none but those with `of_trials`, which no other has."""
    of_trials: bool = False
    of_ablations: bool = False
    """Whether it is made for the targets that compare an ablation with its parent as well."""
    script: str = ""
    """Its script in workflow/scripts without .py, when others share it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What a shared script is told: name -> value of a parameter."""


FIGURES = (
    Product(name="learning_curves", label="learning curves", tables=("curves",), of_ablations=True),
    Product(
        name="nfe",
        label="score against the number of function evaluations",
        tables=("scores",),
        of_ablations=True,
    ),
    Product(name="speed", label="score against the time of an action", tables=("scores", "cost")),
    Product(name="profiles", label="performance profiles", tables=("scores",)),
    Product(name="trajectories", label="learned trajectories", tables=("trajectories",)),
    Product(
        name="coverage", label="coverage of the datasets", tables=("coverage", "mazes"), applies=has_mazes
    ),
    Product(
        name="rollouts",
        label="paths of the trained policies",
        tables=("rollouts", "mazes"),
        applies=has_mazes,
    ),
    Product(
        name="dataset_returns", label="returns in the datasets", tables=("episodes",), applies=has_other_tasks
    ),
    Product(name="trials", label="best of several trials", tables=("scores",), of_trials=True),
)

PRINTED_TABLES = (
    Product(
        name="main",
        label="main scores",
        tables=("scores",),
        applies=has_group("rl"),
        script="table_scores",
        options={"group": "rl"},
    ),
    Product(
        name="cloning",
        label="scores of cloning",
        tables=("scores",),
        applies=has_group("cloning"),
        script="table_scores",
        options={"group": "cloning"},
    ),
    Product(name="aggregates", label="aggregates over tasks", tables=("scores",)),
    Product(
        name="ablations", label="ablations", tables=("scores",), applies=has_ablations, of_ablations=True
    ),
    Product(name="cost", label="cost", tables=("cost",)),
    Product(
        name="published",
        label="published scores",
        files={"published": f"{PUBLISHED}/scores.csv", "sources": f"{PUBLISHED}/sources.csv"},
        applies=has_published,
    ),
    Product(name="trials", label="trials", tables=("scores",), of_trials=True),
)


def of_study(
    products: Sequence[Product], study: StudyRecord, available: Collection[str] | None = None
) -> list[str]:
    """Names of those among `products` that a study has.

    `available` are the names of its results tables where those are all that there will ever be, as those of a
    committed reference: what needs another is left out.
    """
    return [
        product.name
        for product in products
        if product.of_trials == study.tunes
        and product.applies(study)
        and (available is None or set(product.tables) <= set(available))
    ]
