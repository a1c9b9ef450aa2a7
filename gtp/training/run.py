"""A training run: the settings that determine it, the lock of its folder, and publishing its results."""

import fcntl
import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import TrainConfig
from gtp.data.transitions import Transitions
from gtp.errors import UserError
from gtp.files import read_json, require_writable, write_atomically
from gtp.progress import say
from gtp.provenance import ROOT, code_digest, files_behind

CHECKPOINT = "checkpoint.safetensors"
COLUMNS = (
    "observations",
    "actions",
    "rewards",
    "next_observations",
    "terminations",
    "episode_starts",
)
"""What of the transitions decides a result; backups and windows end where episodes do."""


@dataclass(frozen=True)
class Run:
    """What one call of `train` computes; all of it enters the run's digest."""

    algorithm: Algorithm
    config: TrainConfig
    transitions: Transitions
    seeds: tuple[int, ...]
    device: torch.device
    compiled: bool
    label: str

    def settings(self) -> dict:
        """All that determines the result: method, budget, seeds, data, code, device, torch.

        The label too, since it stands in the policies: of two methods with equal settings each is trained.
        """
        arrays = hashlib.sha256()
        for name in COLUMNS:
            arrays.update(getattr(self.transitions, name).tobytes())
        return {
            "algorithm": algorithms.name_of(self.algorithm),
            "label": self.label,
            "hyperparameters": asdict(self.algorithm),
            "config": asdict(self.config),
            "seeds": list(self.seeds),
            "task": asdict(self.transitions.task),
            "data": arrays.hexdigest(),
            "code": code_of_run(self.algorithm),
            "device": self.device.type,
            "compiled": self.compiled,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over `settings`."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()


def code_of_run(algorithm: Algorithm) -> str:
    """Digest of the modules that decide what a run computes: the method, the learner, the data, the loop.

    What else the loop imports is left out: acting rules and file formats change none of its numbers.
    """
    files = files_behind(
        type(algorithm).__module__,
        "gtp.training.learner",
        "gtp.randomness",
        "gtp.data.batches",
        "gtp.data.reward_scale",
    )
    own = Path(__file__)
    return code_digest([own, own.with_name("loop.py"), *(ROOT / file for file in files)])


@contextmanager
def exclusive(scratch: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which is made. Raises UserError when another process holds it."""
    lock = FileLock(scratch.with_suffix(".lock"), timeout=0)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another process is training this very run ({scratch} is locked); wait for it to end"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot write to {scratch}: {error.strerror}; choose --checkpoints where you may write"
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):
            scratch.rmdir()  # unless there is something to go on from
        lock.release()


@contextmanager
def claimed(output: Path) -> Iterator[None]:
    """Hold the output folder, which is made, against other runs. Raises UserError when one holds it."""
    require_writable(output)
    folder = os.open(output, os.O_RDONLY)  # locked itself, so that no file of ours is left in it
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another run is writing to {output}; wait for it to end or choose another --output"
            ) from error
        except OSError:  # a file system that cannot lock folders
            pass
        yield
    finally:
        os.close(folder)


def finished_before(
    settings: dict, steps: Iterable[int | str], output: Path, scratch: Path | None = None
) -> dict | None:
    """The record of the very same run if `output` holds it, None if it holds none.

    `settings` is what of the record determines the run, which leaves a policy of each of `steps`. The folder
    must be claimed: while another process publishes its run, it holds half of that. Policies that publishing
    left there when it was killed are no run: they are those of the folder `scratch`.
    Raises UserError when there is another run.
    """
    policies = list(output.glob("policy-*.safetensors"))
    begun = all(scratch is not None and is_copy(path, scratch / path.name) for path in policies)
    if begun and not (output / "run.json").exists():
        return None
    try:
        record = read_json(output / "run.json")
        settings = json.loads(json.dumps(settings))
        names = {f"policy-{step}.safetensors" for step in steps}
        complete = names == {path.name for path in policies}
        if complete and settings == {name: record[name] for name in settings}:
            say(f"{output} holds this very run already; --overwrite True makes it again")
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{output} holds another run; choose another --output or --overwrite True")


def is_copy(path: Path, source: Path) -> bool:
    """Whether two files are there and have the same bytes."""
    return source.exists() and filecmp.cmp(path, source, shallow=False)


def publish(scratch: Path, output: Path, tables: tuple[str, ...] = ("training.csv",)) -> None:
    """Copy a finished run's policies and tables into `output`, run.json last: a folder with it is complete.

    Policies of an older run are removed before, and its run.json first; and halves of policies that a
    publishing left when it was killed.
    """
    policies = "policy-*.safetensors"
    for old in [output / "run.json", *output.glob(policies), *output.glob(f".{policies}.????????.partial")]:
        old.unlink(missing_ok=True)
    for source in [*sorted(scratch.glob("policy-*")), *(scratch / name for name in (*tables, "run.json"))]:
        write_atomically(output / source.name, partial(shutil.copyfile, source))


def discard(scratch: Path) -> None:
    """Remove the folder of a run that is published; its lock is held.

    The checkpoint goes first: one without the policies before it is refused when the run comes again.
    """
    (scratch / CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
