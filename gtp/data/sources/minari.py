"""Datasets of the Minari collection: the user's own copy, or a download through Minari's client."""

import contextlib
import errno
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import minari
import numpy as np
from gymnasium import spaces
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from minari.namespace import create_namespace
from minari.storage.remotes import DEFAULT_REMOTE
from minari.storage.remotes.huggingface import HuggingFaceStorage

from gtp.data.sources import COMBINED, FromMinari, expand_home, how_to_replace
from gtp.data.store.build import Made, Order, Workshop, build_dataset
from gtp.data.store.card import describe_episodes, read_card, verify_card
from gtp.data.store.minari_store import dataset_folder, minari_root, open_dataset, read_episodes
from gtp.data.store.room import guarded
from gtp.data.store.trouble import find_foreign_layout, one_line, told_in_one_line
from gtp.errors import UserError, suggest
from gtp.files import require_room
from gtp.progress import say

VERSION = 1
"""Of what an installed dataset and its card consist of; another one is fetched again."""
NOTICE = "From the Minari collection; Minari's data differ from D4RL's of the same name."
REMADE = frozenset({"version", "ids"})

# Megabytes, as Minari's documentation (Basic Usage) and its issue #242 list them.
SIZES = {
    "D4RL/antmaze/umaze-v1": 605.0,
    "D4RL/antmaze/medium-play-v1": 605.2,
    "D4RL/antmaze/medium-diverse-v1": 605.2,
    "D4RL/antmaze/large-play-v1": 605.2,
    "D4RL/antmaze/large-diverse-v1": 605.2,
}
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
TIMEOUT = 30.0
"""Seconds until a hub that does not answer counts as unreachable."""


def fetch(dataset: FromMinari, dataset_id: str, root: Path, *, command: str = "") -> dict:
    """Install a dataset of the Minari collection under the Minari root `root`; returns its card.

    With one id `dataset_id` is that id. With several it begins with combined/ and names what Minari's
    `combine_datasets` makes of them, in their order; each of them is installed as well.
    A copy in the user's own Minari folder (MINARI_DATASETS_PATH, or ~/.minari/datasets) is used and left as
    it is; otherwise the organisation on the Hugging Face hub that MINARI_REMOTE names is asked (the default
    is hf://farama-minari). A dataset that is there is kept or made again as `build_dataset` says. Of an
    interrupted download the files that were finished are kept for the next call.
    `command` is what the user typed, for the card.

    Raises: UserError when an id is malformed or unknown to the hub, the hub cannot be reached, a file arrives
    damaged, the data cannot be read, the datasets do not fit together, the place holds other data, or the
    root cannot be written.
    """
    ids, root = dataset.ids, Path(root).resolve()
    check_ids(ids, dataset_id, root)

    def make(workshop: Workshop) -> Made:
        if len(ids) > 1:
            return combine(ids, dataset_id, workshop, root)
        own, folder = find_own_copy(dataset_id, root), dataset_folder(dataset_id, root)
        if own is not None:
            size = folder_bytes(dataset_folder(dataset_id, own))
            require_room(workshop.staging, size, f"dataset {dataset_id}")
            with report_unusable(own):
                return copy(dataset_id, own, workshop)
        if not FromMinari.obtainable(dataset_id) and read_card(folder) is not None:
            verify_card(folder)
        return download(dataset_id, workshop)

    order = Order(
        dataset_id=dataset_id,
        source=FromMinari.name,
        recipe={"name": FromMinari.name, "version": VERSION, "ids": list(ids)},
        remade=REMADE,
        notice=NOTICE,
        command=command or " && ".join(f"minari download {id}" for id in ids),
    )
    return build_dataset(order, root, make)


