"""Room on the disk while a dataset is written: where it ends, one line says so and nothing is left.

When a write fails, HDF5 can no longer close its file: h5py prints hundreds of lines and the process ends in
a segmentation fault. So no write may fail: the size is checked beforehand as far as it is known, the room of
each episode is tried before it is written, and what HDF5 needs to close the file is held in reserve. Should
a write fail all the same, since another process was faster, the program ends at once.
"""

import contextlib
import errno
import os
import re
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.errors import UserError
from gtp.files import require_room
from gtp.progress import say

RESERVE = 32 << 20
"""Bytes held in reserve: HDF5 keeps no more than that of what it still has to write."""
MARGIN = 1 << 16
"""Bytes that an episode may take beside its arrays."""
GRANT = 8 << 20
"""Bytes that are tried at once for episodes to come: a try takes as long as writing a short one."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
REMEDY = "free space, or raise the quota or the limit on the size of files (ulimit -f)"


@dataclass
class Guard:
    """What watches over the writing of one dataset below the folder `place`."""

    dataset_id: str
    place: Path

    def refusal(self, reason: str) -> UserError:
        return UserError(f"cannot write dataset {self.dataset_id} in {self.place}: {reason}; {REMEDY}")

    @property
    def reserve(self) -> Path:
        return self.place / ".reserve"

    def begin(self, size: int) -> None:
        """Check that there is room for `size` bytes, and hold some in reserve. Raises UserError."""
        require_room(self.place, size + RESERVE, f"dataset {self.dataset_id}", largest=size)
        if (reason := allocate(self.reserve, RESERVE)) is not None:
            self.release()
            raise self.refusal(reason)

    def release(self) -> None:
        for path in (self.reserve, self.reserve.with_suffix(".tried")):
            path.unlink(missing_ok=True)

    def watch(self, episodes: Iterable[EpisodeBuffer]) -> Iterator[EpisodeBuffer]:
        """The episodes, as long as there is room for each. Raises UserError when there is none."""
        granted = 0
        for episode in episodes:
            # HDF5 stores whole chunks, which may be twice as large as what is in them.
            size = 2 * bytes_of(vars(episode)) + MARGIN
            if size > granted:
                granted = self.grant(size)
            granted -= size
            yield episode

    def grant(self, size: int) -> int:
        """Further bytes that there is room for: `size`, or more. Raises UserError, the reserve released."""
        if size < GRANT and self.find_obstacle(GRANT) is None:
            return GRANT
        if (reason := self.find_obstacle(size)) is not None:
            self.release()
            raise self.refusal(reason)
        return size

    def find_obstacle(self, size: int) -> str | None:
        """Why `size` further bytes have no room; None when they have."""
        limit, end = size_limit(), max((file.get_filesize() for file in open_files(self.place)), default=0)
        if limit is not None and end + size > limit:
            return f"its file would be larger than {limit / 1e6:.3g} MB, as files may be"
        tried = self.reserve.with_suffix(".tried")
        reason = allocate(tried, size)
        tried.unlink(missing_ok=True)
        return reason

    def give_up(self, reason: str) -> None:
        """End the program: HDF5 can neither close the file nor let go of it."""
        self.release()
        shutil.rmtree(self.place / self.dataset_id, ignore_errors=True)
        say(f"gtp: error: {self.refusal(reason)}")
        os._exit(2)


@contextlib.contextmanager
def guarded(dataset_id: str, place: Path, size: int) -> Iterator[Guard]:
    """Watch over the writing of a dataset of about `size` bytes (0: unknown) below the folder `place`.

    Raises: UserError when there is no room, or none is left on the way.
    """
    guard = Guard(dataset_id, place)
    guard.begin(size)
    hooks, close = (sys.excepthook, sys.unraisablehook), h5py.File.close

    def end_on_failure(error: BaseException | None) -> None:
        if error is not None and (reason := find_reason(error)) is not None:
            guard.give_up(reason)

    def careful_close(file: h5py.File) -> None:
        end_on_failure(sys.exc_info()[1])
        close(file)

    def careful_hook(kind, error, trace) -> None:
        end_on_failure(error)
        hooks[0](kind, error, trace)

    def careful_last_hook(found) -> None:
        end_on_failure(found.exc_value)
        hooks[1](found)

    # Where h5py lets go of an object it can raise nothing: it prints, by the first hook and then the second.
    sys.excepthook, sys.unraisablehook = careful_hook, careful_last_hook
    h5py.File.close = careful_close
    try:
        yield guard
    finally:
        h5py.File.close = close
        sys.excepthook, sys.unraisablehook = hooks
        guard.release()


def allocate(path: Path, size: int) -> str | None:
    """Make a file of `size` bytes, or as large as one may be; why there is no room, None if there is."""
    limit = size_limit()
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size if limit is None else min(size, limit))
    except OSError as error:  # of a full disk, or of a file system that cannot reserve
        return find_reason(error)
    return None


def find_reason(error: BaseException) -> str | None:
    """Why a write failed, as the system says it; None for an error of another kind."""
    if isinstance(error, OSError) and error.errno in FULL and error.strerror and "(" not in error.strerror:
        return error.strerror
    told = re.search(r"errno = (\d+), error message = '([^']*)'", str(error))
    return told[2] if told and int(told[1]) in FULL else None


def open_files(place: Path) -> list[h5py.h5f.FileID]:
    """The HDF5 files below a folder that this process has open."""
    files = h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)
    return [file for file in files if Path(os.fsdecode(file.name)).is_relative_to(place)]


def size_limit() -> int | None:
    """Bytes of the largest file that this process may write; None without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def bytes_of(values: Any) -> int:
    """Bytes of the arrays in nested mappings and lists."""
    if isinstance(values, dict):
        return sum(map(bytes_of, values.values()))
    if isinstance(values, (list, tuple)):
        return sum(map(bytes_of, values))
    return getattr(values, "nbytes", 8)


def step_bytes(observation_space: gym.Space, action_space: gym.Space) -> int:
    """Bytes that a step takes at least: observation, action, reward and two flags."""
    return space_bytes(observation_space) + space_bytes(action_space) + 8 + 2


def space_bytes(space: gym.Space) -> int:
    """Bytes of one element of a box or of a dict of boxes; 0 for what else there is."""
    if isinstance(space, spaces.Dict):
        return sum(map(space_bytes, space.values()))
    return int(np.prod(space.shape)) * space.dtype.itemsize if isinstance(space, spaces.Box) else 0
