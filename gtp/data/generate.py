"""Make a dataset from its recipe: the same recipe gives the same arrays, whatever the number of workers."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import minari
from minari.data_collector import EpisodeBuffer
from tqdm import tqdm

from gtp.data import waypoint
from gtp.data.card import checksums, describe_episodes, installed_versions, read_card, verify_card, write_card
from gtp.data.dataset import create_dataset, dataset_folder, install_dataset, sole_builder
from gtp.data.waypoint import WaypointRecipe, make_collector, record_episode
from gtp.errors import UserError

PREFIX = "generated/"
NOTICE = "Generated here with the simulator, following D4RL's recipe for mazes; these are not the D4RL data."


def generate_dataset(
    recipe: WaypointRecipe, *, dataset_id: str, root: Path, workers: int = 1, command: str = ""
) -> dict:
    """Record a recipe's episodes as the Minari dataset `dataset_id` under `root`; returns its card.

    The dataset appears with its card, complete, or not at all. One that is already there is kept when it has
    the same recipe and its checksums hold, and made again when they do not.
    `command` is what the user typed, for the card.

    Raises: UserError when the id does not begin with generated/, when it is taken by other data, when the root
    cannot be written, or when a worker dies.
    """
    root = Path(root)
    if not dataset_id.startswith(PREFIX):
        raise UserError(f"bad dataset id {dataset_id!r}; the ids of generated data begin with {PREFIX!r}")
    with sole_builder(dataset_id, root) as staging:
        card = _existing_card(recipe, dataset_folder(dataset_id, root))
        if card is None:
            folder = create_dataset(
                staging,
                dataset_id,
                buffer=_with_progress(record_episodes(recipe, workers), recipe.steps, dataset_id),
                env=make_collector(recipe),
                algorithm_name="waypoint controller",
                description=NOTICE,
            )
            card = {
                "dataset_id": dataset_id,
                "source": "generate",
                "notice": NOTICE,
                "recipe": _describe(recipe),
                "command": command,
                "sha256": checksums(folder),
                **describe_episodes(minari.MinariDataset(folder / "data").iterate_episodes()),
                # Of an evaluation episode with one goal; the recorded episodes go on to further goals.
                "reference_scores": {
                    "min": 0.0,
                    "max": 1.0,
                    "unit": "goals reached in an evaluation episode",
                },
                "versions": installed_versions(),
            }
            write_card(folder, card)
            install_dataset(dataset_id, staging, root)
    return card


def _describe(recipe: WaypointRecipe) -> dict:
    return {"name": "waypoint", "version": waypoint.VERSION, **asdict(recipe)}


def _existing_card(recipe: WaypointRecipe, folder: Path) -> dict | None:
    """The card of an intact dataset of this recipe; None when the place is free or its data are damaged."""
    card = read_card(folder)
    if card is None:
        if (folder / "data" / "metadata.json").exists():
            raise UserError(
                f"{folder} holds a dataset without a card; choose another id or delete the folder"
            )
        return None
    if card["recipe"] != _describe(recipe):
        raise UserError(f"{folder} was made by another recipe; choose another id or delete the folder")
    try:
        return verify_card(folder)
    except UserError as damage:
        print(f"{damage}: making it again", file=sys.stderr)
        return None


def record_episodes(recipe: WaypointRecipe, workers: int) -> Iterator[EpisodeBuffer]:
    """All episodes of a recipe in order, recorded by `workers` processes; 1 stays in this process.

    Raises: UserError when a worker process dies.
    """
    lengths = recipe.episode_lengths()
    if workers <= 1:
        environment = make_collector(recipe)
        for index, length in enumerate(lengths):
            yield record_episode(environment, recipe, index, length)
        environment.close()
        return
    # Spawned, not forked: a fork would copy the threads of the numerical libraries in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(lengths)), mp_context=context, initializer=_start_worker, initargs=(recipe,)
    ) as pool:
        try:
            yield from pool.map(_record, range(len(lengths)), lengths)
        except BrokenProcessPool as error:
            raise UserError("a worker process died, perhaps of memory; use fewer --workers") from error


def _start_worker(recipe: WaypointRecipe) -> None:
    global _recipe, _environment
    _recipe, _environment = recipe, make_collector(recipe)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's worker would outlive a parent that is killed, waiting for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _record(index: int, length: int) -> EpisodeBuffer:
    return record_episode(_environment, _recipe, index, length)


def _with_progress(episodes: Iterable[EpisodeBuffer], steps: int, name: str) -> Iterator[EpisodeBuffer]:
    interval = 0.5 if sys.stderr.isatty() else 10.0  # seconds; a log file wants few lines
    with tqdm(total=steps, desc=name, unit="step", unit_scale=True, mininterval=interval) as progress:
        for episode in episodes:
            yield episode
            progress.update(len(episode.rewards))
