"""Record the episodes of a recipe, in one process or several; the result is the same."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import gymnasium as gym
from minari.data_collector import EpisodeBuffer

from gtp.data.generate.recipe import Recipe
from gtp.errors import UserError
from gtp.progress import Progress


def record_episodes(recipe: Recipe, workers: int, progress: Progress) -> Iterator[EpisodeBuffer]:
    """All episodes of a recipe in order; one worker is this process, more are processes of their own.

    `progress` is advanced by the steps of each episode. Raises: UserError when a worker process dies.
    """
    record = _record_here if workers <= 1 else _record_in_pool
    count = 0
    for chunk in record(recipe, recipe.chunks(), workers):
        for episode in chunk:
            yield replace(episode, id=count)
            count += 1
            progress.advance(len(episode.rewards))


def _record_here(recipe: Recipe, chunks: list[int], workers: int) -> Iterator[list[EpisodeBuffer]]:
    environment = recipe.make_collector()
    for index, steps in enumerate(chunks):
        yield recipe.record(environment, index, steps)
    environment.close()


def _record_in_pool(recipe: Recipe, chunks: list[int], workers: int) -> Iterator[list[EpisodeBuffer]]:
    # Spawned, not forked: a fork copies the locks of numerical libraries' threads, held or not.
    with ProcessPoolExecutor(
        max_workers=min(workers, len(chunks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(recipe,),
    ) as pool:
        try:
            yield from pool.map(_record_in_worker, range(len(chunks)), chunks)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died, perhaps for want of memory; use fewer --workers"
            ) from error


_recipe: Recipe
_environment: gym.Env
"""Those of a worker process."""


def _start_worker(recipe: Recipe) -> None:
    global _recipe, _environment
    _recipe, _environment = recipe, recipe.make_collector()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent process ends; it would wait for ever after a parent that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _record_in_worker(index: int, steps: int) -> list[EpisodeBuffer]:
    return _recipe.record(_environment, index, steps)
