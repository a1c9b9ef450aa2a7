"""Convert one of D4RL's own HDF5 files to a local Minari dataset: whole with its card, or not at all."""

import os
import shutil
from pathlib import Path

import gymnasium as gym

from gtp.data.generate.build import find_difference
from gtp.data.sources.d4rl_file import D4RLFile, open_d4rl
from gtp.data.sources.d4rl_tasks import URLS, D4RLTask, find_task
from gtp.data.sources.download import DownloadError, download
from gtp.data.store.card import (
    checksums,
    describe_episodes,
    find_damage,
    installed_versions,
    read_card,
    write_card,
)
from gtp.data.store.minari_store import (
    create_dataset,
    dataset_folder,
    install_dataset,
    open_dataset,
    read_episodes,
    sole_builder,
)
from gtp.envs.make import make_maze_simulator, make_simulator
from gtp.envs.mazes import find_maze
from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.progress import Progress, say

VERSION = 1
"""Of the conversion: raised whenever the same file would give other data."""
NOTICE = "D4RL's own data; see `d4rl` for what the conversion left out."
REMADE = {"version", "file_sha256"}  # of a recipe: what makes it the same dataset, at another time


def fetch_d4rl(
    d4rl_id: str, root: Path, *, source: str | None = None, sha256: str | None = None, command: str = ""
) -> dict:
    """Install D4RL's dataset `d4rl_id` as the Minari dataset d4rl/<d4rl_id> under `root`; returns its card.

    `source` is the path or URL of the HDF5 file; by default it is looked for where D4RL keeps it
    (D4RL_DATASET_DIR, or ~/.d4rl/datasets), then downloaded from D4RL's server. `sha256` is the checksum
    that the file must have. `command` is what the user typed, for the card.
    The dataset appears with its card, complete, or not at all. One that is there already is kept when its
    checksums hold and it was made from the same file; it is made again when not, and when another version
    of this conversion made it. Where the file would have to be downloaded to compare it, the card's word
    is taken unless `sha256` contradicts it. Of an interrupted download the next call takes up the part that
    was received; a downloaded file is removed when the dataset is installed.

    Raises: UserError when the id is unknown, the file is missing, cannot be downloaded, has another
    checksum or is not as D4RL's (gtp.data.sources.d4rl_file), when the place holds other data, or the root
    cannot be written.
    """
    task, root = find_task(d4rl_id), Path(root).resolve()
    sha256 = check_sha256(sha256)
    file, url = find_file(task, source)
    dataset_id = f"d4rl/{d4rl_id}"
    with sole_builder(dataset_id, root) as staging:
        found = sha256 if file is None else checked_sha256(file, sha256)
        recipe = {"name": "d4rl", "version": VERSION, "id": d4rl_id, "file_sha256": found}
        card = intact_card(recipe, dataset_folder(dataset_id, root))
        if card is not None:
            return card
        about = {
            "dataset_id": dataset_id,
            "source": "d4rl",
            "notice": NOTICE,
            "command": command or f"gtp dataset fetch d4rl --id {d4rl_id} --root {root}",
        }
        origin = {"file": str(file), "url": None}
        # Beside `staging`, which the next builder empties.
        place = staging.with_name(f"{staging.name}.download")
        if file is None:
            file = place / f"{task.id}.hdf5"
            recipe["file_sha256"] = fetch_file(task, url, file, sha256, default=source is None)
            origin = {"file": None, "url": url}
        try:
            card = convert(file, task, about | {"recipe": recipe}, origin, staging, root)
        except UserError:  # a file that was refused must not stand in the way of a better one
            shutil.rmtree(place, ignore_errors=True)
            raise
        shutil.rmtree(place, ignore_errors=True)
    say(f"{dataset_id}: {card['episodes']} episodes, {card['steps']} steps installed in {root}")
    return card


def check_sha256(sha256: str | None) -> str | None:
    """A checksum in lower case. Raises UserError when it cannot be one."""
    if sha256 is None:
        return None
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        raise UserError(f"bad sha256 {sha256!r}; give the 64 hexadecimal digits that sha256sum prints")
    return sha256.lower()


def d4rl_folder() -> Path:
    """Where D4RL keeps its files."""
    return Path(os.environ.get("D4RL_DATASET_DIR") or "~/.d4rl/datasets").expanduser()


