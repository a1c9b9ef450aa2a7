"""The functions of a latent world model, with their parameters bound: what losses and planners call."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gtp.world_model.regression import decode

ANCHOR_LIMIT = 5.0
"""Largest magnitude of a normalised anchor."""


class WorldModel(NamedTuple):
    """Shapes below: latent z (..., Z), action a (..., A)."""

    dynamics: Callable[[Tensor, Tensor], Tensor]
    """f(z, a): the next latent (..., Z)."""
    reward: Callable[[Tensor, Tensor], Tensor]
    """Logits of the reward (..., K)."""
    values: Callable[[Tensor, Tensor], Tensor]
    """Logits of each value head (n, ..., K)."""
    prior: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Mean and log deviation of the policy prior before tanh: (..., A) each."""
    anchor: Callable[[Tensor, Tensor], Tensor]
    """F(z, a) (..., 1)."""
    anchor_moments: Callable[[], tuple[Tensor, Tensor]]
    """Running mean and deviation of F."""
    termination: Callable[[Tensor], Tensor]
    """Logit of having terminated on arriving in a latent: (..., 1)."""

    @classmethod
    def of(cls, networks: Mapping[str, Callable]) -> "WorldModel":
        """The model of a method's networks of these names."""
        return cls(**{name: networks[name] for name in cls._fields})

    def sample(self, latent: Tensor, noise: Tensor) -> Tensor:
        """An action of the prior: (..., Z), standard normal (..., A) -> (..., A)."""
        mean, log_std = self.prior(latent)
        return (mean + log_std.exp() * noise).tanh()

    def normalized_anchor(self, latent: Tensor, act: Tensor) -> Tensor:
        """clip((F - m) / s, -5, 5): (...)."""
        mean, std = self.anchor_moments()
        return ((self.anchor(latent, act).squeeze(-1) - mean) / std).clamp(-ANCHOR_LIMIT, ANCHOR_LIMIT)

    def value(self, latent: Tensor, act: Tensor, preference: Tensor | None = None) -> Tensor:
        """Mean of two decoded heads, those of the largest `preference`; of all when there are but two.

        Shapes: preference (n,) or (n, ...) -> (...).
        """
        values = decode(self.values(latent, act))
        if len(values) <= 2:
            return values.mean(dim=0)
        chosen = preference.topk(2, dim=0).indices  # type: ignore[union-attr]
        if chosen.ndim == 1:
            return values[chosen].mean(dim=0)
        return values.gather(0, chosen.expand(2, *values.shape[1:])).mean(dim=0)

    def rollout(self, latent: Tensor, act: Tensor) -> Tensor:
        """Latents along actions, the first among them: (B, Z), (H, B, A) -> (H + 1, B, Z)."""
        latents = [latent]
        for step in act:
            latents.append(self.dynamics(latents[-1], step))
        return torch.stack(latents)
