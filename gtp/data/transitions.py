"""The one data format that training reads: transitions of one task, scaled and checked, in one file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from gtp.config import TaskSpec
from gtp.errors import UserError, shorten
from gtp.files import read_tensor_file, sha256_of, write_tensor_file
from gtp.plain import build

FORMAT = "gtp-transitions-2"
STD_FLOOR = 1e-3  # a feature that never varies must not be blown up by normalisation
# Scaling to the box and rounding to float32 may overshoot by this much; more is a real violation.
ACTION_TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """N transitions of one task, in the order in which they were recorded.

    Shapes: N transitions, O observation, A action, E episodes; float32 unless said otherwise.
    Units: observations raw, actions scaled to [-1, 1], rewards after the task's transform.
    Raises: ValueError when arrays are empty, not finite, of the wrong type or shape, or leave their range.
    """

    observations: np.ndarray
    """[N, O]"""
    actions: np.ndarray
    """[N, A] in [-1, 1]; action_low and action_high lead back to the environment's units."""
    rewards: np.ndarray
    """[N] reward_scale * (reward + reward_shift)."""
    next_observations: np.ndarray
    """[N, O]"""
    terminations: np.ndarray
    """[N] 1 where the episode ended in a terminal state; a timeout is none: there the critic bootstraps."""
    episode_starts: np.ndarray
    """[E] int64, increasing; row of the first transition of each episode."""
    observation_mean: np.ndarray
    """[O] over `observations`."""
    observation_std: np.ndarray
    """[O] over `observations`, at least 1e-3."""
    action_low: np.ndarray
    """[A] environment's units"""
    action_high: np.ndarray
    """[A] environment's units"""
    task: TaskSpec
    """The task that rewards and terminations belong to."""
    dataset_id: str
    """Minari id of the dataset that this was prepared from."""
    dataset_digest: str
    """SHA-256 over that dataset's data files."""

    def __post_init__(self):
        problem = find_problem({name: getattr(self, name) for name in ARRAYS})
        if problem is not None:
            raise ValueError(f"dataset {self.dataset_id}: {problem}; generate or download the dataset again")

    def __len__(self) -> int:
        """N, the number of transitions."""
        return len(self.rewards)


ARRAYS = tuple(field.name for field in fields(Transitions) if field.type is np.ndarray)


def find_problem(arrays: Mapping[str, np.ndarray]) -> str | None:
    """What is wrong with the arrays of a Transitions, in a few words; None when they are sound."""
    if arrays["observations"].ndim != 2 or arrays["actions"].ndim != 2:
        return "observations and actions must have two axes"
    rows, observation_size = arrays["observations"].shape
    action_size = arrays["actions"].shape[1]
    if rows == 0:
        return "it has no transitions"
    shapes = {
        "observations": (rows, observation_size),
        "actions": (rows, action_size),
        "rewards": (rows,),
        "next_observations": (rows, observation_size),
        "terminations": (rows,),
        "observation_mean": (observation_size,),
        "observation_std": (observation_size,),
        "action_low": (action_size,),
        "action_high": (action_size,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            return f"{name} has shape {arrays[name].shape} where {shape} is expected"
        if arrays[name].dtype != np.float32:
            return f"{name} has type {arrays[name].dtype} where float32 is expected"
        if not np.isfinite(arrays[name]).all():
            return f"{name} contains NaN or infinite values"
    if np.abs(arrays["actions"]).max() > 1:
        return "actions leave the box [-1, 1]"
    if not (arrays["action_low"] < arrays["action_high"]).all():
        return "action_low must lie below action_high"
    if not np.isin(arrays["terminations"], (0.0, 1.0)).all():
        return "terminations must be 0 or 1"
    if (arrays["observation_std"] <= 0).any():
        return "observation_std must be positive"
    starts = arrays["episode_starts"]
    if starts.ndim != 1 or starts.dtype != np.int64:
        return "episode_starts must be one axis of int64"
    if len(starts) == 0 or starts[0] != 0 or starts[-1] >= rows or (np.diff(starts) <= 0).any():
        return f"episode_starts must increase from 0 and stay below {rows}"
    continued = np.setdiff1d(np.flatnonzero(arrays["terminations"][:-1]) + 1, starts)
    if len(continued) > 0:  # a backup over several steps would run on into another episode
        return f"row {continued[0]} follows a termination without being the start of an episode"
    return None


def scale_actions(
    actions: np.ndarray, low: np.ndarray, high: np.ndarray, *, clip: bool = False
) -> np.ndarray:
    """Map the environment's action box onto [-1, 1].

    Shapes: actions (N, A), low (A,), high (A,) -> (N, A) float32.
    Raises: ValueError when an action lies outside the box by more than rounding, unless it is to be clipped.
    """
    outside = None if clip else describe_outside(actions, low, high)
    if outside is not None:
        raise ValueError(outside)
    return np.clip(relative_to_box(actions, low, high), -1.0, 1.0).astype(np.float32)


def relative_to_box(actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Actions in float64, -1 at the box's lower bound and 1 at the upper one."""
    return 2.0 * (actions.astype(np.float64) - low) / (high.astype(np.float64) - low) - 1.0


def describe_outside(actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> str | None:
    """How many entries of actions (N, A) leave their box by more than rounding, and the farthest, if any."""
    distance = np.abs(relative_to_box(actions, low, high))
    count = int((distance > 1.0 + ACTION_TOLERANCE).sum())
    if count == 0:
        return None
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    return (
        f"{count} of {actions.size} entries of the actions ({100 * count / actions.size:.3g} %) lie outside"
        f" their box, the farthest {actions[row, column]:.6g} in dimension {column}, which goes from"
        f" {low[column]:.6g} to {high[column]:.6g}"
    )


def observation_statistics(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (at least 1e-3) of each feature: (N, O) -> (O,), (O,), float32."""
    mean = observations.mean(axis=0, dtype=np.float64)
    std = observations.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.maximum(std, STD_FLOOR).astype(np.float32)


def save_transitions(path: Path, transitions: Transitions) -> None:
    """Write one .safetensors file, atomically; equal transitions give equal bytes.

    Raises: UserError when the folder cannot be written.
    """
    header = {
        "format": FORMAT,
        "task": asdict(transitions.task),
        "dataset_id": transitions.dataset_id,
        "dataset_digest": transitions.dataset_digest,
    }
    write_tensor_file(path, {name: getattr(transitions, name) for name in ARRAYS}, header)


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What a file of transitions says beside its arrays."""

    format: str
    task: TaskSpec
    dataset_id: str
    dataset_digest: str


def load_transitions(path: Path) -> Transitions:
    """Read a file of `save_transitions`.

    Raises: UserError when the file is missing, damaged, of another kind, unsound or larger than memory.
    """
    path, remedy = Path(path), "prepare it again with `python -m gtp dataset prepare`"
    arrays, found = read_tensor_file(path, FORMAT, "a file of transitions", remedy)
    try:
        header = build(_Header, found)
        if arrays.keys() != set(ARRAYS):
            raise ValueError(f"it has the arrays {shorten(sorted(arrays))}")
    except ValueError as error:
        raise UserError(f"{path} is not a file of transitions ({error}); {remedy}") from error
    problem = find_problem(arrays)
    if problem is not None:
        raise UserError(f"{path}: {problem}; {remedy}")
    return Transitions(
        task=header.task, dataset_id=header.dataset_id, dataset_digest=header.dataset_digest, **arrays
    )


def digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file of transitions."""
    return sha256_of(path)
