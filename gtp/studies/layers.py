"""Where the settings of a study come from, so that a mistake is told of the place where it was made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Layers:
    """Files and the command line, each with its settings, which are laid over those of the one before."""

    settings: dict[str, Mapping[str, Any]]
    """Name, as messages show it -> what is written there, the lowest layer first."""

    def owner(self, *paths: KeyPath, message: str = "") -> str:
        """Name of the last layer that has a setting at one of the key paths, or at the nearest key above it.

        Checks of several settings together stand at the key above them and begin with their names, so those
        that the `message` names below a path count before that path.
        """
        named = [(*path, *word.split(".")) for path in paths for word in re.findall(r"[a-z_][\w.]*", message)]
        candidates = [
            path for path in named if any(holds(written, path) for written in self.settings.values())
        ]
        candidates = candidates or list(paths)
        while True:
            for name, written in reversed(self.settings.items()):
                if any(holds(written, path) for path in candidates):
                    return name
            candidates = [path[:-1] for path in candidates]


def holds(written: Any, path: KeyPath) -> bool:
    """Whether nested mappings and lists have something at a key path; the empty path is always there."""
    for key in path:
        try:
            written = written[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
