"""Checkpoints of a training run: one safetensors file of tensors and a JSON header.

The header has the digest of everything that determines the run; a file of another run is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from gtp.errors import UserError, shorten
from gtp.files import read_tensors, write_tensors
from gtp.plain import build


def save_checkpoint(
    path: Path, state: dict[str, Tensor], *, run_digest: str, **progress: int | float | list
) -> None:
    """Write tensors of a run and how far it is: its step, the log so far, the seconds spent and the like."""
    write_tensors(path, state, {"format": "gtp-checkpoint", "run": run_digest, **progress})


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """What a checkpoint says beside its tensors."""

    format: str
    run: str
    step: int
    log: list[Any]
    """(step, seconds, names, values[Q][S]) of each interval; values may be NaN, of seeds that diverged."""
    seconds: float

    def __post_init__(self):
        if self.step < 1 or self.seconds < 0:
            raise ValueError(f"step is {self.step} and seconds are {self.seconds}")
        before = 0
        for entry in self.log:
            if not is_log_entry(entry) or not before < entry[0] <= self.step:
                raise ValueError(f"the log has the entry {shorten(entry)}")
            before = entry[0]


def is_log_entry(entry: Any) -> bool:
    """Whether it is (step, seconds, names, values[Q][S]); values may be NaN or infinite."""
    if not isinstance(entry, list) or len(entry) != 4:
        return False
    step, seconds, names, values = entry
    return (
        type(step) is int
        and type(seconds) in (int, float)
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and isinstance(values, list)
        and len(values) == len(names)
        and all(isinstance(row, list) and len(row) == len(values[0]) for row in values)
        and all(type(value) is float for row in values for value in row)
    )


H = TypeVar("H", bound=CheckpointHeader)


def read_checkpoint(
    path: Path, run_digest: str, kind: type[H], expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], H]:
    """Tensors, with those `expected` among them in names, types and shapes, and a header of a `kind`.

    Raises UserError when the checkpoint is damaged or belongs to another run.
    """
    remedy = f"delete it to start this run anew: rm {path}"
    state, found = read_tensors(path, "gtp-checkpoint", remedy)
    try:
        header = build(kind, found)
    except ValueError as error:
        raise UserError(f"{path} is not a checkpoint ({error}); {remedy}") from error
    if header.run != run_digest:
        raise UserError(
            f"{path} belongs to another run (other configuration, data, code or device); {remedy}"
        )
    for name, value in expected.items():
        if name not in state or (state[name].shape, state[name].dtype) != (value.shape, value.dtype):
            raise UserError(f"{path} does not hold the state of its run; {remedy}")
    return state, header


def load_checkpoint(
    path: Path, run_digest: str, expected: Mapping[str, Tensor], snapshots: Iterable[int]
) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """State, as `expected` in names, types and shapes, and header of a checkpoint.

    The policies of the `snapshots` before it must lie beside it.
    Raises UserError when it is damaged, belongs to another run, or a policy before it is missing.
    """
    state, header = read_checkpoint(path, run_digest, CheckpointHeader, expected)
    remedy = f"delete it to start this run anew: rm {path}"
    if state.keys() != expected.keys() or int(state["step"]) != header.step:
        raise UserError(f"{path} does not hold the state of its run; {remedy}")
    for step in snapshots:
        policy = path.with_name(f"policy-{step}.safetensors")
        if step <= header.step and not policy.exists():
            raise UserError(f"{policy} is missing, which was written before {path}; {remedy}")
    return state, header
