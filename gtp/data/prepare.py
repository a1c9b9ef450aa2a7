"""From any local Minari dataset to the transitions of one task."""

from collections.abc import Sequence
from pathlib import Path

import minari
import numpy as np
from gymnasium import spaces

from gtp.config import TaskSpec
from gtp.data.agreement import check_agreement
from gtp.data.reward_scale import RETURN_RANGE
from gtp.data.store.card import data_files
from gtp.data.store.minari_store import dataset_folder, open_dataset, read_episodes
from gtp.data.transitions import (
    Transitions,
    describe_outside,
    observation_statistics,
    scale_actions,
)
from gtp.envs.mazes import find_maze, goal_position, layout_of
from gtp.envs.wrappers import HeldAction, flatten_observations, select_boxes
from gtp.errors import UserError, told_to_the_user
from gtp.files import sha256_of
from gtp.progress import say

REMEDY = "use an intact copy of the data"
OUTSIDE_REMEDY = (
    "set clip_actions: true in the task to clip them, or declare the wider box as action_space of both the"
    " dataset and the environment"
)


def prepare_transitions(dataset_id: str, root: Path, task: TaskSpec) -> Transitions:
    """Read a dataset and express it in the task's terms.

    The next observation of an episode's last step is the observation that the episode ended with.
    Terminations are the dataset's; a truncation (timeout) is not one. Steps that follow a termination within
    a recorded episode are an episode of their own. On a maze task rewards and terminations are replaced: an
    episode earns 1 and terminates where it enters the goal region, steps that begin inside the region are
    left out, and what follows them is an episode of its own. Rewards are then normalised, shifted and scaled,
    in this order, as the task says.

    Raises: UserError naming the dataset and the remedy when it is missing, damaged, empty, recorded in
    another maze, in other coordinates or otherwise than the task is evaluated (gtp.data.agreement), contains
    NaN, lengths or shapes that do not fit or, unless the task clips them, actions outside their box, lacks an
    observation key, does not fit into memory, or has returns that are all equal where the
    task divides by their range.
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
    columns, starts = read_columns(dataset, root, task)
    low, high = action_box(dataset)
    outside = describe_outside(columns["actions"], low, high)
    if outside is not None and not task.clip_actions:
        raise UserError(f"dataset {dataset_id}: {outside}; {OUTSIDE_REMEDY}")
    if outside is not None:
        say(f"dataset {dataset_id}: {outside}; clipped to it")
    columns["actions"] = scale_actions(columns["actions"], low, high, clip=task.clip_actions)
    mean, std = observation_statistics(columns["observations"])
    digest = sha256_of(*data_files(folder))
    with told_to_the_user():
        return Transitions(
            **columns,
            episode_starts=starts,
            observation_mean=mean,
            observation_std=std,
            action_low=low,
            action_high=high,
            task=task,
            dataset_id=dataset_id,
            dataset_digest=digest,
        )


def read_columns(
    dataset: minari.MinariDataset, root: Path, task: TaskSpec
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns of a Transitions over all episodes, actions still in the environment's units, and its
    episode_starts.

    Raises: UserError as for `prepare_transitions`.
    """
    check_spaces(dataset, task)
    check_agreement(dataset, task)
    parts, starts, returns, rows = [], [], [], 0
    for episode in read_episodes(dataset, root):
        problem = find_episode_problem(episode, dataset, task)
        if problem is not None:
            raise UserError(f"dataset {dataset.id}, episode {episode.id}: {problem}; {REMEDY}")
        part, part_starts = episode_transitions(episode, task)
        parts.append(part)
        starts.append(part_starts + rows)
        returns += np.add.reduceat(part["rewards"], part_starts).tolist()
        rows += len(part["rewards"])
    if rows == 0:
        raise UserError(f"dataset {dataset.id} never leaves the goal region; choose another goal_cell")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if task.is_goal_reaching and not columns["terminations"].any():
        raise UserError(
            f"dataset {dataset.id} never reaches the goal cell {task.goal_cell}; choose another goal_cell or"
            " more data: there is no reward to learn from"
        )
    columns["rewards"] = transform_rewards(columns["rewards"], returns, dataset.id, task)
    return columns, np.concatenate(starts).astype(np.int64)


def transform_rewards(
    rewards: np.ndarray, returns: Sequence[float], dataset_id: str, task: TaskSpec
) -> np.ndarray:
    """What training reads for raw rewards: reward_scale * (normaliser * reward + reward_shift).

    Shapes: rewards (N,) -> (N,) float32; returns: one for each episode. The normaliser of
    "return_range" is 1000 / (largest - smallest return). Source: IQL, its locomotion experiments.
    Raises: UserError naming the dataset when that divides by zero.
    """
    if task.reward_normalization == "return_range":
        spread = max(returns) - min(returns)
        if spread == 0:
            raise UserError(
                f"dataset {dataset_id} has {len(returns)} episode(s), all of the same return;"
                " set reward_normalization to 'none' or use more data"
            )
        rewards = rewards * (RETURN_RANGE / spread)
    return (task.reward_scale * (rewards + task.reward_shift)).astype(np.float32)


