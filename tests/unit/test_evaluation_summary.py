"""What `gtp evaluate` says at its end: over seeds if there are several, else over episodes."""

import numpy as np
import pytest

from gtp.evaluation.summary import summary
from gtp.report.statistics import mean_estimate
from gtp.schema import Episode


def episodes(seed, scores, nfe=2, status="ok"):
    return [Episode(seed, 20, nfe, "sample", i, s, s, None, 5, status) for i, s in enumerate(scores)]


@pytest.mark.parametrize("units", [[10.0, 20.0, 60.0], [5.0, 7.0]])
def test_the_interval_is_the_tables(units):
    rows = [row for seed, mean in enumerate(units) for row in episodes(seed, [mean - 4.0, mean + 4.0])]
    wanted = mean_estimate(units)
    (line,) = summary(rows)
    interval = f"{wanted.mean:.1f} [{wanted.low:.1f}, {wanted.high:.1f}]"
    assert line == f"step 20, K = 2, sample: score {interval}, 95 % Student t over {len(units)} seeds"
    (line,) = summary(episodes(0, units))
    assert line.endswith(f"{interval}, 95 % Student t over {len(units)} episodes of one seed")


def test_each_k_has_a_line_and_one_value_no_interval():
    lines = list(summary(episodes(0, [1.0], nfe=1) + episodes(0, [3.0], nfe=5)))
    assert [line.partition(", sample")[0] for line in lines] == ["step 20, K = 1", "step 20, K = 5"]
    assert not any("[" in line for line in lines)


def test_a_diverged_seed_counts_as_zero():
    rows = episodes(0, [50.0, 50.0]) + episodes(1, [None], status="diverged@7")
    assert f"score {np.mean([50.0, 0.0]):.1f} [" in next(iter(summary(rows)))
