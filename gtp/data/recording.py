"""Record the episodes of a recipe, in one process or several; the result is the same."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from minari.data_collector import EpisodeBuffer

from gtp.data.waypoint import WaypointRecipe, make_collector, record_episode
from gtp.errors import UserError
from gtp.progress import Progress


def record_episodes(recipe: WaypointRecipe, workers: int, progress: Progress) -> Iterator[EpisodeBuffer]:
    """All episodes of a recipe in order; one worker is this process, more are processes of their own.

    `progress` is advanced by the steps of each episode. Raises: UserError when a worker process dies.
    """
    lengths = recipe.episode_lengths()
    record = _record_here if workers <= 1 else _record_in_pool
    for episode in record(recipe, lengths, workers):
        yield episode
        progress.advance(len(episode.rewards))


def _record_here(recipe: WaypointRecipe, lengths: list[int], workers: int) -> Iterator[EpisodeBuffer]:
    environment = make_collector(recipe)
    for index, length in enumerate(lengths):
        yield record_episode(environment, recipe, index, length)
    environment.close()


def _record_in_pool(recipe: WaypointRecipe, lengths: list[int], workers: int) -> Iterator[EpisodeBuffer]:
    # Spawned, not forked: a fork copies the locks of numerical libraries' threads, held or not.
    with ProcessPoolExecutor(
        max_workers=min(workers, len(lengths)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(recipe,),
    ) as pool:
        try:
            yield from pool.map(_record_in_worker, range(len(lengths)), lengths)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died, perhaps for want of memory; use fewer --workers"
            ) from error


def _start_worker(recipe: WaypointRecipe) -> None:
    global _recipe, _environment
    _recipe, _environment = recipe, make_collector(recipe)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without this a pool's worker outlives a parent that is killed and waits for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _record_in_worker(index: int, length: int) -> EpisodeBuffer:
    return record_episode(_environment, _recipe, index, length)
