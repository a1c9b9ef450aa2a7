"""The verbs that make and check datasets, `gtp dataset ...`, and those of the policies that record them.

Simulators and Minari are imported by the verbs that need them, so that every other verb works without.
"""

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, Union

import tyro

from gtp.config import TaskSpec
from gtp.data.generate.behaviour.robots import ROBOTS, RUNNERS
from gtp.data.generate.recipes import RECIPES
from gtp.data.sources import COMBINED, SOURCES, Source, implementation
from gtp.data.summaries.expectations import Expectations
from gtp.data.transitions import save_transitions
from gtp.errors import UserError
from gtp.files import require_files, write_text
from gtp.progress import say
from gtp.schema import write_rows

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


def fetch_verb(source: type[Source]) -> Callable[..., None]:
    """The function behind `gtp dataset fetch <source>`; its flags are the fields of the source's dataset."""

    def named(dataset: Annotated[source, tyro.conf.arg(name="")], dataset_id: str, root: Path) -> None:
        implementation(source.name).fetch(dataset, dataset_id, root, command=command_line())

    def unnamed(dataset: Annotated[source, tyro.conf.arg(name="")], root: Path) -> None:
        implementation(source.name).fetch(dataset, dataset.own_id, root, command=command_line())

    verb = named if source.takes_id else unnamed
    verb.__doc__ = f"""{source.__doc__}

    Args:
        dataset_id: Minari id of the result: the one id, or a name below {COMBINED} for several.
        root: Minari's root folder.
    """
    return verb


def prepare(
    id: str,
    root: Path,
    output: Path,
    task: TaskSpec,
    episodes: Path | None = None,
    coverage: Path | None = None,
) -> None:
    """Turn a local Minari dataset into the transitions of a task: one file, which training reads.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
        output: Transitions file (.safetensors).
        task: Environment, observations, reward and reference scores.
        episodes: CSV of the recorded episodes' returns and lengths.
        coverage: CSV of visited positions; mazes only.
    """
    from gtp.data.prepare import prepare_transitions
    from gtp.data.summaries.coverage import Bin, coverage_rows
    from gtp.data.summaries.episodes import RecordedEpisode, episode_rows

    require_files(output, episodes, coverage)
    save_transitions(output, prepare_transitions(id, root, task))
    if episodes:
        write_rows(episodes, RecordedEpisode, episode_rows(id, root))
    if coverage:
        write_rows(coverage, Bin, coverage_rows(id, root))


def verify(id: str, root: Path) -> None:
    """Compare a dataset's files with the checksums on its card.

    Args:
        id: Minari id of a dataset below `root`.
        root: Minari's root folder.
    """
    from gtp.data.store.card import verify_card
    from gtp.data.store.minari_store import dataset_folder

    card = verify_card(dataset_folder(id, root))
    print(f"{id}: {card['episodes']} episodes, {card['steps']} steps, all checksums hold")


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
    if output:
        write_rows(output, Reference, rows)
    else:
        for row in rows:
            print(json.dumps(asdict(row)))


def train_behaviour(robot: Literal[tuple(ROBOTS)], output: Path, work: Path, seed: int = 0) -> None:
    """Train a robot's behaviour policies; resumes a run that was cut off.

    Args:
        robot: Which robot.
        output: Folder for <robot>.safetensors, .csv and .json.
        work: Folder for the state and the policies of the unfinished run.
        seed: Seed of the simulators and of the networks.
    """
    try:
        from gtp.data.generate.behaviour import training
    except ImportError as error:
        raise UserError(f"{error.name} is missing; pip install 'gtp[behaviour]'") from error

    training.train_behaviour(robot, work, output, seed=seed, command=command_line())


def calibrate(robot: Literal[tuple(RUNNERS)], output: Path | None = None, episodes: int = 200) -> None:
    """Measure the share of their noise with which a robot's behaviour policies record data as D4RL's.

    Args:
        robot: Which robot.
        output: CSV with a row for each share of the noise; without it they are printed.
        episodes: Episodes of the medium policy with each share.
    """
    from gtp.data.generate.calibration import Gain, matching_factor, measure_gains

    require_files(output)
    rows = list(measure_gains(robot, episodes))
    if output:
        write_rows(output, Gain, rows)
    else:
        for row in rows:
            print(json.dumps(asdict(row)))
    wanted = RUNNERS[robot].locomotion.d4rl_gain
    factor = matching_factor(rows, wanted)
    found = "no share" if factor is None else f"{factor:.2f}"
    say(f"D4RL's gain without noise is {wanted:.3f}: {found} of the noise gives the same")


def command_line() -> str:
    """What the user typed, for the record, with the program's public name."""
    return shlex.join(["gtp", *sys.argv[1:]])


VERBS = {
    "generate": generate,
    "prepare": prepare,
    "verify": verify,
    "validate": validate,
    "reference_returns": reference_returns,
}
FETCH_VERBS = {name: fetch_verb(source) for name, source in SOURCES.items() if not source.recorded_here}
BEHAVIOUR_VERBS = {"train": train_behaviour, "calibrate": calibrate}
