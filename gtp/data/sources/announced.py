"""What a remote of Minari says of a dataset before it is downloaded: its files and their checksums.

Minari's client compares sizes at best, so a file that changed on its way would go unnoticed.
"""

import base64
import contextlib
import difflib
import hashlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minari.storage.remotes import DEFAULT_REMOTE, get_cloud_storage
from minari.storage.remotes.cloud_storage import CloudStorage

from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.progress import Progress

EXTRAS = {"hf": "hf", "gcp": "gcs"}  # the extra of minari that installs the client of each kind of remote
TIMEOUT = 30.0  # seconds until a remote that does not answer counts as unreachable


@dataclass(frozen=True)
class AnnouncedFile:
    """One file on the remote. `kind` says what `digest` is: sha256, git-sha1 (of a git blob) or md5."""

    size: int
    kind: str
    digest: str


@dataclass(frozen=True)
class Announced:
    """The files of a dataset on a remote, by their path below the dataset's folder."""

    remote: str
    revision: str | None
    """Commit of the dataset's repository; a bucket has none."""
    files: dict[str, AnnouncedFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def remote_name() -> str:
    """The remote in use, such as hf://farama-minari. Raises UserError when MINARI_REMOTE is malformed."""
    remote = os.environ.get("MINARI_REMOTE", DEFAULT_REMOTE)
    kind, separator, name = remote.partition("://")
    if kind not in EXTRAS or not separator or not name:
        raise UserError(f"MINARI_REMOTE is {remote!r}; use hf://<organisation> or gcp://<bucket>")
    return remote


def open_remote() -> CloudStorage:
    """Minari's client of the remote in use. Raises UserError when its package is not installed."""
    remote = remote_name()
    try:
        return get_cloud_storage(remote)
    except ImportError as error:
        extra = EXTRAS[remote.partition("://")[0]]
        raise UserError(
            f"downloading from {remote} needs a package that is not installed;"
            f' run `pip install "minari[{extra}]"`'
        ) from error


def find_announced(dataset_id: str, storage: CloudStorage) -> Announced:
    """What the remote holds under an id.

    Raises: UserError with the nearest id when there is no such dataset; whatever the client raises when the
    remote cannot be reached.
    """
    remote = remote_name()
    kind, _, name = remote.partition("://")
    announced = _on_the_hub(dataset_id, name) if kind == "hf" else _in_the_bucket(dataset_id, storage)
    if announced is None or "data/metadata.json" not in announced.files:
        nearest = difflib.get_close_matches(dataset_id, list(storage.list_datasets()), n=1, cutoff=0.0)
        advice = f"did you mean {nearest[0]!r}?" if nearest else "see `minari list remote`"
        raise UserError(f"there is no dataset {dataset_id!r} on {remote}; {advice}")
    return announced


def _on_the_hub(dataset_id: str, organisation: str) -> Announced | None:
    """Files of a dataset in a repository of the Hugging Face hub; LFS files have a SHA-256, others git's."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    repository, _, folder = dataset_id.partition("/")
    api, repository = HfApi(), f"{organisation}/{repository}"
    files = {}
    try:
        revision = api.dataset_info(repository, timeout=TIMEOUT).sha
        for entry in api.list_repo_tree(
            repository, folder or None, recursive=True, revision=revision, repo_type="dataset"
        ):
            if isinstance(entry, RepoFile):
                kind, digest = ("sha256", entry.lfs.sha256) if entry.lfs else ("git-sha1", entry.blob_id)
                files[entry.path.removeprefix(f"{folder}/")] = AnnouncedFile(entry.size, kind, digest)
    except (RepositoryNotFoundError, EntryNotFoundError):
        return None
    return Announced(f"hf://{organisation}", revision, files)


def _in_the_bucket(dataset_id: str, storage: CloudStorage) -> Announced | None:
    """Files of a dataset in a bucket of Google Cloud Storage, which knows their MD5."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    files, retry = {}, DEFAULT_RETRY.with_timeout(TIMEOUT)
    for blob in storage.bucket.list_blobs(prefix=f"{dataset_id}/", timeout=TIMEOUT, retry=retry):
        digest = base64.b64decode(blob.md5_hash).hex()
        files[blob.name.removeprefix(f"{dataset_id}/")] = AnnouncedFile(blob.size, "md5", digest)
    return Announced(remote_name(), None, files) if files else None


def check_download(dataset_id: str, root: Path, announced: Announced) -> None:
    """Compare a dataset downloaded into the Minari root `root` with what its remote announced.

    A file that differs is removed, so that the next download fetches it anew; so is one that was not
    announced, which an earlier revision left behind.
    Raises: UserError naming the first file that is missing or differs.
    """
    folder = root / dataset_id
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.relative_to(folder).as_posix() not in announced.files:
            path.unlink()
    for name, file in sorted(announced.files.items()):
        path = folder / name
        if not path.is_file():
            raise UserError(
                f"{name} of {dataset_id} did not arrive from {announced.remote}; run the same command again"
            )
        if path.stat().st_size != file.size or digest_of(path, file.kind) != file.digest:
            path.unlink()
            _forget_cached(dataset_id, name, announced)
            raise UserError(
                f"{name} of {dataset_id} arrived damaged from {announced.remote} (its {file.kind} is not"
                f" the announced {file.digest[:12]}…) and was removed; run the same command again"
            )


def _forget_cached(dataset_id: str, name: str, announced: Announced) -> None:
    """Remove the copy of a file in the hub client's cache, from which the next download would take it."""
    if announced.remote.startswith("hf://"):
        from huggingface_hub import try_to_load_from_cache

        organisation = announced.remote.removeprefix("hf://")
        repository, _, folder = dataset_id.partition("/")
        cached = try_to_load_from_cache(
            f"{organisation}/{repository}",
            f"{folder}/{name}" if folder else name,
            revision=announced.revision,
            repo_type="dataset",
        )
        if isinstance(cached, str):
            Path(cached).resolve().unlink(missing_ok=True)


def digest_of(path: Path, kind: str) -> str:
    """Hexadecimal digest of a file's content, of a kind of AnnouncedFile."""
    if kind == "sha256":
        return sha256_of(path)
    content = path.read_bytes()
    if kind == "git-sha1":
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def quiet_client() -> Iterator[None]:
    """Keep Minari's own prints, advice and progress bars out of the log; `watch` shows the progress."""
    with contextlib.suppress(ImportError):
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextlib.contextmanager
def watch(place: Path, what: str, announced: Announced) -> Iterator[None]:
    """Report every few seconds how much of a download has arrived in the folder `place`."""
    progress = Progress(what, max(1, announced.size // 1_000_000), "MB")
    over = threading.Event()

    def report() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(OSError):  # a file was renamed meanwhile
                arrived = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
                progress.advance(min(arrived // 1_000_000, progress.total - 1) - progress.done)

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