def check_ids(ids: Sequence[str], dataset_id: str, root: Path) -> None:
    """Raises UserError unless the ids are well formed and `dataset_id` can name what is made of them."""
    for name in (*ids, dataset_id):
        dataset_folder(name, root)
    if len(set(ids)) < len(ids):
        raise UserError(f"the ids {list(ids)} must be different ones")
    if len(ids) == 1 and dataset_id != ids[0]:
        raise UserError(f"one dataset keeps its id; use {ids[0]!r} instead of {dataset_id!r}")
    if len(ids) > 1 and not dataset_id.startswith(COMBINED):
        raise UserError(f"bad dataset id {dataset_id!r}; the ids of combined data begin with {COMBINED!r}")


def own_root() -> Path:
    """The user's own Minari folder; unlike Minari's function this does not create it."""
    return expand_home(os.environ.get("MINARI_DATASETS_PATH") or "~/.minari/datasets").resolve()


def find_own_copy(dataset_id: str, root: Path) -> Path | None:
    """The Minari root that holds a copy which the user put there, if any; `root` itself comes first.

    Raises: UserError when a folder on the way may not be read.
    """
    for place in (root, own_root()):
        folder = dataset_folder(dataset_id, place)
        # Under `root` a dataset with a card is one of ours, and damaged: else it would have been kept.
        ours = place == root and read_card(folder) is not None
        with told_in_one_line(dataset_id, folder, place):
            found = (folder / "data" / "metadata.json").exists() or find_foreign_layout(folder) is not None
        if found and not ours:
            return place
    return None


@contextlib.contextmanager
def report_unusable(own: Path) -> Iterator[None]:
    """Say what is wrong with a copy that the user has instead of failing."""
    try:
        yield
    except UserError as error:
        say(f"the copy in {own} is not used: {error}")


def copy(dataset_id: str, own: Path, workshop: Workshop) -> Made:
    """A copy of a dataset in the Minari root `own`, which stays as it is."""
    described = describe(dataset_id, own)
    folder = dataset_folder(dataset_id, workshop.staging)
    shutil.copytree(dataset_folder(dataset_id, own) / "data", folder / "data")
    return Made(root=workshop.staging, entries={"remote": None, **described})


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def combine(ids: Sequence[str], dataset_id: str, workshop: Workshop, root: Path) -> Made:
    """Fetch datasets and put them together.

    Minari keeps every episode, in order, the environment's specification and the authors; it drops the
    reference scores, which are restored here where the parts agree on them.
    """
    parts = {part: fetch(FromMinari(ids=(part,)), part, root) for part in ids}
    datasets = [open_dataset(part, root) for part in ids]
    for other in datasets[1:]:
        for what in ("observation_space", "action_space"):
            one, another = getattr(datasets[0], what), getattr(other, what)
            if one != another:
                raise UserError(
                    f"{ids[0]} and {other.id} cannot be combined: {what} {one} differs from {another}"
                )
    size = sum(map(folder_bytes, (dataset_folder(part, root) for part in ids)))
    with (
        minari_root(workshop.staging),
        warnings.catch_warnings(),
        guarded(dataset_id, workshop.staging, size),
    ):
        warnings.simplefilter("ignore", UserWarning)  # about metadata in which the parts differ
        create_namespace(dataset_id.rpartition("/")[0])
        try:
            combined = minari.combine_datasets(datasets, dataset_id)
        except (ValueError, AssertionError, TypeError) as error:
            raise UserError(f"{' and '.join(ids)} cannot be combined: {one_line(error)}") from error
    scores = [part["reference_scores"] for part in parts.values()]
    if scores[0] is not None and all(score == scores[0] for score in scores):
        combined.storage.update_metadata(
            {"ref_min_score": scores[0]["min"], "ref_max_score": scores[0]["max"]}
        )
    sources = {part: {key: card[key] for key in ("sha256", "remote")} for part, card in parts.items()}
    described = describe(dataset_id, workshop.staging)
    return Made(root=workshop.staging, entries={"remote": None, "parts": sources, **described})


