"""Probability paths against autograd, against each other, and against flows that are known in closed form."""

from itertools import pairwise

import pytest
import torch
from scipy.integrate import solve_ivp

from gtp.evaluation.oracle import four_corners
from gtp.generative.gaussian_paths import PATHS, ddim, euler

MIXTURE = four_corners(std=0.2)
TIMES = torch.tensor([0.02, 0.1, 0.35, 0.6, 0.93], dtype=torch.float64)
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
def test_slopes_are_the_derivatives(path):
    t = TIMES.clone().requires_grad_()
    for schedule, slope in ((path.alpha, path.alpha_slope), (path.sigma, path.sigma_slope)):
        (derivative,) = torch.autograd.grad(schedule(t).sum(), t)
        torch.testing.assert_close(slope(t)[:, 0], derivative)


def test_the_slope_of_the_vp_path_stays_finite_at_time_0():
    slopes = PATHS["vp"].sigma_slope(torch.tensor([0.0, 5e-4, 1e-3, 2e-3], dtype=torch.float64))[:, 0]
    assert slopes[0] == slopes[1] == slopes[2] > slopes[3] > 0.0


@each_path
def test_paths_go_from_data_to_noise(path):
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(path.alpha(ends)[:, 0], 1.0 - ends, atol=7e-3, rtol=0.0)  # vp: exp(-5.025)
    torch.testing.assert_close(path.sigma(ends)[:, 0], ends, atol=7e-3, rtol=0.0)


@each_path
def test_time_at_a_noise_level(path):
    level = torch.tensor([0.02, 0.1, 1.0, 3.0], dtype=torch.float64)
    t = path.time_at(level)
    torch.testing.assert_close((path.sigma(t) / path.alpha(t))[:, 0], level)


@each_path
def test_predictions_convert_into_one_another(path):
    generator = torch.Generator().manual_seed(0)
    act, noise = torch.randn(2, len(TIMES), 3, generator=generator, dtype=torch.float64)
    x, velocity = path.point(act, noise, TIMES), path.velocity(act, noise, TIMES)
    torch.testing.assert_close(path.noise_from_act(x, act, TIMES), noise)
    torch.testing.assert_close(path.act_from_noise(x, noise, TIMES), act)
    torch.testing.assert_close(path.noise_from_velocity(x, velocity, TIMES), noise)
    torch.testing.assert_close(path.act_from_velocity(x, velocity, TIMES), act)
    score = path.score_from_velocity(x, velocity, TIMES)
    torch.testing.assert_close(score, -noise / path.sigma(TIMES))


def gaussian_velocity(path, mean: float, std: float):
    """The marginal velocity for data N(mean, std^2): the conditional one at the means of a and z given x."""

    def velocity(x, t):
        alpha, sigma = path.alpha(t), path.sigma(t)
        act = mean + alpha * std**2 * (x - alpha * mean) / (alpha**2 * std**2 + sigma**2)
        return path.velocity(act, path.noise_from_act(x, act, t), t)

    return velocity


@each_path
def test_score_of_a_gaussian_is_known(path):
    x = torch.linspace(-2.0, 2.0, len(TIMES), dtype=torch.float64)[:, None]
    velocity = gaussian_velocity(path, 0.3, 0.5)(x, TIMES)
    alpha, sigma = path.alpha(TIMES), path.sigma(TIMES)
    expected = -(x - 0.3 * alpha) / (alpha**2 * 0.25 + sigma**2)
    torch.testing.assert_close(path.score_from_velocity(x, velocity, TIMES), expected)


@each_path
@pytest.mark.parametrize("std", [0.0, 0.1, 0.5])
def test_exact_velocity_carries_noise_to_the_data(path, std):
    """A wrong slope shows here as a wrong standard deviation of the samples."""
    noise = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    times = torch.linspace(1.0, 1e-3, 4001, dtype=torch.float64)
    samples = euler(gaussian_velocity(path, 0.3, std), noise, times)
    tolerance = 2e-2  # what is left of the noise at t = 0.001, and alpha(1) > 0 of the VP path
    torch.testing.assert_close(samples, 0.3 + std * noise, atol=tolerance, rtol=0.0)


