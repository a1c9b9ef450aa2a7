"""The diffusion path and its sampler against published numbers, Bayes' rule and a Gaussian's exact answer."""

import math
from itertools import pairwise

import pytest
import torch

from gtp.algorithms.common.interface import Batch
from gtp.algorithms.diffusion_bc import DiffusionBC
from gtp.generative.diffusion import VariancePreserving, ancestral_sample

PATH = VariancePreserving(levels=5, beta_min=0.1, beta_max=10.0)
ALPHA = (0.8041, 0.5412, 0.3642, 0.2451, 0.1650)
"""Diffusion-QL's alpha_1 to alpha_5, rounded."""


def abar(level: float) -> float:
    return math.exp(PATH.log_abar(level))


def test_closed_form_is_the_product_of_the_published_factors():
    alpha = [math.exp(-0.1 / 5 - 0.5 * 9.9 * (2 * i - 1) / 25) for i in range(1, 6)]
    assert alpha == pytest.approx(ALPHA, abs=5e-5)
    for i in range(6):
        assert abar(i) == pytest.approx(math.prod(alpha[:i]), rel=1e-12)
    assert abar(5) == pytest.approx(0.00641, abs=5e-6)


def test_perturb_by_hand():
    act, noise = torch.tensor([[0.5, -1.0]] * 2), torch.tensor([[1.0, 2.0]] * 2)
    x = PATH.perturb(act, noise, torch.tensor([1.0, 5.0]))
    for row, level in enumerate((1, 5)):
        signal, spread = math.sqrt(math.prod(ALPHA[:level])), math.sqrt(1 - math.prod(ALPHA[:level]))
        assert x[row].tolist() == pytest.approx([0.5 * signal + spread, -signal + 2 * spread], abs=1e-3)


def test_condition_is_a_quarter_of_the_logarithm_of_the_noise_to_signal_ratio():
    levels = torch.tensor([0.3, 1.0, 5.0], dtype=torch.float64)
    expected = [0.25 * math.log(math.sqrt((1 - abar(i)) / abar(i))) for i in levels.tolist()]
    assert PATH.condition(levels).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("level", "lower"), [(5, 4), (2, 1), (5, 1), (3.7, 2.2), (1, 0)])
def test_posterior_is_bayes_rule(level, lower):
    """Prior x_j | a and likelihood x_i | x_j are Gaussian: their precisions add."""
    alpha = abar(level) / abar(lower)
    first, second, std = PATH.posterior(level, lower)
    if lower == 0:
        assert (first, second, std) == (1.0, 0.0, 0.0)
        return
    prior, likelihood = 1 / (1 - abar(lower)), alpha / (1 - alpha)
    variance = 1 / (prior + likelihood)
    assert std == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert first == pytest.approx(variance * prior * math.sqrt(abar(lower)), rel=1e-9)
    assert second == pytest.approx(variance * likelihood / math.sqrt(alpha), rel=1e-9)


@pytest.mark.parametrize(
    ("nfe", "levels"),
    [
        (1, [5, 0]),
        (2, [5, 1, 0]),
        (3, [5, 3, 1, 0]),
        (4, [5, 4, 2, 1, 0]),
        (5, [5, 4, 3, 2, 1, 0]),
        (9, [5, 4.5, 4, 3.5, 3, 2.5, 2, 1.5, 1, 0]),
    ],
)
def test_levels_of_the_sampler(nfe, levels):
    assert PATH.sampling_levels(nfe) == levels


def test_every_number_of_levels_can_be_respaced():
    for count in range(1, 12):
        path = VariancePreserving(count, 0.1, 10.0)
        for nfe in range(1, 20):
            levels = path.sampling_levels(nfe)
            if count > 1:
                assert all(a > b for a, b in pairwise(levels)), (count, nfe)
            assert (len(levels), levels[0], levels[-1]) == (nfe + 1, count, 0)
    with pytest.raises(ValueError, match="nfe"):
        PATH.sampling_levels(0)


def some_predictor(x, level):
    """A made-up eps that depends on everything; large enough that the clip to the box acts."""
    assert level.dtype == x.dtype
    return torch.sin(3 * x) + 0.3 * x.roll(1, dims=-1) * (level if level.ndim == 0 else level[:, None])


