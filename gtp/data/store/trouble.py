"""Why a local dataset cannot be read: locked, forbidden, newer, older, or damaged; and what to do about each.

No advice may cost data that exist nowhere else, so folders are moved away and never deleted.
"""

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

import minari

from gtp.data.sources import how_to_replace
from gtp.data.store.foreign import Unsafe
from gtp.errors import UserError
from gtp.files import read_json

FORBIDDEN = {errno.EACCES, errno.EPERM}
LOCKLESS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}
UNLOCKED = "HDF5_USE_FILE_LOCKING=FALSE"


@contextlib.contextmanager
def told_in_one_line(dataset_id: str, folder: Path, root: Path) -> Iterator[None]:
    """Turn whatever Minari and its storage raise on the dataset in `folder` into a UserError."""
    try:
        yield
    except (MemoryError, UserError):
        raise
    except Exception as error:
        cause = find_cause(error, folder) or (
            f"is damaged ({one_line(error)}); {how_to_replace(dataset_id, folder, root)}"
        )
        raise UserError(f"dataset {dataset_id} in {root} {cause}") from error


def find_cause(error: Exception, folder: Path) -> str | None:
    """What keeps sound data from being read, and the remedy; None when the data themselves are at fault."""
    reason = one_line(error)
    if isinstance(error, Unsafe):
        return f"is refused: {reason}; use another copy"
    if isinstance(error, ImportError):  # of the package that reads this format; Minari's message installs it
        return f"cannot be read: {reason}"
    if isinstance(error, OSError):
        held = find_lock(error, reason)
        if held is not None:
            return held
        if error.errno in FORBIDDEN:
            return (
                f"cannot be read: {error.filename or folder / 'data'}: {error.strerror or reason};"
                " ask its owner for the right to read the folder and its files (chmod -R u+rX)"
            )
    return find_foreign_layout(folder)


def find_lock(error: OSError, reason: str) -> str | None:
    """What holds an HDF5 file back, by what HDF5 says of it; None when nothing does.

    Reading asks for a lock that only a writer keeps from others, or a file system that has none.
    """
    code = re.search(r"unable to lock file, errno = (\d+)", reason)
    if code is not None and int(code[1]) in LOCKLESS:
        return f"lies on a file system without locks ({reason}); set {UNLOCKED} and try again"
    if code is not None or "file is already open" in reason:
        return (
            "is open in another process that writes to it; wait until that has ended, or, if there is none"
            f" and the file system lacks locks, set {UNLOCKED}"
        )
    return None


def find_foreign_layout(folder: Path) -> str | None:
    """Whether another version of Minari wrote the data, which are whole as far as it is concerned."""
    data = folder / "data"
    try:
        if not (data / "metadata.json").exists():
            if not (data / "main_data.hdf5").exists():
                return None
            return (
                "has the layout of Minari 0.4 and before (no metadata.json); keep it, read it with"
                " `pip install 'minari<0.5'` elsewhere and write it anew with create_dataset_from_buffers of"
                f" Minari {minari.__version__}"
            )
        version = read_json(data / "metadata.json")["minari_version"]
        newer = numbers(version) > numbers(minari.__version__)
    except (OSError, ValueError, TypeError, LookupError):
        return None
    if not newer:
        return None
    return (
        f"was written by Minari {version}, newer than {minari.__version__} here; keep it and"
        f" `pip install 'minari>={version}'`"
    )


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version. Raises ValueError or TypeError when it is none."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){0,3}", version, re.ASCII):
        raise ValueError(version)
    return tuple(map(int, version.split(".")))


def one_line(error: Exception) -> str:
    """The message of somebody else's exception; HDF5's go over several lines."""
    return " ".join(str(error).split())[:200] or type(error).__name__
