"""Dataclass fields as the words of a command line."""

from collections.abc import Mapping
from typing import Any


def flags(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Words that set fields on the command line of gtp: {"steps": 5}, "train." -> ["--train.steps", "5"].

    None and empty lists are left to the command's defaults.
    """
    words: list[str] = []
    for name, value in values.items():
        items = flatten(value)
        if items and value is not None:
            words += [f"--{prefix}{name}", *map(str, items)]
    return words


def flatten(value: Any) -> list:
    """The single values of nested lists, in order; the command line knows the shape."""
    return [item for part in value for item in flatten(part)] if isinstance(value, (list, tuple)) else [value]
