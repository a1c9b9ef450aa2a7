"""Convert one of D4RL's own HDF5 files to a local Minari dataset."""

import os
import shutil
from pathlib import Path

import gymnasium as gym

from gtp.data.sources import FromD4RL, expand_home
from gtp.data.sources.d4rl_file import D4RLFile, open_d4rl
from gtp.data.sources.d4rl_tasks import URLS, D4RLTask, find_task
from gtp.data.sources.download import DownloadError, download
from gtp.data.store.build import Made, Order, Workshop, build_dataset, describe_dataset
from gtp.data.store.minari_store import create_dataset
from gtp.envs.make import make_maze_simulator, make_simulator
from gtp.envs.mazes import find_maze
from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.progress import Progress, say

VERSION = 1
"""Of the conversion: raised whenever the same file would give other data."""
NOTICE = "D4RL's own data; see `d4rl` for what the conversion left out."
REMADE = frozenset({"version", "file_sha256", "clip_actions"})


def fetch(dataset: FromD4RL, dataset_id: str, root: Path, *, command: str = "") -> dict:
    """Install one of D4RL's datasets as the Minari dataset `dataset_id` under `root`; returns its card.

    Without `dataset.file` the file is looked for where D4RL keeps it (D4RL_DATASET_DIR, or
    ~/.d4rl/datasets), then downloaded from D4RL's server. `command` is what the user typed, for the card.
    A dataset that is there is kept or made again as `build_dataset` says; another file and another version of
    this conversion make it again. Where the file would have to be downloaded to compare it, the card's word
    is taken unless `dataset.sha256` contradicts it. Of an interrupted download the next call takes up the
    part that was received; a downloaded file is removed when the dataset is installed.

    Raises: UserError when the id is unknown, the file is missing, cannot be downloaded, has another
    checksum or is not as D4RL's (gtp.data.sources.d4rl_file), when the place holds other data, or the root
    cannot be written.
    """
    task, sha256 = find_task(dataset.id), check_sha256(dataset.sha256)
    file, url = find_file(task, dataset.file)
    found = sha256 if file is None else checked_sha256(file, sha256)
    recipe = {"name": FromD4RL.name, "version": VERSION, "id": task.id, "file_sha256": found}
    if dataset.clip_actions:  # not said otherwise, as on the cards of older data
        recipe["clip_actions"] = True

    def make(workshop: Workshop) -> Made:
        if file is not None:
            origin = {"file": str(file), "url": None}
            return convert(file, task, dataset_id, workshop, origin, dataset.clip_actions)
        assert url is not None  # find_file has one of the two
        downloaded = workshop.downloads / f"{task.id}.hdf5"
        received = fetch_file(task, url, downloaded, sha256, default=dataset.file is None)
        try:
            origin = {"file": None, "url": url}
            made = convert(downloaded, task, dataset_id, workshop, origin, dataset.clip_actions)
        except UserError:  # a file that was refused must not stand in the way of a better one
            shutil.rmtree(workshop.downloads, ignore_errors=True)
            raise
        return Made(root=made.root, entries=made.entries | {"recipe": recipe | {"file_sha256": received}})

    order = Order(
        dataset_id=dataset_id,
        source=FromD4RL.name,
        recipe=recipe,
        remade=REMADE,
        open=frozenset({"file_sha256"} if found is None else ()),
        notice=NOTICE,
        command=command or f"gtp dataset fetch d4rl --id {task.id} --root {Path(root).resolve()}",
    )
    return build_dataset(order, root, make)


def check_sha256(sha256: str | None) -> str | None:
    """A checksum in lower case. Raises UserError when it cannot be one."""
    if sha256 is None:
        return None
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        raise UserError(f"bad sha256 {sha256!r}; give the 64 hexadecimal digits that sha256sum prints")
    return sha256.lower()


def d4rl_folder() -> Path:
    """Where D4RL keeps its files."""
    return expand_home(os.environ.get("D4RL_DATASET_DIR") or "~/.d4rl/datasets")


def find_file(task: D4RLTask, source: str | None) -> tuple[Path | None, str | None]:
    """The file, or else the URL to download it from. Raises UserError when there is neither."""
    if source is not None and str(source).lower().startswith(("http://", "https://")):
        return None, str(source)
    if source is not None:
        path = expand_home(source)
        if not path.is_file():
            raise UserError(f"there is no file {path}; give the path or URL of D4RL's file of {task.id}")
        return path, None
    if task.url is None or task.file_name is None:
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
        looked = f" and there is no {d4rl_folder() / task.file_name}" if default and task.file_name else ""
        place = f"put the file at {d4rl_folder() / task.file_name}" if task.file_name else "get the file"
        raise UserError(
            f"cannot download {task.id} from {url}: {error}{looked}; {place} or name another with --file,"
            " or use a study with `source: generate`"
        ) from error
    if sha256 is None:
        say(f"{url} has sha256 {found}, which nothing here confirms; give it as sha256 to compare with it")
    elif sha256 != found:
        shutil.rmtree(file.parent)
        raise UserError(
            f"the file from {url} has sha256 {found} instead of {sha256} and was removed; run the same"
            " command again, or correct the checksum"
        )
    return found


def convert(
    file: Path, task: D4RLTask, dataset_id: str, workshop: Workshop, origin: dict, clip_actions: bool
) -> Made:
    """Write the dataset of a file; `origin` says where that came from."""
    with open_d4rl(file, task, origin["url"] or str(file), clip_actions) as data:
        write_dataset(data, dataset_id, workshop.staging)
        if data.report.clipped_actions:
            say(f"{data.name}: {data.describe_outside()}; clipped to it")
        about = {**origin, **vars(data.report), "environment": task.environment}
    described = describe_dataset(dataset_id, workshop.staging)
    return Made(root=workshop.staging, entries={**described, "d4rl": about})


def write_dataset(data: D4RLFile, dataset_id: str, staging: Path) -> None:
    """Write the episodes of an open file under the Minari root `staging`."""
    progress = Progress(f"convert {dataset_id}", data.report.rows, "rows")
    episodes = data.episodes(progress.advance)
    first = next(episodes, None)
    if first is None:
        raise data.refuse("it has no step whose successor is known")

    def buffer():
        yield first
        yield from episodes

    create_dataset(
        staging,
        dataset_id,
        buffer=buffer(),
        steps=data.report.rows,
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
