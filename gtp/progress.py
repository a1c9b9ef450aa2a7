"""Progress as plain lines on stderr: readable in a terminal, in a log file and with several jobs at once."""

import sys
import time
from collections.abc import Callable


class Progress:
    """Prints `<what>: 2000/10000 steps (20 %), 85.3 steps/s, 1 min 34 s left` every `interval` seconds."""

    def __init__(self, what: str, total: int, unit: str, *, done: int = 0, interval: float = 10.0):
        self.what, self.total, self.unit, self.interval = what, total, unit, interval
        self.done = done
        self.first: int | None = None  # units done when the clock of the rate started
        self.started = self.printed = time.monotonic()

    def advance(self, count: int = 1, note: Callable[[], str] = str) -> None:
        """Count finished units and print if it is time to, with what `note` says, asked only then."""
        now = time.monotonic()
        self.done += count
        if self.first is None:  # the first unit may include compilation: the rate starts after it
            self.started, self.first = now, self.done
        if now - self.printed >= self.interval or self.done == self.total:
            self.printed = now
            rate = (self.done - self.first) / max(now - self.started, 1e-9)
            if self.done == self.total:
                left = "done"
            else:
                left = (
                    f"{duration((self.total - self.done) / rate)} left" if rate > 0 else "time left unknown"
                )
            counted = f"{self.done}/{self.total} {self.unit} ({100 * self.done // self.total} %)"
            # Two digits where one decimal would show a slow rate as none.
            speed = f"{rate:.1f}" if rate >= 0.05 else f"{rate:.2g}"
            line = f"{self.what}: {counted}, {f'{speed} {self.unit}/s, ' if rate > 0 else ''}{left}"
            say(", ".join(filter(None, [line, note()])))


def say(line: str) -> None:
    """One line to stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`1 h 5 min`, `3 min 20 s` or `45 s`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
