"""The exact flow of a Gaussian mixture's ODE, by an adaptive solver: what learned maps are held against."""

import math

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from gtp.generative.gaussian_mixture import GaussianMixture

TOLERANCE = 1e-8
"""Largest error of one step of the solver, in action units."""
CHUNK = 4096
"""Points that share their steps."""


def exact_flow(
    mixture: GaussianMixture, x: Tensor, start: float, end: float, tolerance: float = TOLERANCE
) -> Tensor:
    """Carry points from time `start` to `end` along the mixture's ODE, by a Runge-Kutta method of order 8.

    It runs in log t, where dx / dlog t = x - E[x_0 | x_t = x] is smooth at all noise levels. The end 0 stands
    for a ten-thousandth of the modes' width: what is left of the way from there is below 1e-8 of its length.
    Shapes: x (B, A) -> (B, A), both float64. Raises: ValueError unless 0 <= end <= start and 0 < start.
    """
    if not 0.0 <= end <= start or start == 0.0:
        raise ValueError(f"the flow runs from noise to data, got times from {start} to {end}")
    last = max(end, min(start, 1e-4 * mixture.std))
    return torch.cat([_solve(mixture, part, start, last, tolerance) for part in x.double().split(CHUNK)])


def _solve(mixture: GaussianMixture, x: Tensor, start: float, end: float, tolerance: float) -> Tensor:
    """`exact_flow` of points that share their steps."""

    def slope(log_t: float, flat):
        point = torch.from_numpy(flat).view_as(x)
        t = torch.full((len(x),), math.exp(log_t), dtype=torch.float64)
        return (point - mixture.denoise(point, t)).flatten().numpy()

    # scipy bounds the root mean square over n coordinates; the largest is at most sqrt(n) of it.
    share = tolerance / math.sqrt(x.numel())
    span = (math.log(start), math.log(end))
    found = solve_ivp(slope, span, x.flatten().numpy(), method="DOP853", rtol=share, atol=share)
    return torch.from_numpy(found.y[:, -1].copy()).view_as(x)
