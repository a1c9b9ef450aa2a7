"""A process that counts what it does to files, and may be told to end its whole group at one of these acts.

Python announces every opening, renaming and removing of a file to audit hooks before it happens. Each act
below a folder adds a byte to a file, which all processes of a run share; at the given length the group is
killed, at once or a little later, in the midst of what follows.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

ROOT, COUNT, AT, DELAY = "GTP_WITNESS_ROOT", "GTP_WITNESS_COUNT", "GTP_WITNESS_AT", "GTP_WITNESS_DELAY"
"""Variables of the environment: folder, file of bytes, act to end at (0: none), seconds after it."""
UNWATCHED = "/.inductor/"
"""The compiler's cache has thousands of files."""
ACTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}


def watch() -> None:
    """Begin to count, as the environment says; it is taken over by processes that this one starts."""
    root = os.environ[ROOT] + os.sep
    at, delay = int(os.environ[AT]), float(os.environ[DELAY])
    count = os.open(os.environ[COUNT], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def hear(event: str, arguments: tuple) -> None:
        if event in ACTS or (event == "open" and is_writing(arguments[2])):
            path = arguments[0]
            if isinstance(path, str | bytes | os.PathLike) and is_below(root, path):
                os.write(count, b".")
                if at and os.fstat(count).st_size >= at:
                    end_group(delay)

    sys.addaudithook(hear)


def is_writing(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def is_below(root: str, path: str | bytes | os.PathLike) -> bool:
    full = os.path.abspath(os.fsdecode(path))
    return full.startswith(root) and UNWATCHED not in full


def end_group(delay: float) -> None:
    """SIGKILL for the whole group of the session's first process; a thread waits where there is a delay."""

    def end() -> None:
        time.sleep(delay)
        os.killpg(os.getsid(0), signal.SIGKILL)

    if delay:
        threading.Thread(target=end, daemon=True).start()
    else:
        end()


def environment(root: Path, count: Path, at: int = 0, delay: float = 0.0) -> dict[str, str]:
    """The variables for `watch`."""
    return {ROOT: str(root), COUNT: str(count), AT: str(at), DELAY: repr(delay)}
