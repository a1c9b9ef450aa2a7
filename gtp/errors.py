"""The one exception that a user is meant to see."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with status 2. Everything else that
    escapes is a bug and keeps its traceback.
    """


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """End the program with the message of a UserError and status 1: the frame of the workflow's scripts."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