def test_with_all_levels_the_sampler_is_the_published_reverse_process():
    """DDPM's loop over the tables of Diffusion-QL, written out again in float64."""
    noise = torch.randn(5, 64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alpha = torch.exp(-0.1 / 5 - 0.5 * 9.9 * (2 * torch.arange(1, 6, dtype=torch.float64) - 1) / 25)
    product = torch.cat([torch.ones(1, dtype=torch.float64), alpha.cumprod(0)])
    x, clipped = noise[0], 0
    for i in range(5, 0, -1):
        estimate = some_predictor(x, torch.tensor(float(i), dtype=torch.float64))
        raw = x / product[i].sqrt() - (1 / product[i] - 1).sqrt() * estimate
        clipped += int((raw.abs() > 1).sum())
        clean, beta = raw.clip(-1, 1), 1 - alpha[i - 1]
        mean = product[i - 1].sqrt() * beta / (1 - product[i]) * clean
        mean = mean + alpha[i - 1].sqrt() * (1 - product[i - 1]) / (1 - product[i]) * x
        variance = beta * (1 - product[i - 1]) / (1 - product[i])
        x = mean + (variance.sqrt() * noise[6 - i] if i > 1 else 0)
    assert clipped > 100
    torch.testing.assert_close(ancestral_sample(PATH, some_predictor, noise, 5), x, rtol=1e-12, atol=1e-12)


def gaussian_predictor(path: VariancePreserving, mean: float, std: float):
    """E[z | x_i = x] when actions are N(mean, std^2): regression of z on x."""

    def predict(x, level):
        log_abar = path.log_abar(level)
        signal, spread = (0.5 * log_abar).exp(), (-torch.expm1(log_abar)).sqrt()
        return spread * (x - signal * mean) / (log_abar.exp() * std**2 + spread**2)

    return predict


def test_samples_of_a_gaussian_approach_its_mean_and_spread_with_the_number_of_levels():
    errors = {}
    for levels in (5, 20, 100, 400):
        path = VariancePreserving(levels, 0.1, 10.0)
        noise = torch.randn(levels, 20_000, 1, generator=torch.Generator().manual_seed(1)).double()
        act = ancestral_sample(path, gaussian_predictor(path, 0.3, 0.15), noise, levels)
        errors[levels] = (abs(float(act.mean()) - 0.3), abs(float(act.std()) - 0.15))
    assert max(errors[400]) < 0.006  # of order 1 / N in the spread; statistical error 0.001
    spread = [error[1] for error in errors.values()]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 0.05  # five levels are coarse


def test_between_trained_levels_samples_reach_the_law_of_the_first_one():
    """For K >> N the law at level 1 is exact; the last evaluation replaces it by E[a | x_1]."""
    noise = torch.randn(400, 20_000, 1, generator=torch.Generator().manual_seed(2)).double()
    act = ancestral_sample(PATH, gaussian_predictor(PATH, 0.3, 0.15), noise, 400)
    signal = abar(1) * 0.15**2
    expected = 0.15 * math.sqrt(signal / (signal + 1 - abar(1)))
    assert float(act.mean()) == pytest.approx(0.3, abs=0.004)
    assert float(act.std()) == pytest.approx(expected, rel=0.02)
    few = ancestral_sample(PATH, gaussian_predictor(PATH, 0.3, 0.15), noise, 5)
    assert abs(float(few.std()) - expected) > abs(float(act.std()) - expected)


def test_each_step_takes_its_own_slice_and_the_rest_is_not_touched():
    noise = torch.randn(4, 8, 2, dtype=torch.float64)
    act = ancestral_sample(PATH, some_predictor, noise, 3)
    for k in range(4):
        other = noise.clone()
        other[k] = -other[k]
        changed = not torch.equal(ancestral_sample(PATH, some_predictor, other, 3), act)
        assert changed == (k < 3)
    with pytest.raises(ValueError, match="nfe = 5 .*got 4"):
        ancestral_sample(PATH, some_predictor, noise, 5)


def test_loss_by_hand():
    """A network that answers with its noisy input; each sample's level is read off its uniform number."""
    act, noise = torch.tensor([[0.5], [-0.2]]), torch.tensor([[1.0], [-0.4]])
    batch = Batch(torch.zeros(2, 1), act, torch.zeros(2), torch.zeros(2, 1), torch.zeros(2))
    draws = {"noise": noise, "level": torch.tensor([0.0, 0.99])}
    seen = []

    def actor(obs, x, features):
        seen.append(features)
        return x

    loss, _ = DiffusionBC().actor_loss({"actor": actor, "actor_ema": actor}, batch, draws, torch.tensor(0.0))
    x = [math.sqrt(abar(i)) * a + math.sqrt(1 - abar(i)) * z for i, a, z in ((1, 0.5, 1.0), (5, -0.2, -0.4))]
    assert loss.item() == pytest.approx(((1.0 - x[0]) ** 2 + (-0.4 - x[1]) ** 2) / 2, rel=1e-5)
    assert seen[0].shape == (2, 16)
    assert not torch.equal(seen[0][0], seen[0][1])


def test_every_level_is_drawn_alike_and_none_beyond():
    uniform = torch.tensor([0.0, 0.1999, 0.2001, 0.5, 0.8001, 1 - 2**-24])
    assert ((uniform * 5).floor() + 1).tolist() == [1, 1, 2, 3, 5, 5]
    seen = []
    algorithm = DiffusionBC()

    def actor(obs, x, features):
        seen.append(features[:, 0])
        return x

    act = torch.zeros(6, 1)
    batch = Batch(act, act, act[:, 0], act, act[:, 0])
    draws = {"noise": act, "level": uniform}
    algorithm.actor_loss({"actor": actor, "actor_ema": actor}, batch, draws, torch.tensor(0.0))
    expected = torch.sin(0.5 * algorithm.model.path.condition(torch.tensor([1.0, 1, 2, 3, 5, 5])))
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": 0}, "levels must be at least 1, got 0"),
        ({"beta_min": 2.0, "beta_max": 1.0}, "0 < beta_min <= beta_max is required, got 2.0 and 1.0"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DiffusionBC(**settings)
