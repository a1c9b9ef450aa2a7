"""Datasets that others made: take them from the user's own Minari folder, or download them.

`python -m gtp.data.fetch --source minari --id D4RL/antmaze/umaze-v1 --root resources/minari`
"""

import argparse
import shutil
import sys
from pathlib import Path

import minari
from minari.storage.datasets_root_dir import get_dataset_path

from gtp.data.card import checksums, describe_episodes, installed_versions, write_card
from gtp.data.dataset import dataset_folder, install_dataset, minari_root, sole_builder
from gtp.errors import UserError


def fetch_dataset(source: str, dataset_id: str, root: Path) -> None:
    """Install a dataset with its card under the Minari root `root`, complete or not at all.

    A copy in the user's own Minari folder is used; without one the dataset is downloaded.
    Raises: UserError when the source is not minari, the download fails, or the data are not HDF5.
    """
    if source != "minari":
        raise UserError(
            f"{dataset_id}: this release does not convert D4RL's own files; in config/tasks.yaml choose tasks"
            " whose dataset has the source generate or minari"
        )
    root = Path(root).resolve()
    own = get_dataset_path(dataset_id)
    with sole_builder(dataset_id, root) as staging:
        folder = dataset_folder(dataset_id, staging)
        if (own / "data" / "main_data.hdf5").exists():
            shutil.copytree(own, folder)
        else:
            download(dataset_id, staging)
        if not (folder / "data" / "main_data.hdf5").exists():
            raise UserError(f"{dataset_id} is not stored as HDF5; convert it with minari, or use other data")
        card = {
            "dataset_id": dataset_id,
            "source": source,
            "notice": "From the Minari collection; Minari's data differ from D4RL's of the same name.",
            "recipe": {"name": "minari", "id": dataset_id},
            "command": f"minari download {dataset_id}",
            "sha256": checksums(folder),
            **describe_episodes(minari.MinariDataset(folder / "data").iterate_episodes()),
            "versions": installed_versions(),
        }
        write_card(folder, card)
        install_dataset(dataset_id, staging, root)


def download(dataset_id: str, root: Path) -> None:
    """`minari download` into `root`. Raises UserError, with what to do instead, when it fails."""
    try:
        with minari_root(root):
            minari.download_dataset(dataset_id)
    except Exception as error:  # of any of the network and storage libraries below Minari
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot download {dataset_id} ({reason}); where there is a network run"
            f" `minari download {dataset_id}`, then copy its folder into ~/.minari/datasets here"
        ) from error


def main() -> None:
    parser = argparse.ArgumentParser(prog="gtp.data.fetch", description=fetch_dataset.__doc__.splitlines()[0])
    parser.add_argument("--source", choices=["minari", "d4rl"], required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        fetch_dataset(arguments.source, arguments.id, arguments.root)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