def download(dataset_id: str, workshop: Workshop) -> Made:
    """Download a dataset, but for those of its files that an interrupted download has finished.

    Raises: UserError as for `fetch`.
    """
    place = workshop.downloads
    with one_line_network_error(dataset_id):
        organisation = remote_organisation()
        storage = HuggingFaceStorage(organisation)
        remote = find_remote(dataset_id, organisation, storage)
        size = sum(file.size for file in remote.files.values())
        say(f"downloading {dataset_id} from hf://{organisation}: {size / 1e6:.1f} MB")
        place.mkdir(parents=True, exist_ok=True)
        largest = max(file.size for file in remote.files.values())
        require_room(place, size - folder_bytes(place), f"dataset {dataset_id}", largest=largest)
        # A killed client leaves unfinished files under random names that it never looks at again.
        for unfinished in place.rglob("*.incomplete"):
            unfinished.unlink()
        storage.download_dataset(dataset_id, place)
        check_download(dataset_id, place, remote)
    described = describe(dataset_id, place)
    return Made(root=place, entries={"remote": remote.describe(), **described})


@dataclass(frozen=True)
class Remote:
    """A dataset on the Hugging Face hub: the folder of a repository at one commit."""

    organisation: str
    repository: str
    folder: str
    """Ends in / unless it is the whole repository."""
    revision: str | None
    files: dict[str, RepoFile]
    """By their path in the repository."""

    def describe(self) -> dict:
        """Where the download came from, for its card: LFS files have a SHA-256, others git's digest."""
        files = {
            path.removeprefix(self.folder): (
                {"sha256": file.lfs.sha256} if file.lfs else {"git-sha1": file.blob_id}
            )
            for path, file in sorted(self.files.items())
        }
        return {"url": f"hf://{self.organisation}", "revision": self.revision, "files": files}


def remote_organisation() -> str:
    """The organisation on the hub that is asked. Raises UserError when MINARI_REMOTE is malformed."""
    remote = os.environ.get("MINARI_REMOTE", DEFAULT_REMOTE)
    kind, separator, name = remote.partition("://")
    if kind != "hf" or not separator or not name:
        raise UserError(f"MINARI_REMOTE is {remote!r}; use hf://<organisation>")
    return name


def find_remote(dataset_id: str, organisation: str, storage: HuggingFaceStorage) -> Remote:
    """What the hub holds under an id.

    Raises: UserError with the nearest id when there is no such dataset; whatever the client raises when the
    hub cannot be reached.
    """
    repository, _, folder = dataset_id.partition("/")
    api, name = HfApi(), f"{organisation}/{repository}"
    try:
        revision = api.dataset_info(name, timeout=TIMEOUT).sha
        tree = api.list_repo_tree(
            name, folder or None, recursive=True, revision=revision, repo_type="dataset"
        )
        files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    except (RepositoryNotFoundError, EntryNotFoundError):
        files = {}
    folder += "/" * bool(folder)
    if f"{folder}data/metadata.json" not in files:
        advice = suggest(dataset_id, storage.list_datasets(), "`minari list remote`")
        raise UserError(f"there is no dataset {dataset_id!r} on hf://{organisation}; {advice}")
    return Remote(organisation, repository, folder, revision, files)


def check_download(dataset_id: str, place: Path, remote: Remote) -> None:
    """Compare a dataset downloaded into the Minari root `place` with the hub's checksums.

    The client itself compares sizes at best. A file that differs is removed, so that the next download
    fetches it anew; so is one that the hub does not have, which an earlier revision left behind.
    Raises: UserError naming the first file that is missing or differs.
    """
    local = place / remote.repository
    found = HfApi().verify_repo_checksums(
        f"{remote.organisation}/{remote.repository}",
        repo_type="dataset",
        revision=remote.revision,
        local_dir=local,
    )
    for path in found.extra_paths:
        (local / path).unlink()
    again = "run the same command again"
    for path in sorted(set(found.missing_paths) & remote.files.keys()):
        raise UserError(f"{path} of {dataset_id} did not arrive from hf://{remote.organisation}; {again}")
    for wrong in found.mismatches:
        (local / wrong["path"]).unlink()
    for wrong in found.mismatches:
        raise UserError(
            f"{wrong['path'].removeprefix(remote.folder)} of {dataset_id} arrived damaged from"
            f" hf://{remote.organisation} (its {wrong['algorithm']} is not the announced"
            f" {wrong['expected'][:12]}…) and was removed; {again}"
        )


