"""Ways to damage a file, by its form: functions that change it with the help of a random generator."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gtp.files import write_tensor_file

Damage = Callable[[Path, np.random.Generator], None]
FOREIGN = (
    b"\x89PNG\r\n\x1a\n" + bytes(500),
    b"PK\x03\x04" + bytes(500),
    b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    gzip.compress(bytes(100_000)),
    "Ω≈ç√\x00".encode() * 50,
)
WRONG = ({"x": 1}, [[[]]], 10**30, "x" * 100_000, {"a": {"b": [None]}})
"""Values that no field of any file may have."""


def flip(path: Path, rng: np.random.Generator, mask: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8) if mask is None else mask
    path.write_bytes(content)


def flip_to_no_text(path: Path, rng: np.random.Generator) -> None:
    """For text without a checksum: one digit for another is another sound file."""
    flip(path, rng, 0x80)


def truncate(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: rng.integers(1, path.stat().st_size)])


def cut_a_line(path: Path, rng: np.random.Generator) -> None:
    """Ends within a line; a table that ends after one is another sound table."""
    lines = path.read_bytes().splitlines(keepends=True)
    last = int(rng.integers(len(lines)))
    kept = int(rng.integers(1, max(2, len(lines[last]) - 1)))
    path.write_bytes(b"".join(lines[:last]) + lines[last][:kept])


def empty(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


def foreign(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(FOREIGN[rng.integers(len(FOREIGN))])


def noise(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(int(rng.integers(1, 5000))))


def loop(path: Path, rng: np.random.Generator) -> None:
    path.unlink()
    os.symlink(path.name, path)


def folder(path: Path, rng: np.random.Generator) -> None:
    path.unlink()
    path.mkdir()


def gone(path: Path, rng: np.random.Generator) -> None:
    path.unlink()


def json_bomb(path: Path, rng: np.random.Generator) -> None:
    bombs = ("[" * 10**6, '{"a":' * 10**6, "9" * 10**6, '{"a": ' + "9" * 10**5 + "}", '"' + "x" * 10**7)
    path.write_text(bombs[rng.integers(len(bombs))])


def huge_header(path: Path, rng: np.random.Generator) -> None:
    """A file that declares a header of up to 2^63 bytes."""
    size = 1 << int(rng.integers(20, 63))
    path.write_bytes(size.to_bytes(8, "little") + path.read_bytes()[8:])


def paths_of(value: object, path: tuple = ()) -> Iterator[tuple]:
    """The keys that lead to every value in nested mappings and lists."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from paths_of(item, (*path, key))


def change_a_field(data: object, rng: np.random.Generator, *, remove: bool) -> None:
    """Take one of the fields away, or give it a value that it cannot have."""
    *parents, last = list(paths_of(data))[rng.integers(len(list(paths_of(data))))]
    for key in parents:
        data = data[key]
    if remove:
        del data[last]
    else:
        data[last] = WRONG[rng.integers(len(WRONG))]


def json_without_a_field(path: Path, rng: np.random.Generator) -> None:
    data = json.loads(path.read_text())
    change_a_field(data, rng, remove=True)
    path.write_text(json.dumps(data))


def json_with_a_wrong_field(path: Path, rng: np.random.Generator) -> None:
    data = json.loads(path.read_text())
    change_a_field(data, rng, remove=False)
    path.write_text(json.dumps(data))


def tensors_of(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["header"])


def header_without_a_field(path: Path, rng: np.random.Generator) -> None:
    arrays, header = tensors_of(path)
    change_a_field(header, rng, remove=True)
    path.write_bytes(save(arrays, {"header": json.dumps(header)}))


def header_that_lies(path: Path, rng: np.random.Generator) -> None:
    """A value that no header can have, under a checksum that holds."""
    arrays, header = tensors_of(path)
    del header["content_sha256"]
    change_a_field(header, rng, remove=False)
    write_tensor_file(path, arrays, header)


def tensor_that_lies(path: Path, rng: np.random.Generator) -> None:
    """Another type, shape or name, under a checksum that holds."""
    arrays, header = tensors_of(path)
    del header["content_sha256"]
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    match rng.integers(4):
        case 0:
            arrays[name] = array.astype(np.float16 if array.dtype != np.float16 else np.float32)
        case 1:
            arrays[name] = array[..., None]
        case 2:
            arrays[f"{name}x"] = arrays.pop(name)
        case 3:
            arrays[name] = np.zeros((0, *array.shape), array.dtype)
    write_tensor_file(path, arrays, header)


def header_bomb(path: Path, rng: np.random.Generator) -> None:
    arrays, _ = tensors_of(path)
    bomb = ("[" * 10**6, '{"a":' * 10**5, "9" * 10**5)[rng.integers(3)]
    path.write_bytes(save(arrays, {"header": bomb}))


