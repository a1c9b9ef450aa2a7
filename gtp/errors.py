"""The one exception that a user is meant to see, and the advice at the end of its message.

UserError is for the borders: flags, files, downloads, the configuration with the tasks and names in it, and
a machine that lacks something. A function that is given a bad value raises ValueError or TypeError, and a
border checks such values before the work begins (`told_to_the_user`).
"""

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with status 2. Everything else that
    escapes is a bug and keeps its traceback.
    """


def shorten(value: object, length: int = 60) -> str:
    """A value as messages show it: its repr on one line, cut in the middle where it is long."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # of a whole number of thousands of digits, or of lists in lists
        return f"a very long {type(value).__name__}"
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """End the program with the message of a UserError and status 1: the frame of the workflow's scripts."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Turn a ValueError into a UserError. Only checks belong inside: around work it would hide bugs."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error


@contextmanager
def resuming(kept: Callable[[], bool]) -> Iterator[None]:
    """Let an interrupted program say whether there is a state, as `kept` tells, to go on from."""
    try:
        yield
    except KeyboardInterrupt as error:
        advice = "resumes from the last checkpoint" if kept() else "begins anew: there is no checkpoint yet"
        raise KeyboardInterrupt(f"the same command {advice}") from error


def suggest(name: object, valid: Iterable[str], listing: object = "the documentation") -> str:
    """Advice for a wrong name: the nearest valid one, else all of them, or `listing` where they are many."""
    names = list(valid)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    if not names:
        return "there is none"
    return f"choose one of {', '.join(sorted(names))}" if len(names) <= 10 else f"see {listing}"