@contextlib.contextmanager
def one_line_network_error(dataset_id: str) -> Iterator[None]:
    """Turn what the client raises into one line with the size of the dataset and what else can be done."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of any of the network libraries below Minari
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        size = f"{SIZES[dataset_id]:.0f} MB" if dataset_id in SIZES else "size unknown"
        if FromMinari.obtainable(dataset_id):
            advice = (
                f"where there is a network run `minari download {dataset_id}` and copy its folder to"
                f" {own_root() / dataset_id}"
            )
        else:
            advice = f"if the data are your own, put their folder at {own_root() / dataset_id}"
        raise UserError(
            f"cannot download {dataset_id} ({size}) from hf://{remote_organisation()}: {one_line(error)};"
            f" {advice}, or choose a dataset with `source: generate`"
        ) from error


def describe(dataset_id: str, root: Path) -> dict:
    """What a card says of the data of a dataset under the Minari root `root`.

    Raises: UserError when they cannot be read, do not fit into memory, or are not vectors of numbers.
    """
    try:
        return _describe(dataset_id, root)
    except MemoryError as error:
        raise UserError(
            f"dataset {dataset_id} in {root} does not fit into memory; free memory or use a smaller dataset"
        ) from error


def _describe(dataset_id: str, root: Path) -> dict:
    dataset = open_dataset(dataset_id, root)
    if dataset.id != dataset_id:
        raise UserError(f"{dataset_folder(dataset_id, root)} holds {dataset.id}; move the folder there")
    if not isinstance(dataset.action_space, spaces.Box):
        raise UserError(
            f"dataset {dataset_id} has actions {dataset.action_space}; only vectors of numbers are supported"
        )
    metadata = dataset.storage.metadata
    try:
        described = describe_episodes(read_episodes(dataset, root))
        scores = reference_scores(metadata)
        if not np.isfinite([described["episode_return"]["mean"], *np.ravel(described["action_range"])]).all():
            raise ValueError("it contains NaN or infinite values")
    except (TypeError, ValueError, IndexError) as error:
        folder = dataset_folder(dataset_id, root)
        raise UserError(
            f"dataset {dataset_id} in {root} is damaged ({one_line(error)});"
            f" {how_to_replace(dataset_id, folder, root)}"
        ) from error
    return {
        **described,
        "reference_scores": scores,
        "minari": {
            "environment": dataset.env_spec.id if dataset.env_spec is not None else None,
            "authors": sorted(map(str, metadata.get("author", ()))),
            **{key: metadata.get(key) for key in ("algorithm_name", "code_permalink", "data_format")},
            "minari_version": metadata["minari_version"],
        },
    }


def reference_scores(metadata: dict) -> dict | None:
    """The scores of a random policy and of an expert that Minari normalises returns with; None if absent.

    Units: episode returns in the dataset's evaluation environment, each the mean of `episodes` episodes.
    """
    low, high = metadata.get("ref_min_score"), metadata.get("ref_max_score")
    if low is None or high is None:
        return None
    if not np.isfinite([float(low), float(high)]).all():
        raise ValueError("its reference scores are not numbers")
    return {
        "min": float(low),
        "max": float(high),
        "unit": "episode return in Minari's evaluation environment",
        "episodes": metadata.get("num_episodes_average_score"),
    }