def any_column(file: h5py.File, rng: np.random.Generator) -> str:
    """The name of one of the columns that readers read."""
    wanted = ("observations", "actions", "rewards", "terminations", "truncations", "terminals")
    names: list[str] = []
    file.visit(lambda name: names.append(name) if name.rpartition("/")[2] in wanted else None)
    return sorted(names)[rng.integers(len(names))]


def declares_more(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "a") as file:
        name = any_column(file, rng)
        tail, dtype = file[name].shape[1:], file[name].dtype
        del file[name]
        rows = 10 ** int(rng.integers(6, 15))
        file.create_dataset(name, (rows, *tail), dtype, chunks=(1000, *tail), maxshape=(None, *tail))


def column_elsewhere(path: Path, rng: np.random.Generator) -> None:
    other = path.with_name("other.hdf5")
    with h5py.File(path, "a") as file:
        name = any_column(file, rng)
        values = file[name][()]
        with h5py.File(other, "w") as second:
            second["secret"] = np.ones_like(values)
        del file[name]
        match rng.integers(3):
            case 0:
                file[name] = h5py.ExternalLink(other.name, "secret")
            case 1:
                layout = h5py.VirtualLayout(values.shape, values.dtype)
                layout[:] = h5py.VirtualSource(str(other), "secret", values.shape)
                file.create_virtual_dataset(name, layout)
            case 2:
                size = values.nbytes
                file.create_dataset(name, values.shape, values.dtype, external=[(str(other), 0, size)])


def column_gone_or_garbled(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "a") as file:
        name = any_column(file, rng)
        del file[name]
        match rng.integers(4):
            case 0:
                file[name] = np.bytes_("text")
            case 1:
                file.create_group(name)
            case 2:
                file[name] = h5py.SoftLink(f"/{name}")


YAML = (
    "{}\nbomb: &a [x, x]\nb: &b [*a, *a]\n",
    "a: &a [*a]\n{}",
    "{}\nmore: !!python/object/apply:os.system ['true']\n",
    "!!python/object/new:os.system ['true']\n",
    "{}\ndeep: " + "[" * 10**5,
    "{}\n? [a, b]\n: c\n",
    "{}\nlong: " + "9" * 10**4,
    "{}\nlong: 0x" + "f" * 10**4,
    "{}\nstudy: again\nstudy: again\n",
    "{}\ndate: 2020-99-99\n",
    "{}\n\t tab: 1\n",
    "- {}\n",
    "{}\nlarge: " + "x" * 10**7,
    "{}\n--- \nsecond: document\n",
    "{}\nsurplus_key: 1\n",
)


def yaml_trick(path: Path, rng: np.random.Generator) -> None:
    path.write_text(YAML[rng.integers(len(YAML))].replace("{}", path.read_text(), 1))


def cell_that_is_none(path: Path, rng: np.random.Generator) -> None:
    """A word, nothing, an infinity or thousands of digits in place of a number."""
    lines = path.read_text().splitlines()
    row = int(rng.integers(1, len(lines)))
    cells = lines[row].split(",")
    numbers = [place for place, cell in enumerate(cells) if cell.replace(".", "").isdigit()]
    nothing = ("x", "inf", "nan", "9" * 5000, "1e999", "0x1")
    cells[numbers[rng.integers(len(numbers))]] = nothing[rng.integers(len(nothing))]
    lines[row] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


def column_that_is_none(path: Path, rng: np.random.Generator) -> None:
    lines = path.read_text().splitlines()
    names = lines[0].split(",")
    names[rng.integers(len(names))] = ("", "x", names[0])[rng.integers(3)]
    path.write_text("\n".join([",".join(names), *lines[1:]]) + "\n")


ANYWHERE = (empty, foreign, noise, loop, folder, gone)
OF_FORM = {
    "tensors": (
        *(truncate, huge_header, header_bomb, json_bomb),
        *(header_without_a_field, header_that_lies, tensor_that_lies) * 3,
    ),
    "json": (truncate, json_bomb),
    "hdf5": (truncate, *(declares_more, column_elsewhere, column_gone_or_garbled) * 2),
    "csv": (cut_a_line, *(cell_that_is_none, column_that_is_none) * 3),
    "yaml": (*(yaml_trick,) * 6,),
}


def damages_of(form: str, *, has_checksum: bool) -> list[Damage]:
    """The damages of one round, in order; with a checksum also any flipped bit, and any field gone."""
    if has_checksum:
        changes = (flip,) * 6 + (
            (json_without_a_field, json_with_a_wrong_field) * 2 if form == "json" else ()
        )
    else:
        changes = (flip_to_no_text,) * 3 if form in ("csv", "yaml", "json") else ()
        changes += (json_with_a_wrong_field,) * 3 if form == "json" else ()
    return [*changes, *OF_FORM[form], *ANYWHERE]
