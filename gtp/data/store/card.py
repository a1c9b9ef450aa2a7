"""Dataset card: where a dataset comes from, what is in it, and the checksums that prove it unchanged."""

import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from minari import EpisodeData

from gtp.envs.success import succeeded
from gtp.errors import UserError
from gtp.files import sha256_of, write_text

CARD_NAME = "card.json"
PACKAGES = ("gtp", "minari", "gymnasium", "gymnasium-robotics", "mujoco", "numpy")


def data_files(folder: Path) -> list[Path]:
    """The files that hold the data of the Minari dataset in `folder`, sorted by name."""
    return sorted(path for path in (folder / "data").rglob("*") if path.is_file())


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of each data file, by its path below `folder`."""
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in data_files(folder)}


def describe_episodes(episodes: Iterable[EpisodeData]) -> dict:
    """Counts, lengths, returns, success and range of actions of a dataset, ready for JSON.

    Units: rewards and actions are the simulator's. An episode succeeds when info["success"] is ever true;
    without that entry the share is None.
    """
    lengths, returns, successes, lows, highs = [], [], [], [], []
    for episode in episodes:
        lengths.append(len(episode.rewards))
        returns.append(float(np.sum(episode.rewards)))
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


def summarize(values: list[float]) -> dict[str, float]:
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
    """Write `folder`/card.json."""
    write_text(folder / CARD_NAME, json.dumps(card, indent=2, sort_keys=True) + "\n")


def read_card(folder: Path) -> dict | None:
    """The card in `folder`, or None when there is none. Raises UserError when it is not a card."""
    path = folder / CARD_NAME
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as a dataset card; delete {folder} and make it again"
        ) from error
    if not isinstance(card, dict) or not {"dataset_id", "recipe", "sha256"} <= card.keys():
        raise UserError(f"{path} is not a dataset card; delete {folder} and make it again")
    return card


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


def find_difference(card: dict, recipe: dict) -> set[str]:
    """Names of the entries in which two descriptions of a recipe differ."""
    return {name for name in card.keys() | recipe.keys() if card.get(name) != recipe.get(name)}


def verify_card(folder: Path) -> dict:
    """Compare the data in `folder` with the checksums of the card beside them and return the card.

    Raises: UserError when there is no card, or naming the first file that differs.
    """
    card = read_card(folder)
    damage = f"{folder / CARD_NAME} is missing" if card is None else find_damage(folder, card)
    if damage is not None:
        raise UserError(f"{damage}; delete {folder} and make the dataset again")
    return card
