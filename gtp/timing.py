"""Timing of one call on a machine that other work disturbs."""

import statistics
import time
from collections.abc import Callable


def seconds_per_call(call: Callable[[], object], repetitions: int = 30) -> float:
    """Median wall-clock seconds of `call` after three calls to warm up: outliers lie on one side only."""
    for _ in range(3):
        call()
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
