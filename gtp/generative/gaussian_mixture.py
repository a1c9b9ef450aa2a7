"""A Gaussian mixture over actions: its noise-to-action ODE is known in closed form.

With data x ~ sum_k w_k N(m_k, s^2 I) and x_t = x + t z, the denoiser E[x | x_t] is a weighted mean of the
components' posterior means, and the probability-flow field is f(x, t) = (x - E[x | x_t]) / t.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gtp.generative.solution_map import heun


@dataclass(frozen=True)
class GaussianMixture:
    """Equally wide components. Shapes: means (M, A), weights (M,) summing to 1."""

    means: Tensor
    weights: Tensor
    std: float

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Independent draws, (count, A)."""
        component = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[component] + self.std * noise

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x] at noise level t. Shapes: x (B, A), t (B,) -> (B, A)."""
        variance = self.std**2 + t.square()[:, None]  # (B, 1), of x_t within a component
        distance = (x[:, None] - self.means).square().sum(dim=-1)  # (B, M)
        responsibility = torch.softmax(self.weights.log() - 0.5 * distance / variance, dim=-1)
        shrink = self.std**2 / variance
        posterior_means = self.means + shrink[..., None] * (x[:, None] - self.means)  # (B, M, A)
        return (responsibility[..., None] * posterior_means).sum(dim=1)

    def field(self, x: Tensor, t: Tensor) -> Tensor:
        """f(x, t) = (x - E[x_0 | x_t = x]) / t. Shapes as `denoise`."""
        return (x - self.denoise(x, t)) / t[:, None]

    def solve(self, x: Tensor, times: Tensor) -> Tensor:
        """Carry points (B, A) along the ODE through decreasing `times`, one Heun step between two of them."""
        for t, s in pairwise(times):
            x = heun(self.field, x, t.expand(len(x)), s.expand(len(x)), steps=1)
        return x

    def off_mode_share(self, actions: Tensor, radii: float = 4.0) -> float:
        """Share of actions (B, A) farther than `radii` standard deviations from every mean."""
        return float((torch.cdist(actions, self.means).amin(dim=1) > radii * self.std).double().mean())
