"""Files that are whole or absent: text, tables, tensors; and the checksum of their content.

What is written goes to a temporary neighbour first, which is then renamed. Tensors are stored as safetensors,
never as a pickle: a file cannot choose what is run.
"""

import contextlib
import csv
import fcntl
import glob
import hashlib
import io
import json
import os
import resource
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gtp.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUM = "content_sha256"
"""Key of a header under which the checksum of everything else in the file stands."""
JSON_LIMIT = 64 << 20
"""Bytes of the largest JSON file that is read; ours are below 1 MB."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, flush it to disk, then rename it into place.

    A reader sees the old file or the new one, never half of it, also after SIGKILL or power loss. What an
    earlier writer of the same path left when it was killed is removed.
    Raises UserError when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as handle:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_halves(path)
            write(temporary)
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


def remove_halves(path: Path) -> None:
    """Remove what writers of `path` that were killed left beside it; the living hold locks on theirs.

    The kernel frees a lock however its holder ends. Where a file system has none, nothing is removed.
    """
    for half in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        with contextlib.suppress(OSError), open(half, "rb+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            half.unlink()


def require_writable(folder: Path) -> None:
    """Make `folder` and try a file in it, so that hours of work do not end in an error. Raises UserError."""
    if Path(folder).exists() and not Path(folder).is_dir():
        raise UserError(f"{folder} is a file where a folder is expected; choose another")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # has a name of its own, if any: nobody's file is touched
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write to {folder}: {reason}; free space or choose a folder that you may write to"
        ) from error


def require_room(folder: Path, size: int, what: str, *, largest: int | None = None) -> None:
    """Raises UserError unless `what`, of `size` bytes, has room on the disk of `folder`, which exists.

    Its largest file, of as many bytes unless said otherwise, must be within the limit on the size of files.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"{what} needs {size / 1e6:.3g} MB and {folder} has room for {free / 1e6:.3g} MB;"
            " free space or choose another folder"
        )
    limit, largest = resource.getrlimit(resource.RLIMIT_FSIZE)[0], size if largest is None else largest
    if limit != resource.RLIM_INFINITY and largest > limit:
        raise UserError(
            f"{what} needs a file of {largest / 1e6:.3g} MB and none may be larger than {limit / 1e6:.3g} MB;"
            " raise the limit on the size of files (ulimit -f)"
        )


def require_files(*paths: Path | None) -> None:
    """`require_writable` for the folders of files that are to be written; None is passed over.

    Raises UserError for a folder, too.
    """
    for path in filter(None, paths):
        if Path(path).is_dir():
            raise UserError(f"{path} is a folder where a file is to be written; name a file in it")
        require_writable(Path(path).parent)


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


def write_tensor_file(path: Path, arrays: Mapping[str, np.ndarray], header: dict) -> None:
    """Write arrays, a JSON header and the checksum of both; the file appears when it is complete.

    Equal arrays and headers give equal bytes: safetensors writes several keys of metadata in an order that
    changes from run to run, so there is one.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    header = header | {CHECKSUM: content_digest(arrays, header)}
    # Not save_file, which makes files that other members of a group cannot read.
    content = save(arrays, {"header": json.dumps(header, sort_keys=True)})
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def content_digest(arrays: Mapping[str, np.ndarray], header: dict) -> str:
    """SHA-256 over a header and over names, types, shapes and values of arrays."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_tensor_file(path: Path, kind: str, what: str, remedy: str) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and header, without its checksum, of a file whose header's `format` is `kind`.

    Messages call it `what` (a phrase such as "a file of transitions").
    Raises: UserError, one line with path and remedy, when the file is missing, unreadable, damaged, foreign
    or larger than memory.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise UserError(f"{path} is a folder or a device; name a file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            header = parse_json(metadata.get("header", "null"))
            if not isinstance(header, dict) or header.get("format") != kind:
                raise UserError(f"{path} is not {what} ({kind}); {remedy}")
            arrays = {name: file.get_tensor(name) for name in list(file.keys())}
            if foreign := [array.dtype for array in arrays.values() if array.dtype.kind not in "biufc"]:
                raise TypeError(f"{foreign[0]} is of another package")  # ml_dtypes', where that is imported
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; {remedy}") from error
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory; free memory or take a smaller file") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    except (SafetensorError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # The last three are numpy's, of a type that it does not have.
        raise UserError(f"{path} is truncated or not {what}; {remedy}") from error
    expected = header.pop(CHECKSUM, None)
    if expected is None:
        raise UserError(f"{path} has no checksum, so an older version of gtp wrote it; {remedy}")
    if expected != content_digest(arrays, header):
        raise UserError(f"{path} is damaged: it has changed since it was written; {remedy}")
    return arrays, header


def write_tensors(path: Path, tensors: dict[str, "Tensor"], header: dict) -> None:
    """`write_tensor_file` for torch's tensors, on any device."""
    write_tensor_file(path, {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, header)


def read_tensors(path: Path, kind: str, remedy: str) -> tuple[dict[str, "Tensor"], dict]:
    """Read what `write_tensors` wrote, onto the CPU. Raises UserError as `read_tensor_file`."""
    import torch  # here, as it takes seconds and most files hold no tensors

    arrays, header = read_tensor_file(path, kind, f"a {kind} file", remedy)
    try:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, header
    except TypeError as error:  # a type that torch does not have
        raise UserError(f"{path} is not a {kind} file ({error}); {remedy}") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises OSError, or ValueError as `parse_json`, also for a huge file."""
    with open(path, "rb") as file:
        content = file.read(JSON_LIMIT + 1)
    if len(content) > JSON_LIMIT:
        raise ValueError(f"it is larger than {JSON_LIMIT >> 20} MB")
    return parse_json(content.decode("utf-8"))


def parse_json(text: str) -> Any:
    """The content of a JSON text. Raises ValueError when it is none, or nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def sha256_of(*paths: Path) -> str:
    """Hexadecimal SHA-256 over the contents of `paths`, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as handle:
            for chunk in iter(lambda: handle.read(1 << 20), b""):
                digest.update(chunk)
    return digest.hexdigest()
