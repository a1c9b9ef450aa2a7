"""The oracle checks itself against numerical integration, then GTP is checked against the oracle."""

from dataclasses import dataclass, replace

import pytest
import torch
from scipy.integrate import solve_ivp

from gtp.algorithms.gtp import GTP
from gtp.config import TrainConfig
from gtp.evaluation.oracle import Accuracy, clone_mixture, compare, four_corners, smallest_mode_share

MIXTURE = four_corners(std=0.1)


def test_denoiser_is_the_posterior_mean():
    """Against importance sampling from the prior."""
    generator = torch.Generator().manual_seed(0)
    clean = MIXTURE.sample(400_000, generator)
    x, t = torch.tensor([[0.2, 0.5]], dtype=torch.float64), torch.tensor([0.4], dtype=torch.float64)
    likelihood = torch.exp(-0.5 * ((x - clean) ** 2).sum(dim=1) / t**2)
    expected = (likelihood[:, None] * clean).sum(dim=0) / likelihood.sum()
    torch.testing.assert_close(MIXTURE.denoise(x, t)[0], expected, atol=5e-3, rtol=0)


def test_solve_agrees_with_scipy():
    start = torch.tensor([[1.5, -0.7]], dtype=torch.float64)

    def slope(t, x):
        return MIXTURE.field(torch.from_numpy(x)[None], torch.tensor([t], dtype=torch.float64))[0].numpy()

    fine = solve_ivp(slope, (3.0, 0.01), start[0].numpy(), rtol=1e-10, atol=1e-12).y[:, -1]
    times = torch.logspace(torch.log10(torch.tensor(3.0)), -2, 2000, dtype=torch.float64)
    torch.testing.assert_close(MIXTURE.solve(start, times)[0], torch.from_numpy(fine), atol=1e-4, rtol=0)


def test_exact_flow_carries_noise_to_the_modes():
    noise = 5.0 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    times = torch.logspace(torch.log10(torch.tensor(5.0)), -3, 400, dtype=torch.float64)
    actions = MIXTURE.solve(noise, times)
    assert MIXTURE.off_mode_share(actions) < 0.01
    assert smallest_mode_share(MIXTURE, actions) > 0.15


def test_actions_off_every_mode_are_counted_one_by_one():
    """Two near a corner, one between all of them; a corner that has no action near it does not count."""
    actions = MIXTURE.means[:1] + torch.tensor([[0.0, 0.0], [0.39, 0.0], [0.41, 0.0]], dtype=torch.float64)
    assert MIXTURE.off_mode_share(actions) == pytest.approx(1 / 3)
    assert MIXTURE.off_mode_share(actions, radii=3.0) == pytest.approx(2 / 3)


@dataclass(frozen=True, kw_only=True)
class FlippedGTP(GTP):
    """GTP with the sign of its loss flipped: what the oracle must reject."""

    def actor_loss(self, *args):
        loss, logged = super().actor_loss(*args)
        return -loss, logged


CONFIG = TrainConfig(steps=2000, batch_size=128, hidden_size=64, learning_rate=1e-3)


def accuracy(algorithm: GTP, nfe: int, steps: int = CONFIG.steps) -> Accuracy:
    (networks,) = clone_mixture(algorithm, MIXTURE, replace(CONFIG, steps=steps), [0])
    return compare(algorithm, networks, MIXTURE, [nfe], seed=0)[0]


def is_the_mixture(result: Accuracy) -> bool:
    """At most 15 % of the samples off every mode, and no mode with less than 15 % (25 % in the data)."""
    return result.off_mode_share <= 0.15 and result.smallest_mode_share >= 0.15


@pytest.mark.unmutated
def test_gtp_learns_the_mixture_and_its_exact_flow():
    result = accuracy(GTP(eta=0.0), nfe=5)
    assert is_the_mixture(result)
    assert result.median_distance <= 0.1


@pytest.mark.unmutated
def test_a_broken_loss_fails_the_same_check():
    assert not is_the_mixture(accuracy(FlippedGTP(eta=0.0), nfe=5, steps=500))


@pytest.mark.slow
@pytest.mark.unmutated
def test_consistency_is_what_makes_few_steps_work():
    """At K = 2, with and without L_cons (section 3 of the paper)."""
    with_it, without = accuracy(GTP(eta=0.0), nfe=2), accuracy(GTP(eta=0.0, lambda_consistency=0.0), nfe=2)
    assert with_it.median_distance < 0.8 * without.median_distance
