"""Files that are whole or absent: text, tables, tensors; and the checksum of their content.

What is written goes to a temporary neighbour first, which is then renamed. Tensors are stored as safetensors,
never as a pickle: a file cannot choose what is run.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from gtp.errors import UserError

JSON_LIMIT = 64 << 20
"""Bytes of the largest JSON file that is read; ours are below 1 MB."""


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


def write_tensor_file(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays and their metadata; the file appears when it is complete.

    Equal arrays give equal bytes if there is one key of metadata: safetensors writes several in an order that
    changes from run to run.
    """
    # Not save_file, which makes files that other members of a group cannot read.
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(metadata))
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def read_tensor_file(path: Path, kind: str, remedy: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata of a file of this `kind` (a phrase for messages, such as "a file of transitions").

    Raises: UserError, one line with path and remedy, when the file is missing, unreadable, truncated or
    larger than memory.
    """
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in list(file.keys())}, file.metadata() or {}
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; {remedy}") from error
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory; free memory or take a smaller file") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is truncated or not {kind}; {remedy}") from error


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict) -> None:
    """Write tensors and a JSON header as one file, atomically."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    write_tensor_file(path, arrays, {"header": json.dumps(header, sort_keys=True)})


def read_tensors(path: Path, kind: str, remedy: str) -> tuple[dict[str, Tensor], dict]:
    """Read what `write_tensors` wrote, onto the CPU; `kind` is the header's expected `format`.

    Raises UserError that names the file and the remedy when it is missing, truncated, foreign or too large.
    """
    arrays, metadata = read_tensor_file(path, f"a {kind} file", remedy)
    try:
        header = json.loads(metadata.get("header", "{}"))
    except ValueError as error:
        raise UserError(f"{path} is truncated or not a {kind} file; {remedy}") from error
    if not isinstance(header, dict) or header.get("format") != kind:
        raise UserError(f"{path} is not a {kind} file; {remedy}")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, header


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
