"""Gaussian probability paths between actions (t = 0) and noise (t = 1), and what a network predicts on them.

A point of a path is x_t = alpha(t) a + sigma(t) z with z ~ N(0, I). Its conditional velocity is
alpha'(t) a + sigma'(t) z; the marginal velocity field, the conditional one averaged over (a, z) given x_t,
carries noise to data. Noise, data, velocity and score are linear in one another, so a network that predicts
one gives all. Source: Albergo et al., 2023; the three paths are those of GMPO and GMPG (Zhang et al., 2024).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""(x (B, A), t (B,)) -> (B, A)"""


class Path(ABC):
    """Schedules alpha and sigma with their slopes; times t (B,) in [0, 1] and coefficients (B, 1)."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Share of the data: 1 at t = 0."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise: 0 at t = 0."""

    @abstractmethod
    def alpha_slope(self, t: Tensor) -> Tensor:
        """d alpha / dt."""

    @abstractmethod
    def sigma_slope(self, t: Tensor) -> Tensor:
        """d sigma / dt."""

    @abstractmethod
    def time_at(self, level: Tensor) -> Tensor:
        """The time at which the noise in units of the data, sigma / alpha, is `level`: (B,) -> (B,)."""

    def point(self, act: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = alpha a + sigma z. Shapes: act (B, A), noise (B, A) -> (B, A)."""
        return self.alpha(t) * act + self.sigma(t) * noise

    def velocity(self, act: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The conditional velocity alpha' a + sigma' z; with predictions of a and z, the marginal one.

        Shapes: act (B, A), noise (B, A) -> (B, A).
        """
        return self.alpha_slope(t) * act + self.sigma_slope(t) * noise

    def noise_from_act(self, x: Tensor, act: Tensor, t: Tensor) -> Tensor:
        """z = (x - alpha a) / sigma, for t > 0."""
        return (x - self.alpha(t) * act) / self.sigma(t)

    def act_from_noise(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """a = (x - sigma z) / alpha, where alpha > 0."""
        return (x - self.sigma(t) * noise) / self.alpha(t)

    def noise_from_velocity(self, x: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
        """z = (alpha v - alpha' x) / (alpha sigma' - alpha' sigma); the divisor is positive for all t < 1."""
        alpha, slope = self.alpha(t), self.alpha_slope(t)
        return (alpha * velocity - slope * x) / (alpha * self.sigma_slope(t) - slope * self.sigma(t))

    def act_from_velocity(self, x: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
        """a = (sigma' x - sigma v) / (alpha sigma' - alpha' sigma)."""
        sigma, slope = self.sigma(t), self.sigma_slope(t)
        return (slope * x - sigma * velocity) / (self.alpha(t) * slope - self.alpha_slope(t) * sigma)

    def score_from_velocity(self, x: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
        """grad log p_t(x) = -z / sigma, for t > 0."""
        return -self.noise_from_velocity(x, velocity, t) / self.sigma(t)


class Linear(Path):
    """Straight lines at constant speed: alpha = 1 - t, sigma = t (flow matching; Lipman et al., 2023)."""

    def alpha(self, t: Tensor) -> Tensor:
        return (1.0 - t)[:, None]

    def sigma(self, t: Tensor) -> Tensor:
        return t[:, None]

    def alpha_slope(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)[:, None]

    def sigma_slope(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)[:, None]

    def time_at(self, level: Tensor) -> Tensor:
        return level / (1.0 + level)


class Trigonometric(Path):
    """The generalised variance-preserving path: alpha = cos(pi t / 2), sigma = sin(pi t / 2)."""

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(0.5 * math.pi * t)[:, None]

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(0.5 * math.pi * t)[:, None]

    def alpha_slope(self, t: Tensor) -> Tensor:
        return -0.5 * math.pi * self.sigma(t)

    def sigma_slope(self, t: Tensor) -> Tensor:
        return 0.5 * math.pi * self.alpha(t)

    def time_at(self, level: Tensor) -> Tensor:
        return torch.atan(level) * (2.0 / math.pi)


class VariancePreserving(Path):
    """The VP-SDE with a linear schedule from 0.1 to 20 (Song et al., 2021).

    alpha = exp(-(b_1 - b_0) t^2 / 4 - b_0 t / 2) and sigma = sqrt(1 - alpha^2), whose slope is infinite at
    t = 0; times below `EARLIEST` are taken as that.
    """

    BETA_MIN, BETA_MAX = 0.1, 20.0
    EARLIEST = 1e-3

    def alpha(self, t: Tensor) -> Tensor:
        return self._log_alpha(t).exp()[:, None]

    def sigma(self, t: Tensor) -> Tensor:
        return (-torch.expm1(2.0 * self._log_alpha(t))).sqrt()[:, None]

    def alpha_slope(self, t: Tensor) -> Tensor:
        return self._rate(t) * self.alpha(t)

    def sigma_slope(self, t: Tensor) -> Tensor:
        t = t.clamp(min=self.EARLIEST)
        return -self._rate(t) * self.alpha(t).square() / self.sigma(t)

    def time_at(self, level: Tensor) -> Tensor:
        """The positive root of (b_1 - b_0) t^2 + 2 b_0 t = -4 log alpha = 2 log(1 + level^2)."""
        rise = self.BETA_MAX - self.BETA_MIN
        root = (self.BETA_MIN**2 + 2.0 * rise * torch.log1p(level.square())).sqrt()
        return (root - self.BETA_MIN) / rise

    def _log_alpha(self, t: Tensor) -> Tensor:
        return -0.25 * (self.BETA_MAX - self.BETA_MIN) * t.square() - 0.5 * self.BETA_MIN * t

    def _rate(self, t: Tensor) -> Tensor:
        """d log alpha / dt, (B, 1)."""
        return (-0.5 * (self.BETA_MAX - self.BETA_MIN) * t - 0.5 * self.BETA_MIN)[:, None]


PATHS: dict[str, Path] = {"vp": VariancePreserving(), "gvp": Trigonometric(), "linear": Linear()}


def euler(field: Field, x: Tensor, times: Tensor) -> Tensor:
    """Integrate dx/dt = field(x, t) along `times` with Euler's method, one evaluation for each interval.

    Shapes: x (B, A), times (T + 1,) in either direction -> (B, A).
    """
    for t, s in pairwise(times):
        x = x + (s - t) * field(x, t.expand(len(x)))
    return x


def ddim(path: Path, field: Field, x: Tensor, times: Tensor) -> Tensor:
    """As `euler` along falling times, but each step moves between the two ends that the velocity implies.

    x_s = alpha(s) a + sigma(s) z with the a and z predicted at t: exact while they stay put, however curved
    the path. Of order 1 as well; on the linear path it is Euler's method. On the others it needs far fewer
    steps: a single Euler step along the VP path returns the noise almost as it came.
    Shapes: x (B, A), times (T + 1,), all positive but the last -> (B, A). Source: Song et al., 2021 (DDIM).
    """
    for t, s in pairwise(times):
        t = t.expand(len(x))
        velocity = field(x, t)
        act, noise = path.act_from_velocity(x, velocity, t), path.noise_from_velocity(x, velocity, t)
        x = path.point(act, noise, s.expand(len(x)))
    return x
