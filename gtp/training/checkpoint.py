"""Checkpoints of a training run: one safetensors file of tensors and a JSON header.

The header has the digest of everything that determines the run; a file of another run is refused.
"""

from pathlib import Path

from torch import Tensor

from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors


def save_checkpoint(
    path: Path, state: dict[str, Tensor], *, run_digest: str, **progress: int | float | list
) -> None:
    """Write tensors of a run and how far it is: its step, the log so far, the seconds spent and the like."""
    write_tensors(path, state, {"format": "gtp-checkpoint", "run": run_digest, **progress})


def load_checkpoint(path: Path, run_digest: str) -> tuple[dict[str, Tensor], dict]:
    """State and header of a checkpoint. Raises UserError when it is truncated or belongs to another run."""
    remedy = f"delete it to start this run anew: rm {path}"
    state, header = read_tensors(path, "gtp-checkpoint", remedy)
    if header.get("run") != run_digest:
        raise UserError(
            f"{path} belongs to another run (other configuration, data, code or device); {remedy}"
        )
    return state, header