def find_file(task: D4RLTask, source: str | None) -> tuple[Path | None, str | None]:
    """The file, or else the URL to download it from. Raises UserError when there is neither."""
    if source is not None and str(source).lower().startswith(("http://", "https://")):
        return None, str(source)
    if source is not None:
        path = Path(source).expanduser()
        if not path.is_file():
            raise UserError(f"there is no file {path}; give the path or URL of D4RL's file of {task.id}")
        return path, None
    if task.url is None:
        raise UserError(
            f"D4RL's file of {task.id} is not known; give its path or URL, or use one of"
            f" {', '.join(sorted(URLS))}"
        )
    path = d4rl_folder() / task.file_name
    return (path, None) if path.is_file() else (None, task.url)


def checked_sha256(file: Path, sha256: str | None) -> str:
    """The checksum of a file. Raises UserError when it cannot be read or is not the one asked for."""
    try:
        found = sha256_of(file)
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror or error}; choose a file that you may read"
        ) from error
    if sha256 not in (None, found):
        raise UserError(f"{file} has sha256 {found} instead of {sha256}; use the right file or checksum")
    return found


def fetch_file(task: D4RLTask, url: str, file: Path, sha256: str | None, *, default: bool) -> str:
    """Download a task's file and return its checksum. `default` tells that nobody named the URL."""
    try:
        found = download(url, file)
    except DownloadError as error:
        looked = f" and there is no {d4rl_folder() / task.file_name}" if default else ""
        place = f"put the file at {d4rl_folder() / task.file_name}" if task.file_name else "get the file"
        raise UserError(
            f"cannot download {task.id} from {url}: {error}{looked}; {place} or name another with --file,"
            " or use a study with `source: generate`"
        ) from error
    if sha256 not in (None, found):
        shutil.rmtree(file.parent)
        raise UserError(
            f"the file from {url} has sha256 {found} instead of {sha256} and was removed; run the same"
            " command again, or correct the checksum"
        )
    return found


def intact_card(recipe: dict, folder: Path) -> dict | None:
    """The card of an intact dataset of this recipe; None when it is to be made.

    A recipe whose file_sha256 is None is one of whatever file.
    Raises: UserError when the place holds data of another source.
    """
    card = read_card(folder)
    if card is None:
        if (folder / "data").exists():
            say(f"{folder} has no card: converting the file again")
        return None
    differing = find_difference(card["recipe"], recipe)
    if differing - REMADE:
        raise UserError(f"{folder} holds data of another source; delete the folder")
    if recipe["file_sha256"] is None:
        differing = differing - {"file_sha256"}
    if "version" in differing:
        problem = f"{folder} was made by another version of the conversion"
    elif differing:
        problem = f"{folder} was made from another file"
    else:
        problem = find_damage(folder, card)
    if problem is None:
        return card
    say(f"{problem}: converting the file again")
    return None


def convert(file: Path, task: D4RLTask, about: dict, origin: dict, staging: Path, root: Path) -> dict:
    """Convert a file and install the dataset; returns its card."""
    dataset_id = about["dataset_id"]
    with open_d4rl(file, task, origin["url"] or str(file)) as data:
        folder = write_dataset(data, dataset_id, staging)
        report = data.report
    described = describe_episodes(read_episodes(open_dataset(dataset_id, staging), staging))
    card = {
        **about,
        "sha256": checksums(folder),
        **described,
        "d4rl": {**origin, **vars(report), "environment": task.environment},
        "versions": installed_versions(),
    }
    write_card(folder, card)
    install_dataset(dataset_id, staging, root)
    return card


def write_dataset(data: D4RLFile, dataset_id: str, staging: Path) -> Path:
    """Write the episodes of an open file under `staging`; returns the dataset's folder."""
    progress = Progress(f"convert {dataset_id}", data.report.rows, "rows")
    episodes = data.episodes(progress.advance)
    first = next(episodes, None)
    if first is None:
        raise data.refuse("it has no step whose successor is known")

    def buffer():
        yield first
        yield from episodes

    return create_dataset(
        staging,
        dataset_id,
        buffer=buffer(),
        env=recording_environment(data.task),
        observation_space=data.observation_space,
        action_space=data.action_space,
        description=NOTICE,
    )


def recording_environment(task: D4RLTask) -> gym.Env:
    """An environment with the observations and dynamics of the one that D4RL recorded in."""
    if task.maze is None:
        return make_simulator(task.environment, max_episode_steps=task.horizon)
    return make_maze_simulator(task.environment, find_maze(task.maze), max_episode_steps=task.horizon)
