"""What the user typed, for the records that verbs write."""

import shlex
import sys


def command_line() -> str:
    """The command, with the program's public name."""
    return shlex.join(["gtp", *sys.argv[1:]])
