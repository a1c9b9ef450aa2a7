"""The verbs of datasets that others made: `gtp dataset fetch <source>`, one for each source."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from gtp.cli.command_line import command_line
from gtp.data.sources import COMBINED, SOURCES, Source, implementation


def fetch_verb(source: type[Source]) -> Callable[..., None]:
    """The function behind `gtp dataset fetch <source>`; its flags are the fields of the source's dataset."""

    def named(dataset: Annotated[source, tyro.conf.arg(name="")], dataset_id: str, root: Path) -> None:
        implementation(source.name).fetch(dataset, dataset_id, root, command=command_line())

    def unnamed(dataset: Annotated[source, tyro.conf.arg(name="")], root: Path) -> None:
        own_id = dataset.own_id  # type: ignore[attr-defined]
        implementation(source.name).fetch(dataset, own_id, root, command=command_line())

    verb = named if source.takes_id else unnamed
    verb.__doc__ = f"""{source.__doc__}

    Args:
        dataset_id: Minari id of the result: the one id, or a name below {COMBINED} for several.
        root: Minari's root folder.
    """
    return verb


VERBS = {name: fetch_verb(source) for name, source in SOURCES.items() if not source.recorded_here}
