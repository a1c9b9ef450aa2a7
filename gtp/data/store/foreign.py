"""What a dataset must not do, whoever made it: looked up before Minari opens it.

Minari makes the environment that metadata name where they state no spaces, which runs any function of any
module, and HDF5 follows links to other files. Neither may happen because of what a file says.
"""

import math
import os
from pathlib import Path
from typing import Any

import h5py

from gtp.files import parse_json, read_json

CHUNK_LIMIT = 64 << 20
"""Bytes of the largest piece that HDF5 may have to unpack at once; those of real data are below 1 MB."""
VALUES_LIMIT = 1 << 24
"""Numbers in one step of a space: more than two images of 1080p."""


class Unsafe(ValueError):
    """A dataset that would run code or read other files; the message says how."""


def check_data(data: Path) -> None:
    """Check the folder data/ of a Minari dataset.

    Raises: Unsafe where opening it could run code or read other files; ValueError when it declares more than
    it holds; whatever json and h5py raise on damaged files.
    """
    metadata = read_json(data / "metadata.json")
    if not isinstance(metadata, dict):
        raise ValueError("its metadata are no mapping")
    for name in ("observation_space", "action_space"):
        if not isinstance(metadata.get(name), str):
            raise Unsafe(
                f"its metadata do not state the {name}, and Minari would make the environment that they name"
                " to learn it, which can run any code"
            )
        check_space(parse_json(metadata[name]))
    if metadata.get("data_format") == "hdf5":
        check_hdf5(data / "main_data.hdf5", metadata.get("total_episodes"))


def check_space(space: Any) -> None:
    """Raises ValueError when a space as Minari writes it declares more values than any memory holds."""
    if not isinstance(space, dict):
        raise ValueError("a space is no mapping")
    parts = space.get("subspaces", ())
    for part in parts.values() if isinstance(parts, dict) else parts:
        check_space(part)
    sizes = [space.get("shape", ()), space.get("n", ()) if space.get("type") == "MultiBinary" else ()]
    for size in sizes:
        numbers = size if isinstance(size, list | tuple) else [size]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError(f"a space has the shape {size}"[:80])
        if math.prod(numbers) > VALUES_LIMIT:
            raise ValueError(f"a space declares {math.prod(numbers):.3g} values")


def check_hdf5(path: Path, episodes: Any) -> None:
    """Check that a file of `episodes` episodes holds all of its data, itself. Raises as `check_data`."""
    size = os.stat(path).st_size
    with h5py.File(path, "r") as file:
        if type(episodes) is not int or not 0 <= episodes <= len(file):
            raise ValueError(f"its metadata declare {str(episodes)[:40]} episodes and it holds {len(file)}")

        def leads_away(name: str, link: object) -> str | None:
            return name if isinstance(link, h5py.ExternalLink) else None

        # What they return ends the search; h5py does not let an exception through.
        def find_problem(name: str, found: object) -> Exception | None:
            if not isinstance(found, h5py.Dataset):
                return None
            if found.is_virtual or found.external:
                return Unsafe(f"'{name}' lies in another file")
            if found.shape is not None and not is_stored(found, size):
                return ValueError(f"'{name}' declares shape {found.shape} without that much data")
            return None

        if (name := file.visititems_links(leads_away)) is not None:
            raise Unsafe(f"'{name}' is a link to another file")
        if (problem := file.visititems(find_problem)) is not None:
            raise problem


def is_stored(column: h5py.Dataset, file_size: int) -> bool:
    """Whether a column has all the data that it declares, in pieces that can be unpacked one at a time."""
    if column.chunks is None:
        return column.nbytes <= min(column.id.get_storage_size(), file_size)
    if math.prod(column.chunks) * column.dtype.itemsize > CHUNK_LIMIT:
        return False
    pieces = math.prod(
        math.ceil(size / chunk) for size, chunk in zip(column.shape, column.chunks, strict=True)
    )
    return column.id.get_num_chunks() == pieces
