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
    """Check that a file of `episodes` episodes holds all of its data, itself. Raises as `check_data`.

    By h5py's identifiers: its objects would take most of the time that data of short episodes take to read.
    """
    size = os.stat(path).st_size
    with h5py.File(path, "r") as file:
        if type(episodes) is not int or not 0 <= episodes <= len(file):
            raise ValueError(f"its metadata declare {str(episodes)[:40]} episodes and it holds {len(file)}")

        # What they return ends the search; h5py does not let an exception through.
        def leads_away(name: bytes, link: h5py.h5l.LinkInfo) -> Exception | None:
            if link.type != h5py.h5l.TYPE_EXTERNAL:
                return None
            return Unsafe(f"'{os.fsdecode(name)}' is a link to another file")

        def lacks_data(name: bytes, found: h5py.h5o.ObjInfo) -> Exception | None:
            if found.type != h5py.h5o.TYPE_DATASET:
                return None
            return find_problem(h5py.h5d.open(file.id, name), os.fsdecode(name), size)

        problem = file.id.links.visit(leads_away, info=True) or h5py.h5o.visit(file.id, lacks_data, info=True)
        if problem is not None:
            raise problem


def find_problem(column: h5py.h5d.DatasetID, name: str, file_size: int) -> Exception | None:
    """What is wrong with a column, if anything."""
    properties = column.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        return Unsafe(f"'{name}' lies in another file")
    if column.get_space().get_simple_extent_type() != h5py.h5s.NULL and not is_stored(column, file_size):
        return ValueError(f"'{name}' declares shape {column.shape} without that much data")
    return None


def is_stored(column: h5py.h5d.DatasetID, file_size: int) -> bool:
    """Whether a column has all the data that it declares, in pieces that can be unpacked one at a time."""
    properties, item = column.get_create_plist(), column.get_type().get_size()
    if properties.get_layout() != h5py.h5d.CHUNKED:
        return math.prod(column.shape) * item <= min(column.get_storage_size(), file_size)
    chunk = properties.get_chunk()
    if math.prod(chunk) * item > CHUNK_LIMIT:
        return False
    pieces = math.prod(math.ceil(length / step) for length, step in zip(column.shape, chunk, strict=True))
    return column.get_num_chunks() == pieces
