"""Build a dataset apart from the others, then install it with its card; an intact one is kept.

One process at a time builds a dataset; others wait for it.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtp.data.store.card import (
    checksums,
    describe_episodes,
    find_change,
    find_damage,
    find_difference,
    installed_versions,
    own_change,
    read_card,
    write_card,
)
from gtp.data.store.minari_store import (
    dataset_folder,
    install_dataset,
    open_dataset,
    read_episodes,
    sole_builder,
)
from gtp.errors import UserError
from gtp.progress import say


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which dataset is wanted, as its card will say."""

    dataset_id: str
    source: str
    """Name of the source (gtp.data.sources)."""
    recipe: dict[str, Any]
    """All that decides the content, as JSON returns it."""
    remade: frozenset[str]
    """Entries of the recipe by which a dataset may differ and be made again; by others it is another one."""
    open: frozenset[str] = frozenset()
    """Entries of the recipe that are not known yet; a dataset that is there may have any."""
    notice: str
    """What a reader of the card must know."""
    command: str
    """What the user typed."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Folders in which a dataset is made.

    They are hidden from Minari and on the disk of its root, so that a rename installs the dataset.
    """

    staging: Path
    """Minari root for this dataset alone, empty, and removed at the end."""
    downloads: Path
    """Kept until the dataset is installed, so that an interrupted download can be taken up; may not exist."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A dataset that is ready to be installed."""

    root: Path
    """The Minari root below which it lies: one of the workshop's folders."""
    entries: dict[str, Any]
    """What its card says of the data, and of their origin where the order does not."""


def build_dataset(order: Order, root: Path, make: Callable[[Workshop], Made]) -> dict:
    """Install what `make` makes under the Minari root `root`; returns its card.

    A dataset that is there already is kept when its card has the same recipe and its checksums hold. It is
    made again when they do not, when it has no card, and when it differs in entries that the order names.
    A second process waits for the first.

    Raises: UserError when the id is malformed or belongs to other data, or when the root cannot be written.
    """
    root = Path(root).resolve()
    with sole_builder(order.dataset_id, root) as staging:
        card = intact_card(order, dataset_folder(order.dataset_id, root))
        if card is not None:
            return card
        # Beside `staging`, which the next builder empties.
        workshop = Workshop(staging=staging, downloads=staging.with_name(f"{staging.name}.download"))
        made = make(workshop)
        folder = dataset_folder(order.dataset_id, made.root)
        card = {
            "dataset_id": order.dataset_id,
            "source": order.source,
            "notice": order.notice,
            "recipe": order.recipe,
            "command": order.command,
            "sha256": checksums(folder),
            "versions": installed_versions(),
            **made.entries,
        }
        write_card(folder, card)
        install_dataset(order.dataset_id, made.root, root, replaced=staging / "replaced")
        shutil.rmtree(workshop.downloads, ignore_errors=True)
    say(f"{order.dataset_id}: {card['episodes']} episodes, {card['steps']} steps installed in {root}")
    return card


def intact_card(order: Order, folder: Path) -> dict | None:
    """The card of an intact dataset as ordered; None when it is to be made.

    The card is written last: data without one are half of something, or were put there by hand.
    Raises: UserError when the card is that of other data, or the data were added to since: the additions may
    be nowhere else.
    """
    card = read_card(folder)
    if card is None:
        if (folder / "data").exists():
            say(f"{folder} has no card: making the dataset again")
        return None
    differing = find_difference(card["recipe"], order.recipe) - order.open
    names = ", ".join(sorted(differing - order.remade or differing))
    if differing - order.remade:
        raise UserError(
            f"{folder} holds other data (its recipe differs in {names});"
            " choose another id or move the folder away"
        )
    if differing:
        problem: str | None = f"{folder} is not up to date (its recipe differs in {names})"
    else:
        problem = find_damage(folder, card)
    if problem is None:
        return card
    if (change := find_change(folder, card)) is not None:
        raise UserError(f"{change}; {own_change(folder, card)}")
    say(f"{problem}: making the dataset again")
    return None


def describe_dataset(dataset_id: str, root: Path) -> dict:
    """What a card says of the episodes of a dataset under the Minari root `root`.

    Raises: UserError when they cannot be read.
    """
    return describe_episodes(read_episodes(open_dataset(dataset_id, root), root))
