"""The solution map Phi of the noise-to-action ODE: parameterisation, time grids, K-step sampling.

Notation of the GTP paper (Feng et al., 2026, section 3): data sits at t = 0, noise at t = T, and the
variance-exploding path is a_t = a + t z with z ~ N(0, I). Phi(x, t, s) carries a point x of the
trajectory from time t to time s <= t; phi is what the network predicts, its clean end point seen from
(t, s). The parameterisation is that of consistency trajectory models (Kim et al., 2024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Map = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x (B, A), t (B,), s (B,)) -> (B, A)"""


@dataclass(frozen=True)
class TimeScale:
    """The range of times and its warp (Karras et al., 2022, equation 5).

    Positions in [0, 1] run along a trajectory as sampling does, from noise to data.
    """

    t_min: float
    t_max: float
    rho: float
    t_start: float
    """T, where grids begin. Sampling starts from noise alone, training from a + T z: they agree for a large T
    only, and a grid that is spaced from there would spend its points on noise."""

    def at(self, position: Tensor) -> Tensor:
        """Time at a position; any shape, values in [t_min, t_max], decreasing in the position."""
        start, end = self.t_max ** (1 / self.rho), self.t_min ** (1 / self.rho)
        return ((start + position * (end - start)) ** self.rho).clamp(self.t_min, self.t_max)

    def on_grid(self, position: Tensor, points: Tensor | float) -> Tensor:
        """Times of grid points counted from the noise, `points` intervals in all.

        The first is T, the last 0, those between are spaced from t_max to t_min.
        Shapes: position (B,), whole numbers in [0, points] -> (B,).
        """
        inner = torch.where(position <= 0, self.t_start, self.at(position / points))
        return torch.where(position >= points, 0.0, inner)

    def sampling_grid(self, nfe: int, device: torch.device | None = None) -> Tensor:
        """K + 1 times T = t_0 > ... > t_K = 0 for a sampler with K = nfe evaluations (equation 15)."""
        if nfe < 1:
            raise ValueError(f"nfe must be at least 1, got {nfe}")
        return self.on_grid(torch.arange(nfe + 1, device=device), nfe)


@dataclass(frozen=True)
class Preconditioning:
    """EDM's scalings: network inputs and targets near unit variance (Karras et al., 2022, table 1).

    Shapes: t (B,) -> (B, 1). `sigma_data` is the standard deviation of the actions.
    """

    sigma_data: float

    def c_skip(self, t: Tensor) -> Tensor:
        return (self.sigma_data**2 / (t.square() + self.sigma_data**2))[:, None]

    def c_out(self, t: Tensor) -> Tensor:
        return (t * self.sigma_data / (t.square() + self.sigma_data**2).sqrt())[:, None]

    def c_in(self, t: Tensor) -> Tensor:
        return (1.0 / (t.square() + self.sigma_data**2).sqrt())[:, None]

    def loss_weight(self, t: Tensor) -> Tensor:
        """1 / c_out(t)^2, which makes the network's error count alike at every noise level. (B,) -> (B,)."""
        return self.c_out(t).squeeze(-1).pow(-2)

    def denoise(self, network: Callable[[Tensor], Tensor], x: Tensor, t: Tensor) -> Tensor:
        """phi = c_skip(t) x + c_out(t) F(c_in(t) x). Shapes: x (B, A), t (B,) -> (B, A)."""
        return self.c_skip(t) * x + self.c_out(t) * network(self.c_in(t) * x)


def solution_map(phi: Map, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Phi(x, t, s) = (s/t) x + (1 - s/t) phi(x, t, s), so that Phi(x, t, t) = x whatever the network.

    Shapes: x (B, A), t (B,) > 0, s (B,) in [0, t] -> (B, A). Source: paper section 3.1.
    """
    ratio = (s / t)[:, None]
    return ratio * x + (1.0 - ratio) * phi(x, t, s)


def steps_of_ode(phi: Map) -> Map:
    """A map whose steps follow the field of phi's diagonal: phi(x, t, t) stands for phi(x, t, s).

    Phi is then a step of DDIM, exact while the denoiser stays put. For a phi fitted on its diagonal only.
    """
    return lambda x, t, s: phi(x, t, t)


def steps_to_data(phi: Map) -> Map:
    """A map whose steps head for phi's end point: phi(x, t, 0) stands for phi(x, t, s).

    For a phi that is fitted for jumps to 0 only.
    """
    return lambda x, t, s: phi(x, t, torch.zeros_like(s))


def trajectory(phi: Map, start: Tensor, times: Tensor) -> list[Tensor]:
    """Carry points to data through the jumps of a time grid: a_{i+1} = Phi(a_i, t_i, t_{i+1}) (equation 15).

    Shapes: start (B, A) at times[0], times (K + 1,) from T down to 0 -> K + 1 of (B, A), the start first.
    """
    points = [start]
    for t, s in pairwise(times):
        points.append(solution_map(phi, points[-1], t.expand(len(start)), s.expand(len(start))))
    return points


def later_target(phi: Map, x: Tensor, u: Tensor, tau: Tensor, t: Tensor) -> Tensor:
    """Phi(x, u, tau), which is x itself where tau = u: there, and so at u = 0, phi is not asked.

    Shapes: x (B, A), u (B,) >= tau (B,) >= 0, t (B,) > u, from where phi may be asked for tau -> (B, A).
    """
    arrived = tau >= u
    carried = solution_map(phi, x, torch.where(arrived, t, u), tau)
    return torch.where(arrived[:, None], x, carried)


def two_jumps_target(phi: Map, x: Tensor, t: Tensor, u: Tensor, tau: Tensor) -> Tensor:
    """Phi(Phi(x, t, u), u, tau), which one jump from t to tau should equal: no data, no noise.

    Where u = t, no time lies between t and tau, and the target is a step of the diagonal's ODE.
    Shapes: x (B, A), t (B,) >= u (B,) > tau (B,) >= 0 -> (B, A).
    Source: shortcut models (Frans et al., 2025).
    """
    halves = solution_map(phi, solution_map(phi, x, t, u), u, tau)
    step = solution_map(steps_of_ode(phi), x, t, tau)
    return torch.where((u >= t)[:, None], step, halves)


def identity_target(phi: Map, x: Tensor, velocity: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """What phi(x, t, s) is by the identity of mean flows, given dx/dt at t.

    Phi(x, t, s) = x - (t - s) m with the mean velocity m = (x - phi) / t. Along the trajectory Phi does not
    change with t, hence m = dx/dt - (t - s) dm/dt, where dm/dt is the derivative of phi's own m.
    Shapes: x, velocity (B, A), t (B,) > 0, s (B,) in [0, t] -> (B, A).
    Source: Geng et al., 2025, equation 6.
    """

    def mean_velocity(x: Tensor, t: Tensor) -> Tensor:
        return (x - phi(x, t, s)) / t[:, None]

    _, rate = torch.func.jvp(mean_velocity, (x, t), (velocity, torch.ones_like(t)))  # type: ignore[misc]
    return x - t[:, None] * (velocity - (t - s)[:, None] * rate)


def heun(field: Callable[[Tensor, Tensor], Tensor], x: Tensor, t: Tensor, s: Tensor, steps: int) -> Tensor:
    """Integrate dx/dt = field(x, t) from t to s with Heun's method, `steps` equal steps, order 2.

    Shapes: x (B, A), t (B,), s (B,) -> (B, A).
    """
    width = (s - t) / steps
    for _ in range(steps):
        slope = field(x, t)
        end = field(x + width[:, None] * slope, t + width)
        x = x + width[:, None] * 0.5 * (slope + end)
        t = t + width
    return x
