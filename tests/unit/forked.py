"""Calls in a process of their own: under limits that this one must not have, and with what they print."""

import os
import resource
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from gtp.errors import UserError


class Ended(NamedTuple):
    """How a process ended: its status, -11 after a segmentation fault say, and the lines it printed."""

    status: int
    lines: list[str]


def forked(call: Callable[[], object], *, file_size: int | None = None) -> Ended:
    """Run a call in a copy of this process, where no file may grow beyond `file_size` bytes.

    The copy ends as the command line does: status 2 and one line for a UserError.
    """
    with tempfile.TemporaryFile() as printed:  # not this process's, which is limited
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.dup2(printed.fileno(), 1)
                os.dup2(printed.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                if file_size is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
                status = ending(call)
            finally:
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        printed.seek(0)
        return Ended(status, printed.read().decode(errors="replace").splitlines())


def ending(call: Callable[[], object]) -> int:
    """Status of a program that makes a call."""
    try:
        call()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
