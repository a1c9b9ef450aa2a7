"""Checkpoints of a training run: one safetensors file, tensors plus a JSON header, never a pickle.

A checkpoint is written to a temporary name and renamed, so it is complete or absent. It carries the
digest of everything that determines the run; a file from another run is refused, not adapted to.
"""

import json
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from gtp.errors import UserError
from gtp.files import write_atomically


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict) -> None:
    """Write tensors and a JSON header as one safetensors file, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"header": json.dumps(header, sort_keys=True)}
    content = safetensors.torch.save(
        contiguous, metadata
    )  # save_file would make it readable by its owner only
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def read_tensors(path: Path, kind: str, remedy: str) -> tuple[dict[str, Tensor], dict]:
    """Read what `write_tensors` wrote, onto the CPU; `kind` is the header's expected `format`.

    Raises UserError that names the file and the remedy when it is missing, truncated, foreign or too large.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads((file.metadata() or {}).get("header", "{}"))
            if header.get("format") != kind:
                raise UserError(f"{path} is not a {kind} file; {remedy}")
            return {name: file.get_tensor(name) for name in list(file.keys())}, header
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; {remedy}") from error
    except MemoryError as error:
        raise UserError(f"not enough memory to load {path}; free memory or use a smaller file") from error
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is truncated or not a {kind} file; {remedy}") from error


def save_checkpoint(
    path: Path, state: dict[str, Tensor], *, run_digest: str, step: int, log: list, seconds: float
):
    """Write the learner's state after `step` steps, with the log so far and the seconds spent."""
    header = {"format": "gtp-checkpoint", "run": run_digest, "step": step, "log": log, "seconds": seconds}
    write_tensors(path, state, header)


def load_checkpoint(path: Path, run_digest: str) -> tuple[dict[str, Tensor], dict]:
    """State and header of a checkpoint. Raises UserError when it is truncated or belongs to another run."""
    remedy = f"delete it to start this run anew: rm {path}"
    state, header = read_tensors(path, "gtp-checkpoint", remedy)
    if header.get("run") != run_digest:
        raise UserError(
            f"{path} belongs to another run (other configuration, data, code or device); {remedy}"
        )
    return state, header
