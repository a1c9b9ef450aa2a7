"""Local Minari datasets: where they lie, how they are read, and how a new one is put in its place."""

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import minari
from filelock import FileLock, Timeout
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_dataset import DATASET_ID_RE

from gtp.data.sources import how_to_get
from gtp.data.store.card import CARD_NAME, verify_card
from gtp.data.store.foreign import check_data
from gtp.data.store.room import guarded, step_bytes
from gtp.data.store.trouble import one_line, told_in_one_line
from gtp.errors import UserError
from gtp.files import write_text
from gtp.progress import say


def dataset_folder(dataset_id: str, root: Path) -> Path:
    """Folder of a dataset under a Minari root (MINARI_DATASETS_PATH); it contains data/.

    Raises: UserError when the id is not <namespace>/<name>-v<number>.
    """
    match = DATASET_ID_RE.fullmatch(dataset_id)
    # Minari creates datasets whose id has no version, and then cannot list its root any more.
    if match is None or match["version"] is None:
        raise UserError(f"bad dataset id {dataset_id!r}; use <namespace>/<name>-v<number>, such as a/b-v0")
    return Path(root) / dataset_id


def open_dataset(dataset_id: str, root: Path) -> minari.MinariDataset:
    """Open a local dataset of any source, once its card, if any, is verified and nothing in it can run code.

    Raises: UserError when it is missing, damaged or empty, cannot be read (gtp.data.store.trouble), is not as
    its card says, states no spaces, or reads other files.
    """
    folder = dataset_folder(dataset_id, root)
    with told_in_one_line(dataset_id, folder, root):
        if not (folder / "data").is_dir():
            raise UserError(f"dataset {dataset_id} is not in {root}; {how_to_get(dataset_id, root)}")
        os.listdir(folder / "data")  # a folder that may not be read looks empty below
        if (folder / CARD_NAME).exists():
            verify_card(folder)
        check_data(folder / "data")
        dataset = minari.MinariDataset(folder / "data")
    if dataset.total_episodes == 0:
        raise UserError(f"dataset {dataset_id} in {root} has no episodes; {how_to_get(dataset_id, root)}")
    return dataset


def read_episodes(dataset: minari.MinariDataset, root: Path) -> Iterator[minari.EpisodeData]:
    """The episodes of a dataset in order. Raises UserError when one cannot be read."""
    episodes, folder = dataset.iterate_episodes(), dataset_folder(dataset.id, root)
    while True:
        with told_in_one_line(dataset.id, folder, root):
            episode = next(episodes, None)
        if episode is None:
            return
        yield episode


@contextlib.contextmanager
def sole_builder(dataset_id: str, root: Path) -> Iterator[Path]:
    """Let one process at a time build a dataset; yields an empty folder to build it in, removed at the end.

    The lock is the kernel's, so it is free again however its holder ends; a second builder waits.
    Raises: UserError when the root cannot be written.
    """
    dataset_folder(dataset_id, root)
    # Hidden, so that Minari does not look into it; under the root, so that a rename installs the result.
    workshop = Path(root) / ".building"
    name = dataset_id.replace("/", "--")
    with _one_line_os_error(dataset_id, root):
        workshop.mkdir(parents=True, exist_ok=True)
    staging = workshop / name
    lock = FileLock(workshop / f"{name}.lock")
    with _one_line_os_error(dataset_id, root):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another process is building {dataset_id}; waiting for it")
            lock.acquire()
        try:
            shutil.rmtree(staging, ignore_errors=True)  # of a builder that was killed
            staging.mkdir()
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            lock.release()


@contextlib.contextmanager
def _one_line_os_error(dataset_id: str, root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, shutil.Error):  # of copying a folder: (from, to, reason) of each file
            error = OSError(None, error.args[0][0][-1])
        raise UserError(
            f"cannot write dataset {dataset_id} under {root}: {error.strerror or one_line(error)};"
            " free space or choose a folder that you may write to"
        ) from error


@contextlib.contextmanager
def minari_root(root: Path) -> Iterator[None]:
    """Let Minari's functions read and write under `root`; the environment is their one way to name it."""
    outside = os.environ.get("MINARI_DATASETS_PATH")
    # Minari counts the size of a new dataset below a relative root in a folder that does not exist.
    os.environ["MINARI_DATASETS_PATH"] = str(Path(root).resolve())
    try:
        yield
    finally:
        if outside is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = outside


def create_dataset(
    staging: Path, dataset_id: str, *, buffer: Iterable[EpisodeBuffer], steps: int = 0, **arguments
) -> Path:
    """`minari.create_dataset_from_buffers` under the root `staging`; returns the new dataset's folder.

    `buffer` may be an iterator, so that episodes are written as they are made. They have as many `steps`, if
    that is known, which tells how much room they need.
    Raises: UserError when there is no room for them (gtp.data.store.room).
    """
    staging.mkdir(parents=True, exist_ok=True)
    names = ("observation_space", "action_space")
    boxes = [arguments[name] if name in arguments else getattr(arguments["env"], name) for name in names]
    with (
        minari_root(staging),
        warnings.catch_warnings(),
        guarded(dataset_id, staging.resolve(), steps * step_bytes(*boxes)) as guard,
    ):
        warnings.simplefilter("ignore", UserWarning)  # about metadata left out on purpose
        minari.create_dataset_from_buffers(dataset_id, buffer=guard.watch(buffer), **arguments)
    return dataset_folder(dataset_id, staging)


def install_dataset(dataset_id: str, made: Path, root: Path, replaced: Path) -> None:
    """Rename a dataset from the root `made` to its place under `root`, and what was there to `replaced`."""
    built, target = dataset_folder(dataset_id, made), dataset_folder(dataset_id, root)
    for path in built.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as handle:
                os.fsync(handle.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    for namespace in made.rglob("namespace_metadata.json"):
        place = root / namespace.relative_to(made)
        if not place.exists():
            write_text(place, namespace.read_text(encoding="utf-8"))
    if target.exists():
        os.rename(target, replaced)
    os.rename(built, target)
