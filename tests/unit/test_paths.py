"""Probability paths against autograd, against each other, and against flows that are known in closed form."""

from itertools import pairwise

import pytest
import torch
from scipy.integrate import solve_ivp

from gtp.paths import PATHS, euler

TIMES = torch.tensor([0.02, 0.1, 0.35, 0.6, 0.93], dtype=torch.float64)
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
def test_slopes_are_the_derivatives(path):
    t = TIMES.clone().requires_grad_()
    for schedule, slope in ((path.alpha, path.alpha_slope), (path.sigma, path.sigma_slope)):
        (derivative,) = torch.autograd.grad(schedule(t).sum(), t)
        torch.testing.assert_close(slope(t)[:, 0], derivative)


@each_path
def test_paths_go_from_data_to_noise(path):
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(path.alpha(ends)[:, 0], 1.0 - ends, atol=7e-3, rtol=0.0)  # vp: exp(-5.025)
    torch.testing.assert_close(path.sigma(ends)[:, 0], ends, atol=7e-3, rtol=0.0)


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


def test_euler_is_of_first_order():
    path, start = PATHS["gvp"], 0.7
    field = gaussian_velocity(path, 0.3, 0.5)

    def slope(t, x):
        return field(torch.tensor([[x[0]]]), torch.tensor([t]))[0, 0].item()

    exact = solve_ivp(slope, (1.0, 0.1), [start], rtol=1e-10, atol=1e-12).y[0, -1]
    errors = []
    for steps in (20, 40, 80):
        times = torch.linspace(1.0, 0.1, steps + 1, dtype=torch.float64)
        errors.append(abs(float(euler(field, torch.tensor([[start]], dtype=torch.float64), times)) - exact))
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2.0, rel=0.1)
