"""Timing of calls on a machine that other work disturbs."""

import statistics
import time
from collections.abc import Callable, Sequence

MOST_CALLS = 30
"""Calls of one function in one round, however short they are."""


def seconds_per_call(
    call: Callable[[], object], repetitions: int = MOST_CALLS, clock: Callable[[], float] | None = None
) -> float:
    """Median seconds of `call` after three calls to warm up: outliers lie on one side only.

    By the clock on the wall unless `clock` is another, time.process_time where other work shares the cores.
    """
    for _ in range(3):
        call()
    return statistics.median(_seconds(call, clock) for _ in range(repetitions))


def seconds_in_rounds(
    calls: Sequence[Callable[[], object]], rounds: int, budget: float = 0.03
) -> list[list[float]]:
    """Wall-clock seconds of several calls, each measured once in every round: [round][call].

    Rounds go through all calls one after the other, so that a machine that slows down for a while disturbs
    all of them and shows as a difference between rounds. A measurement is the median of at most MOST_CALLS
    calls, and of fewer once they have taken `budget` seconds, so that slow calls cost one call a round.
    """
    for call in calls:
        call()
    return [[_median_within(call, budget) for call in calls] for _ in range(rounds)]


def _median_within(call: Callable[[], object], budget: float) -> float:
    times = [_seconds(call)]
    while len(times) < MOST_CALLS and sum(times) < budget:
        times.append(_seconds(call))
    return statistics.median(times)


def _seconds(call: Callable[[], object], clock: Callable[[], float] | None = None) -> float:
    clock = clock or time.perf_counter
    started = clock()
    call()
    return clock() - started
