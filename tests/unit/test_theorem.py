"""Theorem 1 in numbers: the exact flow is exact, the sweeps have the orders of their solvers, the verdict."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from gtp.errors import UserError
from gtp.evaluation.exact_flow import exact_flow
from gtp.evaluation.oracle import off_centre
from gtp.evaluation.theorem import DISTANCES, SOLVERS, STEPS, T, loss_gaps
from gtp.generative.gaussian_mixture import GaussianMixture
from gtp.report.statistics import Estimate
from gtp.report.theorem import Order, fit_order, read_orders

ONE = GaussianMixture(torch.tensor([[0.5, -0.2]]).double(), torch.ones(1).double(), 0.3)


def noise(count: int, size: int = 2) -> torch.Tensor:
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_exact_flow_of_a_gaussian_is_its_closed_form():
    x = ONE.means + 80.0 * noise(300)
    for start, end in ((80.0, 0.0), (80.0, 0.5), (1.0, 0.25)):
        shrink = np.sqrt((ONE.std**2 + end**2) / (ONE.std**2 + start**2))
        expected = ONE.means + shrink * (x - ONE.means)
        assert float((exact_flow(ONE, x, start, end) - expected).abs().max()) < 1e-7


def test_the_exact_flow_keeps_quantiles():
    """In one dimension points never overtake each other: a quantile of x_t goes to that of the data."""
    means = torch.tensor([[-0.5], [0.4]], dtype=torch.float64)
    mixture = GaussianMixture(means, torch.tensor([0.3, 0.7], dtype=torch.float64), 0.1)

    def below(x, t):
        spread = np.sqrt(mixture.std**2 + t**2)
        return sum(w * norm.cdf((x - m) / spread) for w, m in ((0.3, -0.5), (0.7, 0.4)))

    x = 5.0 * noise(200, 1)
    end = exact_flow(mixture, x, 5.0, 0.0)
    np.testing.assert_allclose(below(end.numpy(), 0.0), below(x.numpy(), 5.0), atol=1e-6)


def test_the_exact_flow_runs_from_noise_to_data():
    with pytest.raises(ValueError, match="from noise to data"):
        exact_flow(ONE, noise(2), 0.5, 1.0)


@pytest.fixture(scope="module")
def gaps() -> pd.DataFrame:
    return pd.DataFrame([asdict(row) for row in loss_gaps(off_centre(), [0, 1], 2000)])


def test_every_setting_has_a_row_for_each_seed(gaps):
    settings = gaps.groupby("seed").size()
    assert settings.tolist() == [2 * len(SOLVERS) * (len(STEPS) + len(DISTANCES))] * 2
    np.testing.assert_allclose(gaps["gap"], gaps["practical"] - gaps["ideal"])
    np.testing.assert_allclose(gaps["step"], (gaps["t"] - gaps["u"]) / gaps["steps"])


def test_solvers_of_the_exact_field_have_their_order_and_the_surrogate_none(gaps):
    at_fixed_times = gaps[gaps["sweep"] == "step"]
    for solver, (_, order) in SOLVERS.items():
        exact = at_fixed_times[(at_fixed_times["field"] == "exact") & (at_fixed_times["solver"] == solver)]
        assert fit_order(exact[exact["steps"] >= 4]).mean == pytest.approx(order, abs=0.15)
    surrogate = at_fixed_times[at_fixed_times["field"] == "surrogate"]
    for _, own in surrogate.groupby("seed"):  # its field is linear: no solver errs
        assert own["gap"].std() < 1e-9
        assert own["gap"].min() > 0.5 * own["ideal"].max()


def test_the_surrogates_gap_vanishes_with_the_distance_of_the_times(gaps):
    rows = gaps[(gaps["sweep"] == "distance") & (gaps["field"] == "surrogate") & (gaps["solver"] == "heun")]
    assert fit_order(rows).mean == pytest.approx(2.3, abs=0.3)
    assert rows["u"].max() == T - min(DISTANCES)


def test_orders_are_read_from_the_table(gaps):
    table = gaps.assign(mixture="off_centre")
    orders = read_orders(table, "theorem.csv")
    assert len(orders) == 2 * 2 * len(SOLVERS)
    verdicts = {(o.sweep, o.field, o.solver): o.verdict for o in orders}
    assert verdicts["step", "surrogate", "heun"] == "does not hold"
    assert verdicts["distance", "surrogate", "euler"] == "holds"
    first = next(o for o in orders if (o.sweep, o.field, o.solver) == ("step", "exact", "euler"))
    rows = table[(table["sweep"] == "step") & (table["field"] == "exact") & (table["solver"] == "euler")]
    assert first.first == pytest.approx(rows.loc[rows["steps"] == 1, "gap"].abs().mean())
    assert first.last == pytest.approx(rows.loc[rows["steps"] == max(STEPS), "gap"].abs().mean())
    with pytest.raises(UserError, match="a gap of exactly 0"):
        read_orders(table.assign(gap=0.0), "theorem.csv")
    with pytest.raises(UserError, match="one step only"):
        read_orders(table[table["step"] == 0.5], "theorem.csv")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.8, 2.1, "holds"),
        (1.2, 1.7, "does not hold"),
        (1.6, 1.9, "undecided"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_the_verdict_needs_the_whole_interval(low, high, verdict):
    slope = Estimate((low + high) / 2, low, high, 3)
    assert Order("m", "step", "exact", "heun", 2, slope, 1.0, 0.1, 0.1).verdict == verdict
