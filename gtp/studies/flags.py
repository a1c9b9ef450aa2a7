"""Dataclass fields as the words of a command line."""

from collections.abc import Iterator, Mapping
from typing import Any


def flags(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Words that set fields on the command line of gtp: {"steps": 5}, "train." -> ["--train.steps", "5"].

    None and empty lists are left to the command's defaults.
    """
    words: list[str] = []
    for name, value in values.items():
        items = list(_flat(value))
        if items:
            words += [f"--{prefix}{name}", *items]
    return words


def _flat(value: Any) -> Iterator[str]:
    """The words of one value; lists in lists, such as cells of a maze, are laid end to end."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield str(value)
