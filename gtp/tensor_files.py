"""Files of tensors (safetensors): read whole, written atomically, never a pickle."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gtp.errors import UserError
from gtp.files import write_atomically


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
