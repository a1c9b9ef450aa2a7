"""Datasets of the Minari collection: the user's own copy, or a download through Minari's client."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import minari
import numpy as np
from gymnasium import spaces
from minari.namespace import create_namespace

from gtp.data.sources.announced import (
    Announced,
    check_download,
    find_announced,
    open_remote,
    quiet_client,
    remote_name,
    watch,
)
from gtp.data.store.card import (
    checksums,
    describe_episodes,
    find_damage,
    installed_versions,
    read_card,
    write_card,
)
from gtp.data.store.minari_store import (
    dataset_folder,
    install_dataset,
    minari_root,
    open_dataset,
    read_episodes,
    sole_builder,
)
from gtp.errors import UserError
from gtp.progress import say

VERSION = 1
"""Of what an installed dataset and its card consist of; another one is fetched again."""
PREFIX = "combined/"
NOTICE = "From the Minari collection; Minari's data differ from D4RL's of the same name."

# Megabytes, as Minari's documentation (Basic Usage) and its issue #242 list them.
SIZES = {
    "D4RL/antmaze/umaze-v1": 605.0,
    "D4RL/antmaze/medium-play-v1": 605.2,
    "D4RL/antmaze/medium-diverse-v1": 605.2,
    "D4RL/antmaze/large-play-v1": 605.2,
    "D4RL/antmaze/large-diverse-v1": 605.2,
}
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def fetch_minari(ids: Sequence[str], dataset_id: str, root: Path, *, command: str = "") -> dict:
    """Install a dataset of the Minari collection under the Minari root `root`; returns its card.

    With one id `dataset_id` is that id. With several it begins with combined/ and names what Minari's
    `combine_datasets` makes of them, in their order; each of them is installed as well.
    A copy in the user's own Minari folder (MINARI_DATASETS_PATH, or ~/.minari/datasets) is used and left as
    it is; otherwise the remote that MINARI_REMOTE names is asked (the default is hf://farama-minari).
    The dataset appears with its card, complete, or not at all. One that is there already is kept when the
    card asks for the same and its checksums hold, and fetched again when not. Of an interrupted download the
    files that were finished are kept for the next call.
    `command` is what the user typed, for the card.

    Raises: UserError when an id is malformed or unknown to the remote, the remote cannot be reached or needs
    a package that is not installed, a file arrives damaged, the data cannot be read, the datasets do not fit
    together, the place holds other data, or the root cannot be written.
    """
    root = Path(root).resolve()
    check_ids(ids, dataset_id, root)
    recipe = {"name": "minari", "version": VERSION, "ids": list(ids)}
    with sole_builder(dataset_id, root) as staging:
        card = intact_card(recipe, dataset_folder(dataset_id, root))
        if card is not None:
            return card
        about = {
            "dataset_id": dataset_id,
            "source": "minari",
            "notice": NOTICE,
            "recipe": recipe,
            "command": command or " && ".join(f"minari download {id}" for id in ids),
        }
        if len(ids) > 1:
            return install_combined(ids, about, staging, root)
        own = find_own_copy(dataset_id, root)
        if own is not None:
            with report_unusable(own):
                return install_copy(own, about, staging, root)
        return install_download(about, staging, root)


def check_ids(ids: Sequence[str], dataset_id: str, root: Path) -> None:
    """Raises UserError unless the ids are well formed and `dataset_id` can name what is made of them."""
    for name in (*ids, dataset_id):
        dataset_folder(name, root)
    if len(set(ids)) < len(ids) or not ids:
        raise UserError(f"the ids {list(ids)} must be different ones, and at least one")
    if len(ids) == 1 and dataset_id != ids[0]:
        raise UserError(f"one dataset keeps its id; use {ids[0]!r} instead of {dataset_id!r}")
    if len(ids) > 1 and not dataset_id.startswith(PREFIX):
        raise UserError(f"bad dataset id {dataset_id!r}; the ids of combined data begin with {PREFIX!r}")


def intact_card(recipe: dict, folder: Path) -> dict | None:
    """The card of an intact dataset of this recipe; None when it must be fetched (again).

    Raises: UserError when the place holds data of another source.
    """
    card = read_card(folder)
    if card is None:
        return None
    if card.get("source") != "minari":
        raise UserError(f"{folder} holds data of another source; choose another id or delete the folder")
    if card["recipe"] != recipe:
        say(f"{folder} was fetched by another version or from other ids: fetching it again")
        return None
    damage = find_damage(folder, card)
    if damage is not None:
        say(f"{damage}: fetching the dataset again")
        return None
    return card


def own_root() -> Path:
    """The user's own Minari folder; unlike Minari's function this does not create it."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or "~/.minari/datasets").expanduser().resolve()


def find_own_copy(dataset_id: str, root: Path) -> Path | None:
    """The Minari root that holds a copy which the user downloaded, if any; it may be `root` itself."""
    for place in (own_root(), root):
        folder = dataset_folder(dataset_id, place)
        # Under `root` a dataset with a card is one of ours, and damaged: else it would have been kept.
        ours = place == root and read_card(folder) is not None
        if (folder / "data" / "metadata.json").exists() and not ours:
            return place
    return None


@contextlib.contextmanager
def report_unusable(own: Path) -> Iterator[None]:
    """Say what is wrong with a copy that the user has instead of failing."""
    try:
        yield
    except UserError as error:
        say(f"the copy in {own} is not used: {error}")


def install_copy(own: Path, about: dict, staging: Path, root: Path) -> dict:
    """Copy a dataset from the Minari root `own`, which stays as it is; returns the card."""
    dataset_id = about["dataset_id"]
    described = describe_dataset(dataset_id, own)
    folder = dataset_folder(dataset_id, staging)
    shutil.copytree(dataset_folder(dataset_id, own) / "data", folder / "data")
    return install(about | {"remote": None} | described, staging, root)


def install_download(about: dict, staging: Path, root: Path) -> dict:
    """Download a dataset and install it; returns the card. Its finished files survive a failure."""
    dataset_id = about["dataset_id"]
    # A Minari root for this dataset alone. It lies beside `staging`, which the next builder empties.
    place = staging.with_name(f"{staging.name}.download")
    announced = download(dataset_id, place)
    described = describe_dataset(dataset_id, place)
    shutil.rmtree(place / "replaced", ignore_errors=True)  # of an installation that was killed
    card = install(about | {"remote": describe_remote(announced)} | described, place, root)
    shutil.rmtree(place)
    say(f"{dataset_id}: {card['episodes']} episodes, {card['steps']} steps installed in {root}")
    return card


def install_combined(ids: Sequence[str], about: dict, staging: Path, root: Path) -> dict:
    """Fetch datasets and install their combination; returns the card.

    Minari keeps every episode, in order, the environment's specification and the authors; it drops the
    reference scores, which are restored here where the parts agree on them.
    """
    dataset_id = about["dataset_id"]
    parts = {part: fetch_minari([part], part, root) for part in ids}
    datasets = [open_dataset(part, root) for part in ids]
    for other in datasets[1:]:
        for what in ("observation_space", "action_space"):
            one, another = getattr(datasets[0], what), getattr(other, what)
            if one != another:
                raise UserError(
                    f"{ids[0]} and {other.id} cannot be combined: {what} {one} differs from {another}"
                )
    with minari_root(staging), quiet_client():
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
    about = about | {"remote": None, "parts": sources}
    return install(about | describe_dataset(dataset_id, staging), staging, root)


def install(card: dict, staging: Path, root: Path) -> dict:
    """Complete a card, write it beside the dataset below `staging` and move both to their place."""
    folder = dataset_folder(card["dataset_id"], staging)
    card = card | {"sha256": checksums(folder), "versions": installed_versions()}
    write_card(folder, card)
    install_dataset(card["dataset_id"], staging, root)
    return card


def download(dataset_id: str, place: Path) -> Announced:
    """Download a dataset into the Minari root `place`; what is there already is not transferred again.

    Raises: UserError as for `fetch_minari`.
    """
    storage = open_remote()
    with one_line_network_error(dataset_id), quiet_client():
        announced = find_announced(dataset_id, storage)
        say(f"downloading {dataset_id} from {announced.remote}: {megabytes(announced.size)}")
        place.mkdir(parents=True, exist_ok=True)
        # A killed client leaves unfinished files under random names that it never looks at again.
        for unfinished in place.rglob("*.incomplete"):
            unfinished.unlink()
        with minari_root(place), watch(place, f"download {dataset_id}", announced):
            # Without force Minari takes the folder of an unfinished download for the dataset.
            minari.download_dataset(dataset_id, force_download=dataset_folder(dataset_id, place).exists())
        check_download(dataset_id, place, announced)
    return announced


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
        raise UserError(
            f"cannot download {dataset_id} ({size}) from {remote_name()}: {one_line(error)}; where there is a"
            f" network run `minari download {dataset_id}` and copy its folder to {own_root() / dataset_id},"
            " or choose a dataset with `source: generate`"
        ) from error


def describe_dataset(dataset_id: str, root: Path) -> dict:
    """What a card says of the data of a dataset under the Minari root `root`.

    Raises: UserError when they cannot be read, do not fit into memory, or are not vectors of numbers.
    """
    try:
        return _describe_dataset(dataset_id, root)
    except MemoryError as error:
        raise UserError(
            f"dataset {dataset_id} in {root} does not fit into memory; free memory or use a smaller dataset"
        ) from error


def _describe_dataset(dataset_id: str, root: Path) -> dict:
    dataset = open_dataset(dataset_id, root)
    if dataset.id != dataset_id:
        raise UserError(f"{dataset_folder(dataset_id, root)} holds {dataset.id}; delete the folder")
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
            f"dataset {dataset_id} in {root} is damaged ({one_line(error)}); delete {folder} and fetch it"
            " again"
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


def describe_remote(announced: Announced) -> dict:
    """Where a download came from, for its card."""
    files = {name: {file.kind: file.digest} for name, file in sorted(announced.files.items())}
    return {"url": announced.remote, "revision": announced.revision, "files": files}


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def one_line(error: Exception) -> str:
    """The message of somebody else's exception, cut to a readable length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
