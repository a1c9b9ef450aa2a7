"""From any local Minari dataset to the transitions of one task."""

from pathlib import Path

import minari
import numpy as np
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.data.card import CARD_NAME, data_files, verify_card
from gtp.data.dataset import dataset_folder, open_dataset, read_episodes
from gtp.data.transitions import Transitions, observation_statistics, scale_actions
from gtp.environments import find_maze, flatten_observations, goal_position, select_boxes
from gtp.errors import UserError
from gtp.files import sha256_of


def prepare_transitions(dataset_id: str, root: Path, task: TaskSpec) -> Transitions:
    """Read a dataset and express it in the task's terms.

    The next observation of the last step of an episode is the observation that the episode ended with. Terminations
    are the dataset's; a truncation (timeout) is not one. On a maze task rewards and terminations are replaced: an
    episode earns 1 and terminates where it enters the goal region, steps inside the region are left out, and what
    follows them is an episode of its own.

    Raises: UserError naming the dataset and the remedy when it is missing, damaged, empty, recorded in another maze,
    has NaN, lengths or shapes that do not fit, actions outside their box, or lacks an observation key; or when it
    does not fit into memory.
    """
    try:
        return _prepare(dataset_id, Path(root), task)
    except MemoryError as error:
        raise UserError(
            f"dataset {dataset_id} does not fit into memory; free memory or use a smaller dataset"
        ) from error


def _prepare(dataset_id: str, root: Path, task: TaskSpec) -> Transitions:
    dataset = open_dataset(dataset_id, root)
    folder = dataset_folder(dataset_id, root)
    if (folder / CARD_NAME).exists():
        verify_card(folder)
    select_boxes(dataset.observation_space, task.observation_keys, f"dataset {dataset_id}")
    low, high = action_box(dataset)
    if task.maze is not None:
        check_maze(dataset, task)
    parts, starts, rows = [], [], 0
    for episode in read_episodes(dataset, root):
        problem = find_episode_problem(episode, dataset)
        if problem is not None:
            raise UserError(f"dataset {dataset_id}, episode {episode.id}: {problem}; use intact data")
        part, part_starts = episode_transitions(episode, task)
        parts.append(part)
        starts.append(part_starts + rows)
        rows += len(part["rewards"])
    if rows == 0:
        raise UserError(
            f"dataset {dataset_id} has no transitions outside the goal region; choose another goal"
        )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    try:
        columns["actions"] = scale_actions(columns["actions"], low, high)
    except ValueError as error:
        raise UserError(f"dataset {dataset_id}: {error}; use intact data") from error
    mean, std = observation_statistics(columns["observations"])
    return Transitions(
        **columns,
        episode_starts=np.concatenate(starts).astype(np.int64),
        observation_mean=mean,
        observation_std=std,
        action_low=low,
        action_high=high,
        task=task,
        dataset_id=dataset_id,
        dataset_digest=sha256_of(*data_files(folder)),
    )


def action_box(dataset: minari.MinariDataset) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the dataset's actions, two arrays (A,) float32. Raises UserError when they are not a finite box."""
    space = dataset.action_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise UserError(
            f"dataset {dataset.id} has the action space {space}; only vectors of numbers are supported"
        )
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise UserError(
            f"dataset {dataset.id} has unbounded actions {space}; use data with a finite action box"
        )
    return low, high


def check_maze(dataset: minari.MinariDataset, task: TaskSpec) -> None:
    """Raises UserError when the dataset records no positions or says that it comes from another maze."""
    space = dataset.observation_space
    if not isinstance(space, spaces.Dict) or "achieved_goal" not in space.spaces:
        raise UserError(f"dataset {dataset.id} has no observation 'achieved_goal'; use a maze dataset")
    recorded = dataset.env_spec.kwargs.get("maze_map") if dataset.env_spec is not None else None
    if recorded is not None:
        expected = find_maze(task.maze)
        if [[c == 1 for c in row] for row in recorded] != [[c == 1 for c in row] for row in expected]:
            raise UserError(
                f"dataset {dataset.id} was recorded in another maze than {task.maze!r}; choose the task's own dataset"
            )


def find_episode_problem(episode: minari.EpisodeData, dataset: minari.MinariDataset) -> str | None:
    """What is wrong with an episode, in a few words; None when it is sound."""
    steps = len(episode.rewards)
    if steps == 0:
        return "it has no steps"
    space = dataset.observation_space
    named = {"observations": (episode.observations, space)}
    if isinstance(space, spaces.Dict):
        named = {f"observations[{key!r}]": (episode.observations[key], space[key]) for key in space}
    expected = {name: (array, (steps + 1, *box.shape)) for name, (array, box) in named.items()}
    expected["actions"] = (episode.actions, (steps, *dataset.action_space.shape))
    for name in ("rewards", "terminations", "truncations"):
        expected[name] = (getattr(episode, name), (steps,))
    for name, (array, shape) in expected.items():
        if np.shape(array) != shape:
            return f"{name} has shape {np.shape(array)} where {shape} is expected"
        if not np.isfinite(array).all():
            return f"{name} contains NaN or infinite values"
    return None


def episode_transitions(
    episode: minari.EpisodeData, task: TaskSpec
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of a Transitions for one recorded episode of T steps, and the rows where an episode starts.

    Shapes: columns (M, .) with M <= T; starts (S,) with S = 0 only when M = 0. Actions stay in the environment's units.
    """
    observations = flatten_observations(episode.observations, task.observation_keys)
    rewards = np.asarray(episode.rewards, dtype=np.float64)
    terminations = np.asarray(episode.terminations, dtype=bool)
    kept = np.ones(len(rewards), dtype=bool)
    if task.maze is not None:
        distance = np.linalg.norm(episode.observations["achieved_goal"] - goal_position(task), axis=-1)
        inside = distance <= task.goal_radius  # T + 1, the last one after the last step
        kept = ~inside[:-1]
        rewards, terminations = inside[1:].astype(np.float64), inside[1:]
    # A kept step starts an episode unless the step before it is kept as well.
    starts = kept & ~np.concatenate([[False], kept[:-1]])
    columns = {
        "observations": observations[:-1],
        "actions": np.asarray(episode.actions),
        "rewards": (task.reward_scale * (rewards + task.reward_shift)).astype(np.float32),
        "next_observations": observations[1:],
        "terminations": terminations.astype(np.float32),
    }
    return {name: column[kept] for name, column in columns.items()}, np.flatnonzero(starts[kept])


def task_statistics(transitions: Transitions) -> dict[str, float]:
    """What a dataset offers for its task: episodes as the task cuts them, and how many of them terminate.

    On a maze task an episode terminates exactly when it reaches the goal.
    """
    episodes = len(transitions.episode_starts)
    terminated = int(transitions.terminations.sum())
    return {
        "transitions": len(transitions),
        "episodes": episodes,
        "terminated_episodes": terminated,
        "terminated_share": terminated / episodes,
    }