def action_box(dataset: minari.MinariDataset) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the dataset's actions, two arrays (A,) float32. Raises UserError unless they are finite."""
    space = dataset.action_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise UserError(f"dataset {dataset.id} has actions {space}; only vectors of numbers are supported")
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise UserError(f"dataset {dataset.id} has unbounded actions {space}; use data with a finite box")
    return low, high


def check_spaces(dataset: minari.MinariDataset, task: TaskSpec) -> None:
    """Raises UserError when the dataset lacks what the task reads or says that it comes from another maze."""
    owner = f"dataset {dataset.id}"
    select_boxes(dataset.observation_space, task.observation_keys, owner)
    action_box(dataset)
    if task.maze is None:
        return
    if not isinstance(dataset.observation_space, spaces.Dict):
        raise UserError(f"{owner} has no observation 'achieved_goal'; use a maze dataset")
    select_boxes(dataset.observation_space, ["achieved_goal"], owner)
    recorded = dataset.env_spec.kwargs.get("maze_map") if dataset.env_spec is not None else None
    if recorded is not None and walls(recorded) != walls(find_maze(task.maze)):
        raise UserError(f"{owner} was recorded in another maze than {task.maze!r}; choose the task's dataset")
    if recorded is not None and layout_of(dataset.env_spec.id) != layout_of(task.environment):
        raise UserError(
            f"{owner} was recorded in {dataset.env_spec.id}, whose coordinates are not those of"
            f" {task.environment}; choose the task's dataset"
        )
    held = held_steps(dataset)
    if held != task.action_repeat:
        raise UserError(
            f"{owner} holds each action for {held} steps and the task for {task.action_repeat};"
            " give both the same action_repeat"
        )


def held_steps(dataset: minari.MinariDataset) -> int:
    """Simulator steps for which the recording held each action; 1 when the dataset does not say."""
    wrappers = dataset.env_spec.additional_wrappers if dataset.env_spec is not None else ()
    return next((w.kwargs["repeat"] for w in wrappers if w.name == HeldAction.class_name()), 1)


def walls(grid: list[list]) -> list[list[bool]]:
    """Which cells of a map are walls; the rest may carry any mark of a start or a goal."""
    return [[cell == 1 for cell in row] for row in grid]


def find_episode_problem(
    episode: minari.EpisodeData, dataset: minari.MinariDataset, task: TaskSpec
) -> str | None:
    """What is wrong with the part of an episode that the task reads, in a few words; None if nothing is."""
    steps = len(episode.rewards)
    if steps == 0:
        return "it has no steps"
    expected = {"actions": (episode.actions, (steps, *dataset.action_space.shape))}
    for name in ("rewards", "terminations", "truncations"):
        expected[name] = (getattr(episode, name), (steps,))
    space = dataset.observation_space
    if isinstance(space, spaces.Dict):
        for key in {*task.observation_keys, *(["achieved_goal"] if task.is_goal_reaching else [])}:
            expected[f"observation {key!r}"] = (episode.observations[key], (steps + 1, *space[key].shape))  # type: ignore[misc]
    else:
        expected["observations"] = (episode.observations, (steps + 1, *space.shape))
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

    Shapes: columns (M, .) with M <= T; starts (S,), empty only when M = 0.
    Units: actions and rewards (float64) stay in the environment's units.
    """
    observations = flatten_observations(episode.observations, task.observation_keys)
    rewards = np.asarray(episode.rewards, dtype=np.float64)
    terminations = np.asarray(episode.terminations, dtype=bool)
    kept = np.ones(len(rewards), dtype=bool)
    starts = np.append(True, terminations[:-1])
    if task.is_goal_reaching:
        #          step t goes from state t to state t + 1
        # inside   [0  0  0  1  1  0  0]   of the states
        # kept     [1  1  1  0  0  1]      of the steps, as everything below
        # reward   [0  0  1  .  .  0]      also the terminations
        # start    [1  0  0  .  .  1]
        distance = np.linalg.norm(episode.observations["achieved_goal"] - goal_position(task), axis=-1)
        inside = distance <= task.goal_radius
        kept = ~inside[:-1]
        rewards, terminations = inside[1:].astype(np.float64), inside[1:]
        starts = kept & ~np.append(False, kept[:-1])
    columns = {
        "observations": observations[:-1],
        "actions": np.asarray(episode.actions),
        "rewards": rewards,
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