def mixture_ends(path, x, t):
    """E[a | x_t = x] and E[z | x_t = x]: x / alpha is the VE path at level sigma / alpha."""
    act = MIXTURE.denoise(x / path.alpha(t), (path.sigma(t) / path.alpha(t))[:, 0])
    return act, path.noise_from_act(x, act, t)


def mixture_velocity(path):
    """The mixture's velocity field, in closed form."""
    return lambda x, t: path.velocity(*mixture_ends(path, x, t), t)


@each_path
def test_velocity_and_score_of_a_mixture(path):
    """The score against autograd of log p_t, the velocity against the SDE whose marginals it must share."""
    x = torch.randn(len(TIMES), 2, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    alpha, sigma = path.alpha(TIMES), path.sigma(TIMES)
    variance = alpha**2 * MIXTURE.std**2 + sigma**2
    distance = (x[:, None] - alpha[:, None] * MIXTURE.means).square().sum(dim=-1)
    log_density = torch.logsumexp(MIXTURE.weights.log() - 0.5 * distance / variance, dim=-1)
    (score,) = torch.autograd.grad(log_density.sum(), x)
    velocity = mixture_velocity(path)(x, TIMES)
    torch.testing.assert_close(path.score_from_velocity(x, velocity, TIMES), score)
    # dx = f x dt + g dw, f = alpha' / alpha, g^2 = (sigma^2)' - 2 f sigma^2 has v = f x - g^2 score / 2.
    rate = path.alpha_slope(TIMES) / alpha
    diffusion = 2.0 * sigma * path.sigma_slope(TIMES) - 2.0 * rate * sigma**2
    torch.testing.assert_close(velocity, rate * x - 0.5 * diffusion * score)


def solve(sampler, path, field, x, times):
    return euler(field, x, times) if sampler == "euler" else ddim(path, field, x, times)


@pytest.mark.parametrize("sampler", ["euler", "ddim"])
@each_path
def test_samplers_are_of_first_order(path, sampler):
    """Twice the steps, half the error: between scipy's solution of the mixture's ODE and theirs."""
    field, start = mixture_velocity(path), torch.tensor([[0.9, -0.4]], dtype=torch.float64)

    def slope(t, x):
        return field(torch.from_numpy(x)[None], torch.tensor([t], dtype=torch.float64))[0].numpy()

    exact = solve_ivp(slope, (0.9, 0.05), start[0].numpy(), rtol=1e-11, atol=1e-13).y[:, -1]
    errors = []
    for steps in (200, 400, 800):
        times = torch.linspace(0.9, 0.05, steps + 1, dtype=torch.float64)
        end = solve(sampler, path, field, start, times)
        errors.append(float((end[0] - torch.from_numpy(exact)).norm()))
    assert errors[-1] < 5e-3
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2.0, rel=0.1)


@each_path
@pytest.mark.parametrize("std", [0.1, 0.5])
def test_ddim_carries_noise_to_the_data_down_to_time_0(path, std):
    noise = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    times = torch.linspace(1.0, 0.0, 2001, dtype=torch.float64)
    samples = ddim(path, gaussian_velocity(path, 0.3, std), noise, times)
    torch.testing.assert_close(samples, 0.3 + std * noise, atol=4e-3, rtol=0.0)


@each_path
def test_ddim_reaches_a_single_action_in_one_step(path):
    noise = torch.tensor([[-1.0], [0.5]], dtype=torch.float64)
    for steps in (1, 3):
        times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
        samples = ddim(path, gaussian_velocity(path, 0.3, 0.0), noise, times)
        torch.testing.assert_close(samples, torch.full_like(noise, 0.3))


def test_ddim_on_straight_lines_is_euler():
    path, start = PATHS["linear"], torch.tensor([[0.9, -0.4]], dtype=torch.float64)
    times = torch.linspace(1.0, 0.0, 6, dtype=torch.float64)[
        1:
    ]  # the mixture in closed form divides by alpha
    field = mixture_velocity(path)
    torch.testing.assert_close(ddim(path, field, start, times), euler(field, start, times))
