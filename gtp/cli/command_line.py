"""What verbs share: the words that the user typed, and rows that go to a file or to the screen."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gtp.schema import write_rows


def command_line() -> str:
    """The command, with the program's public name."""
    return shlex.join(["gtp", *sys.argv[1:]])


def write_or_print(output: Path | None, kind: type, rows: Sequence[Any]) -> None:
    """Rows of a dataclass as a CSV or, without a file, a line of JSON each on stdout."""
    if output:
        write_rows(output, kind, rows)
    else:
        for row in rows:
            print(json.dumps(asdict(row)))
