"""Write a file completely or not at all, and name its content."""

import contextlib
import csv
import hashlib
import io
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gtp.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary neighbour of `path`, flush it to disk, then rename it into place.

    A reader sees the old file or the new one, never half of it, also after SIGKILL or power loss.
    Raises UserError when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; free space or choose a folder that you may write to"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # must not hide why the writing failed
            temporary.unlink()


def require_writable(folder: Path) -> None:
    """Make `folder` and try a file in it, so that hours of work do not end in an error. Raises UserError."""
    if Path(folder).exists() and not Path(folder).is_dir():
        raise UserError(f"{folder} is a file where a folder is expected; choose another")
    probe = Path(folder) / "probe"
    write_atomically(probe, lambda temporary: temporary.touch())
    probe.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_atomically` for UTF-8 text."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """`write_atomically` for a table: floats have six significant digits, None is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    write_text(path, buffer.getvalue())


def sha256_of(*paths: Path) -> str:
    """Hexadecimal SHA-256 over the contents of `paths`, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as handle:
            for chunk in iter(lambda: handle.read(1 << 20), b""):
                digest.update(chunk)
    return digest.hexdigest()
