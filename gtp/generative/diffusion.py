"""Denoising diffusion of actions: the variance-preserving path at N levels, and its ancestral sampler.

Level 0 is data, level N nearly pure noise: x_i = sqrt(abar_i) a + sqrt(1 - abar_i) z with z ~ N(0, I).
With alpha_i = exp(-b_min / N - (b_max - b_min) (2i - 1) / (2 N^2)) the product abar_i = alpha_1 ... alpha_i
has a closed form, which also says what lies between the levels: nothing below is tied to integers.
Source: Diffusion-QL (Wang et al., 2023), whose schedule is that of Xiao et al., 2022.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gtp.randomness import require_slices

NoisePredictor = Callable[[Tensor, Tensor], Tensor]
"""(x (B, A), level () or (B,)) -> an estimate of z, (B, A)"""


@dataclass(frozen=True)
class VariancePreserving:
    """The path between data and noise. Levels may be any real number in [0, N], except where it says so."""

    levels: int
    """N, the number of levels that the network is trained at."""
    beta_min: float
    beta_max: float

    def log_abar(self, level):
        """log abar, of a number or of a tensor of any shape."""
        position = level / self.levels
        return -position * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * position)

    def perturb(self, act: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """x_i. Shapes: act (B, A), noise (B, A), level (B,) -> (B, A)."""
        log_abar = self.log_abar(level)[:, None]
        return (0.5 * log_abar).exp() * act + (-torch.expm1(log_abar)).sqrt() * noise

    def condition(self, level: Tensor) -> Tensor:
        """What the network is told about a level > 0: log(sigma) / 4, as GTP conditions.

        sigma = sqrt((1 - abar) / abar) is the noise's standard deviation in x_i / sqrt(abar_i). Any shape.
        """
        log_abar = self.log_abar(level)
        return 0.125 * ((-torch.expm1(log_abar)).log() - log_abar)

    def sampling_levels(self, nfe: int) -> list[float]:
        """K + 1 levels N = i_0 > ... > i_{K-1} > i_K = 0 of a sampler with K = nfe evaluations.

        It evaluates at all but the last: evenly spaced from N to 1, rounded to trained levels if K <= N,
        so that K = N visits each of them. K > N falls between them, but never below level 1, where the
        network would extrapolate. A single evaluation is at N.
        """
        if nfe < 1:
            raise ValueError(f"nfe must be at least 1, got {nfe}")
        spacing = (self.levels - 1) / max(nfe - 1, 1)
        evaluated = [self.levels - k * spacing for k in range(nfe)]
        return [float(round(i)) if nfe <= self.levels else i for i in evaluated] + [0.0]

    def posterior(self, level: float, lower: float) -> tuple[float, float, float]:
        """q(x_j | x_i, a) for j < i: mean = first * a + second * x_i, and its standard deviation, third.

        Between neighbouring levels it is DDPM's (Ho et al., 2020, equation 7); between distant ones,
        alpha_i is abar_i / abar_j (respacing: Nichol and Dhariwal, 2021).
        """
        at_level, at_lower = self.log_abar(level), self.log_abar(lower)
        beta, noisy = -math.expm1(at_level - at_lower), -math.expm1(at_level)
        noisy_lower = -math.expm1(at_lower)
        return (
            math.exp(0.5 * at_lower) * beta / noisy,
            math.exp(0.5 * (at_level - at_lower)) * noisy_lower / noisy,
            math.sqrt(beta * noisy_lower / noisy),
        )


def ancestral_sample(path: VariancePreserving, predict: NoisePredictor, noise: Tensor, nfe: int) -> Tensor:
    """Actions by K = nfe reverse steps; each clips its estimate of the action to the box [-1, 1].

    Shapes: noise (at least K, B, A) ~ N(0, I), of which the first slice is x_N and the following ones are
    the steps' own -> (B, A). The last step returns the estimate itself: the posterior given it is a point.
    Raises ValueError for fewer slices than evaluations.
    """
    require_slices(noise, nfe)
    x = noise[0]
    for k, (level, lower) in enumerate(pairwise(path.sampling_levels(nfe)), start=1):
        log_abar = path.log_abar(level)
        estimate = predict(x, torch.full((), level, dtype=x.dtype, device=x.device))
        clean = (x - math.sqrt(-math.expm1(log_abar)) * estimate) * math.exp(-0.5 * log_abar)
        clean = clean.clamp(-1.0, 1.0)
        if k == nfe:
            break
        of_clean, of_x, std = path.posterior(level, lower)
        x = of_clean * clean + of_x * x + std * noise[k]
    return clean
