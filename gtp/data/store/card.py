"""Dataset card: where a dataset comes from, what is in it, and the checksums that prove it unchanged."""

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from minari import EpisodeData

from gtp.data.sources import FromMinari, how_to_replace
from gtp.data.store.foreign import check_data
from gtp.envs.success import succeeded
from gtp.errors import UserError
from gtp.files import read_json, sha256_of, write_text
from gtp.plain import build

CARD_NAME = "card.json"
CHECKSUM = "card_sha256"
"""Entry of a card with the checksum of all others."""
WITHOUT_CARD = "move this one file away and run the command that made the dataset again"
PACKAGES = ("gtp", "minari", "gymnasium", "gymnasium-robotics", "mujoco", "numpy")


@dataclass(frozen=True, kw_only=True)
class Card:
    """The entries of a card that are read again; each source adds its own."""

    dataset_id: str
    recipe: dict[str, Any]
    sha256: dict[str, str]
    """Of each data file, by its path below the dataset's folder."""
    episodes: int = 1
    steps: int = 1
    episode_length: dict[str, float] = field(default_factory=dict)
    episode_return: dict[str, float] = field(default_factory=dict)
    success: float | None = None
    action_range: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self):
        if not self.sha256 or not all(
            re.fullmatch("[0-9a-f]{64}", digest) for digest in self.sha256.values()
        ):
            raise ValueError("sha256 has no checksums")


def data_files(folder: Path) -> list[Path]:
    """The files that hold the data of the Minari dataset in `folder`, sorted by name."""
    return sorted(path for path in (folder / "data").rglob("*") if path.is_file())


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of each data file, by its path below `folder`."""
    try:
        return {path.relative_to(folder).as_posix(): sha256_of(path) for path in data_files(folder)}
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; check its permissions"
        ) from error


def describe_episodes(episodes: Iterable[EpisodeData]) -> dict:
    """Counts, lengths, returns, success and range of actions of a dataset, ready for JSON.

    Units: rewards and actions are the simulator's. An episode succeeds when info["success"] is ever true;
    without that entry the share is None.
    """
    lengths, returns, successes, lows, highs = [], [], [], [], []
    for episode in episodes:
        lengths.append(len(episode.rewards))
        # Sums of float16 end at 65504.
        returns.append(float(np.sum(episode.rewards, dtype=np.float64)))
        lows.append(np.min(episode.actions, axis=0))
        highs.append(np.max(episode.actions, axis=0))
        if episode.infos and "success" in episode.infos:
            successes.append(succeeded(episode.infos["success"]))
    return {
        "episodes": len(lengths),
        "steps": int(np.sum(lengths)),
        "episode_length": summarize(lengths),
        "episode_return": summarize(returns),
        "success": float(np.mean(successes)) if successes else None,
        "action_range": [np.min(lows, axis=0).tolist(), np.max(highs, axis=0).tolist()],
    }


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation, smallest and largest of some numbers."""
    return {name: float(getattr(np, name)(values)) for name in ("mean", "std", "min", "max")}


def installed_versions() -> dict[str, str]:
    """Versions of the packages that shape the data; those that are not installed are left out."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def write_card(folder: Path, card: dict) -> None:
    """Write `folder`/card.json; `card` gets the checksum of its content."""
    card[CHECKSUM] = card_digest(card)
    write_text(folder / CARD_NAME, json.dumps(card, indent=2, sort_keys=True) + "\n")


def read_card(folder: Path) -> dict | None:
    """The card in `folder`, or None when there is none. Raises UserError when it is not a card."""
    path = folder / CARD_NAME
    try:
        card = read_json(path)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise UserError(f"{path}: {error.strerror}; ask its owner for the right to read it") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a dataset card; {WITHOUT_CARD}") from error
    problem = find_card_problem(card)
    if problem is not None:
        raise UserError(f"{path} is not a dataset card ({problem}); {WITHOUT_CARD}")
    return card


def find_card_problem(card: Any) -> str | None:
    """What is wrong with a card, in a few words; None when it is sound and as it was written.

    Cards that were written before they had a checksum of their own have none to compare.
    """
    try:
        known = {field.name for field in fields(Card)}
        build(Card, {name: value for name, value in card.items() if name in known})
    except (ValueError, AttributeError) as error:
        return str(error)[:200]
    if card.get(CHECKSUM, digest := card_digest(card)) != digest:
        return "it has changed since it was written"
    return None


def card_digest(card: dict) -> str:
    """SHA-256 over all of a card but this checksum."""
    content = {name: value for name, value in card.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_damage(folder: Path, card: dict) -> str | None:
    """Which data file in `folder` is missing, new or changed since its card was written, if any."""
    expected, found = card["sha256"], checksums(folder)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{folder / name} is missing"
        if name not in expected:
            return f"{folder / name} is not in the dataset's card"
        if expected[name] != found[name]:
            return f"{folder / name} has changed since its card was written"
    return None


def find_change(folder: Path, card: dict) -> str | None:
    """How sound data in `folder` differ in size from their card, as data do that somebody added to."""
    try:
        check_data(folder / "data")
        found = read_json(folder / "data" / "metadata.json")
        counts = {name: found[f"total_{name}"] for name in ("episodes", "steps")}
    except Exception:  # whatever h5py raises: then it is damage
        return None
    for name, count in counts.items():
        if count != card[name]:
            return f"{folder} has changed since its card was written: {card[name]} {name} then, {count} now"
    return None


def own_change(folder: Path, card: dict) -> str:
    """What to do about data that are not as their card says: nothing that loses them."""
    root = folder.parents[card["dataset_id"].count("/")]
    replace = how_to_replace(card["dataset_id"], folder, root)
    if card.get("source") != FromMinari.name or "parts" in card:  # what is made here is never added to
        return replace
    return (
        f"if the change is yours, move {folder / CARD_NAME} away and fetch the dataset again for a new card;"
        f" otherwise {replace}"
    )


def find_difference(card: dict, recipe: dict) -> set[str]:
    """Names of the entries in which two descriptions of a recipe differ."""
    return {name for name in card.keys() | recipe.keys() if card.get(name) != recipe.get(name)}


def verify_card(folder: Path) -> dict:
    """Compare the data in `folder` with the checksums of the card beside them and return the card.

    Raises: UserError when there is no card, or naming the first file that differs.
    """
    card = read_card(folder)
    if card is None:
        raise UserError(f"{folder / CARD_NAME} is missing; run the command that made the dataset again")
    damage = find_damage(folder, card)
    if damage is not None:
        raise UserError(f"{find_change(folder, card) or damage}; {own_change(folder, card)}")
    return card
