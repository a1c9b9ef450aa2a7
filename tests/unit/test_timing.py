"""Timing in rounds: what is called how often, and what counts."""

import pytest

from gtp.evaluation import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that calls set forward themselves, instead of the real one."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_rounds_go_through_all_calls_and_slow_ones_are_called_once(clock):
    order = []

    def call(name, seconds):
        def run():
            order.append(name)
            clock[0] += seconds

        return run

    rounds = timing.seconds_in_rounds([call("quick", 0.01), call("slow", 5.0)], rounds=2, budget=0.025)
    assert rounds == [[pytest.approx(0.01), pytest.approx(5.0)]] * 2
    warm_up, one_round = ["quick", "slow"], ["quick"] * 3 + ["slow"]
    assert order == warm_up + 2 * one_round


def test_a_measurement_is_the_median_of_a_limited_number_of_calls(clock):
    durations = iter([9.0] + [0.001] * 20 + [0.1] * 3 + [0.001] * 100)  # the first call warms up

    def call():
        clock[0] += next(durations)

    assert timing.seconds_in_rounds([call], rounds=1, budget=100.0) == [[pytest.approx(0.001)]]
    assert len(list(durations)) == 124 - 1 - timing.MOST_CALLS
