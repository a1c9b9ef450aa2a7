"""Checkpoints of a training run: one safetensors file, tensors plus a JSON header, never a pickle.

A checkpoint is written to a temporary name and renamed, so it is complete or absent. It carries the
digest of everything that determines the run; a file from another run is refused, not adapted to.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from gtp.errors import UserError
from gtp.tensor_files import read_tensor_file, write_tensor_file


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
    if header.get("format") != kind:
        raise UserError(f"{path} is not a {kind} file; {remedy}")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, header


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
