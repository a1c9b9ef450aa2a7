"""Read one of D4RL's HDF5 files as episodes, a block of rows at a time.

A file holds columns with one row per step: `observations`, `actions`, `rewards`, `terminals` and, in most
files, `timeouts` (where a recorded trajectory was cut) and `next_observations`; AntMaze has `infos/goal`.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.data.sources.d4rl_tasks import D4RLTask
from gtp.data.store.foreign import is_stored
from gtp.errors import UserError

BLOCK = 1 << 16
"""Rows read at a time."""
MISMATCH = 1e-6
"""A next observation that differs by more from the following row ends an episode (as IQL's loader does)."""
JUMP = 1.0
"""Metres in one step of 0.1 s that no ant walks: between two such rows the simulator was reset."""
ACTION_TOLERANCE = 1e-5
AGAIN = "use an intact copy of D4RL's file"
CLIP = "set clip_actions: true in the task, or --clip_actions True, to clip them"


@dataclass
class Report:
    """What reading a file came upon; complete when all episodes were read."""

    rows: int
    """Steps in the file."""
    dropped_rows: int = 0
    """Steps left out because the file does not say what followed them."""
    vanished_episodes: int = 0
    """Episodes of one step, which was left out."""
    borders: list[str] = field(default_factory=list)
    """What separates episodes."""
    clipped_actions: int = 0
    """Entries of the actions that lay outside [-1, 1] by more than rounding and were clipped."""
    desired_goal: str | None = None
    """Where AntMaze's desired_goal comes from."""
    rewarded_steps: int = 0
    """AntMaze's steps with a reward, of those that are kept."""
    rewarded_position: list[float] | None = None
    """Mean (x, y) that these led to, in metres: near the goal for which D4RL labelled the file."""


class D4RLFile:
    """An open file whose columns have been found to fit together, though not yet their values.

    `observation_space` and `action_space` have the dtypes of the file, float32 for float16. Actions outside
    [-1, 1] are refused unless they are to be clipped. Make one with `open_d4rl`.
    """

    def __init__(self, name: str, file: h5py.File, task: D4RLTask, clip_actions: bool = False):
        self.name, self.file, self.task, self.clip_actions = name, file, task, clip_actions
        self.columns = {
            "observations": (task.observation_size,),
            "actions": (task.action_size,),
            "rewards": (),
            "terminals": (),
        }
        optional = {"timeouts": (), "next_observations": (task.observation_size,)}
        if task.antmaze:
            optional["infos/goal"] = (2,)
        self.columns |= {name: shape for name, shape in optional.items() if self.has(name)}
        rows = self.check_column("observations", None)
        for name in self.columns:
            self.check_column(name, rows)
        self.report = Report(rows=rows, borders=self.name_borders())
        if task.antmaze:
            self.report.desired_goal = "infos/goal" if "infos/goal" in self.columns else "absent: zeros"
        self.observation_space = self.make_observation_space()
        dtype = self.dtype("actions")
        self.action_space = spaces.Box(dtype(-1), dtype(1), (task.action_size,), dtype)

    def has(self, name: str) -> bool:
        with self.one_line():
            return name in self.file

    def dtype(self, name: str) -> type:
        """Type of a column's values in the dataset: the file's, or one with more digits for short numbers."""
        with self.one_line():
            return np.result_type(self.file[name].dtype.newbyteorder("="), np.float32).type

    def name_borders(self) -> list[str]:
        """What separates episodes in this file, for the card."""
        found = [] if self.task.antmaze else ["terminals"]
        found.append("timeouts" if "timeouts" in self.columns else f"every {self.task.horizon} steps")
        if "next_observations" in self.columns:
            found.append("next_observations that are not in the following row")
        elif self.task.antmaze:
            found.append(f"steps of more than {JUMP} m")
        return found

    def make_observation_space(self) -> spaces.Space:
        dtype = self.dtype("observations")

        def box(size: int) -> spaces.Box:
            return spaces.Box(-np.inf, np.inf, (size,), dtype)

        if not self.task.antmaze:
            return box(self.task.observation_size)
        rest = self.task.observation_size - 2
        return spaces.Dict({"achieved_goal": box(2), "desired_goal": box(2), "observation": box(rest)})

    @contextlib.contextmanager
    def one_line(self) -> Iterator[None]:
        """Turn whatever h5py raises on a damaged file into one line."""
        try:
            yield
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise unreadable(self.name, error) from error

    def refuse(self, problem: str) -> UserError:
        return UserError(f"{self.name}: {problem}; {AGAIN} of {self.task.id}")

    def check_column(self, name: str, rows: int | None) -> int:
        """The rows of a column. Raises UserError when it is missing, or not as D4RL's, or not all there.

        Nothing of its data is read, so that a column may declare any size.
        """
        with self.one_line():
            column = self.file.get(name)
            if not isinstance(column, h5py.Dataset):
                raise self.refuse(f"it has no {name!r}")
            if column.is_virtual or column.external or column.file.filename != self.file.filename:
                raise self.refuse(f"its {name!r} lies in another file")
            kinds = {"terminals": "biuf", "timeouts": "biuf", "rewards": "iuf"}.get(name, "f")
            if column.dtype.kind not in kinds or column.dtype.itemsize > 8:
                raise self.refuse(f"its {name!r} are {column.dtype} where numbers are expected")
            shape, tail = column.shape, self.columns[name]
            # D4RL accepts a second axis of length 1 on columns of numbers, too.
            if not shape or shape[1:] not in ((tail, (1,)) if tail == () else (tail,)):
                expected = ("N", *tail)
                raise self.refuse(f"its {name!r} have shape {shape} where {expected} is expected")
            if rows is not None and shape[0] != rows:
                raise self.refuse(f"its {name!r} have {shape[0]} rows and its 'observations' {rows}")
            if shape[0] == 0:
                raise self.refuse("it has no rows")
            if not is_stored(column.id, os.stat(self.file.filename).st_size):
                raise self.refuse(f"its {name!r} declare shape {shape} without that much data")
            return shape[0]

    def read_block(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Rows start..stop of every column, checked; terminals and timeouts are bool."""
        block = {}
        for name, tail in self.columns.items():
            with self.one_line():
                values = self.file[name][start:stop].reshape(stop - start, *tail)
            bad = ~np.isfinite(values)
            if bad.any():
                row = start + int(np.argwhere(bad)[0][0])
                raise self.refuse(f"its {name!r} contain NaN or infinite values in row {row}")
            if name in ("terminals", "timeouts"):
                if not np.isin(values, (0, 1)).all():
                    raise self.refuse(f"its {name!r} contain other values than 0 and 1")
                values = values.astype(bool)
            elif name == "actions":
                outside = int((np.abs(values) > 1 + ACTION_TOLERANCE).sum())
                if outside and not self.clip_actions:
                    raise UserError(
                        f"{self.name}: {self.describe_outside()}; {CLIP}, or {AGAIN} of {self.task.id}"
                    )
                self.report.clipped_actions += outside
                values = np.clip(values, -1, 1)
            block[name] = values if values.dtype == bool else values.astype(self.dtype(name), copy=False)
        return block

    def describe_outside(self) -> str:
        """How many entries of all actions leave [-1, 1] by more than rounding, and the largest of them."""
        count, total, largest = 0, self.report.rows * self.task.action_size, 0.0
        for start in range(0, self.report.rows, BLOCK):
            with self.one_line():
                sizes = np.abs(self.file["actions"][start : start + BLOCK])
            count += int((sizes > 1 + ACTION_TOLERANCE).sum())
            largest = max(largest, float(sizes.max()))
        return (
            f"{count} of {total} entries of its 'actions' ({100 * count / total:.3g} %) lie outside [-1, 1],"
            f" the largest of size {largest:.6g}"
        )

    def episodes(self, advance: Callable[[int], None] = lambda rows: None) -> Iterator[EpisodeBuffer]:
        """The episodes in order; memory is that of a block of rows and the longest episode.

        Shapes: an episode of T steps has observations (T + 1, O), on AntMaze a dict of achieved_goal
        (T + 1, 2), desired_goal (T + 1, 2) and observation (T + 1, 27), and actions (T, A) in [-1, 1],
        rewards, terminations and truncations (T,). `advance` is told the rows read.
        The observation after an episode's last step is its next observation where the file has them. Else a
        terminal step repeats its own observation, since nothing is learnt from what follows it, and the last
        step of any other episode is left out, as D4RL's qlearning_dataset leaves it out. On AntMaze
        recordings go on after terminals, so these do not end an episode and none is repeated.

        Raises: UserError when values are missing, not finite, or outside their range and not to be clipped.
        """
        rows, pending = self.report.rows, None
        for start in range(0, rows, BLOCK):
            stop = min(start + BLOCK, rows)
            block = self.read_block(start, stop)
            if pending is not None:
                block = {name: np.concatenate([pending[name], values]) for name, values in block.items()}
            first = 0
            for end in (np.flatnonzero(self.find_ends(block, last=stop == rows)) + 1).tolist():
                episode = self.make_episode({name: values[first:end] for name, values in block.items()})
                if episode is not None:
                    yield episode
                first = end
            pending = {name: values[first:] for name, values in block.items()}
            advance(stop - start)

    def find_ends(self, rows: dict[str, np.ndarray], *, last: bool) -> np.ndarray:
        """Which of some rows, from the start of an episode on, end one.

        Unless they are the `last` of the file, the final row waits for its successor.
        """
        observations = rows["observations"]
        ends = np.zeros(len(observations), dtype=bool)
        if not self.task.antmaze:
            ends |= rows["terminals"]
        if "timeouts" in rows:
            ends |= rows["timeouts"]
        if "next_observations" in rows:
            distance = np.abs(rows["next_observations"][:-1] - observations[1:]).max(axis=1)
            ends[:-1] |= distance > MISMATCH
        elif self.task.antmaze:
            ends[:-1] |= np.linalg.norm(np.diff(observations[:, :2], axis=0), axis=1) > JUMP
        ends[-1] = last
        if "timeouts" not in rows:
            starts = np.concatenate([[0], np.flatnonzero(ends[:-1]) + 1])
            age = np.arange(len(ends)) - np.repeat(starts, np.diff(np.append(starts, len(ends))))
            full = (age + 1) % self.task.horizon == 0
            ends[:-1] |= full[:-1]
        return ends

    def make_episode(self, rows: dict[str, np.ndarray]) -> EpisodeBuffer | None:
        """The episode of some rows; None when nothing is left of it."""
        observations, terminals = rows["observations"], rows["terminals"]
        goals = rows.get("infos/goal")
        steps = len(observations)
        if "next_observations" in rows:
            following = rows["next_observations"][-1:]
        elif terminals[-1] and not self.task.antmaze:
            following = observations[-1:]
        else:
            following = observations[:0]
            steps -= 1
            self.report.dropped_rows += 1
            if steps == 0:
                self.report.vanished_episodes += 1
                return None
        observations = np.concatenate([observations, following]).astype(observations.dtype)
        if self.task.antmaze:
            self.note_rewards(observations[1:, :2][rows["rewards"][:steps] > 0])
        last = np.arange(steps) == steps - 1
        return EpisodeBuffer(
            observations=self.split(observations, goals) if self.task.antmaze else observations,
            actions=rows["actions"][:steps],
            rewards=rows["rewards"][:steps],
            terminations=terminals[:steps],
            truncations=last & ~terminals[:steps],
        )

    def note_rewards(self, positions: np.ndarray) -> None:
        """Take positions (M, 2) that earned a reward into the report."""
        if len(positions) == 0:
            return
        report = self.report
        earlier = np.multiply(report.rewarded_steps, report.rewarded_position or [0.0, 0.0])
        report.rewarded_steps += len(positions)
        total = earlier + positions.sum(axis=0, dtype=np.float64)
        report.rewarded_position = (total / report.rewarded_steps).tolist()

    def split(self, observations: np.ndarray, goals: np.ndarray | None) -> dict[str, np.ndarray]:
        """AntMaze's observations (T + 1, 29) as Minari has them; positions stay in D4RL's frame."""
        desired = np.zeros((len(observations), 2), observations.dtype)
        if goals is not None:
            desired[: len(goals)] = goals
            desired[len(goals) :] = goals[-1]
        return {
            "achieved_goal": observations[:, :2],
            "desired_goal": desired,
            "observation": observations[:, 2:],
        }


@contextlib.contextmanager
def open_d4rl(path: Path, task: D4RLTask, name: str, clip_actions: bool = False) -> Iterator[D4RLFile]:
    """Open a file of a task; messages call it `name`.

    Raises: UserError when it is not HDF5 or its columns are not D4RL's.
    """
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        raise unreadable(name, error) from error
    with contextlib.closing(file):
        yield D4RLFile(name, file, task, clip_actions)


def unreadable(name: str, error: Exception) -> UserError:
    """What h5py said, in one line."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(f"{name} cannot be read as HDF5 ({reason}); {AGAIN}")
