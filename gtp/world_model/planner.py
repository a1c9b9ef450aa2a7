"""Planning by reverse diffusion: sequences of actions, denoised towards high imagined returns.

At each noise level, candidate sequences are drawn around the current iterate and imagined in a latent world
model; their returns weight a mean, which by Tweedie's formula is the score. Source: MBDPO (arXiv 2605.26282).
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gtp.world_model.model import WorldModel
from gtp.world_model.regression import decode

BETA_FIRST = 1e-4
BETA_SUM = 0.101
"""Sum of the betas for every number of levels: that of 20 levels up to 1e-2. The first deviation is 0.33."""


class Level(NamedTuple):
    """One noise level tau >= 1 of a schedule."""

    alpha: float
    """1 - beta."""
    cumulative: float
    """Product of the alphas of levels 0 to tau."""

    @property
    def std(self) -> float:
        """Deviation of candidates around x / sqrt(cumulative)."""
        return math.sqrt((1.0 - self.cumulative) / self.cumulative)


def schedule(levels: int) -> list[Level]:
    """The levels that denoising passes, the noisiest first: tau = levels - 1 to 1. Betas grow linearly."""
    last = 2.0 * BETA_SUM / levels - BETA_FIRST
    found, cumulative = [], 1.0
    for tau in range(levels):
        alpha = 1.0 - (BETA_FIRST + (last - BETA_FIRST) * tau / max(levels - 1, 1))
        cumulative *= alpha
        found.append(Level(alpha, cumulative))
    return found[:0:-1]


def score(x: Tensor, mean: Tensor, level: Level) -> Tensor:
    """Tweedie: (-x + sqrt(cumulative) E[a | x]) / (1 - cumulative), any shape."""
    return (-x + math.sqrt(level.cumulative) * mean) / (1.0 - level.cumulative + 1e-8)


def denoise(x: Tensor, gradient: Tensor, level: Level) -> Tensor:
    """The mean of the next iterate: (x + (1 - cumulative) score) / sqrt(alpha), any shape."""
    return (x + (1.0 - level.cumulative) * gradient) / math.sqrt(level.alpha)


class Search(NamedTuple):
    """Settings of the search."""

    horizon: int
    """H, actions of a sequence."""
    samples: int
    """M, candidate sequences at each level."""
    elites: int
    """E, candidates that count; 0 or all: every one."""
    prior_sequences: int
    """P of the M, which follow the policy prior instead of the iterate."""
    temperature: float
    """kappa, of standardised returns."""
    discount: float
    """gamma per step."""
    anchor: float
    """eta, weight of the normalised anchor in units of reward."""

    def noise_rows(self, heads: int) -> int:
        """Normal vectors that one level takes for one environment: M (H + 1), and the choice of two heads."""
        return self.samples * (self.horizon + 1) + (heads if heads > 2 else 0)


def imagine(model: WorldModel, latent: Tensor, act: Tensor, noise: Tensor, heads: Tensor, search: Search):
    """Candidates as they are imagined, and their returns.

    The first P follow the prior, along the latents that their own actions lead to. The return is
    sum_t gamma^t k_t [R + eta F] + gamma^H k_H Q(z_H, prior), where k is 0 once the model has terminated.
    Shapes: latent (B, Z), act (M, H, B, A), noise (M, H + 1, B, A), heads (n, B) -> (M, H, B, A), (M, B).
    """
    count = search.prior_sequences
    z = latent.expand(len(act), *latent.shape)
    returns: Any
    alive: Any
    returns, alive, discount, taken = 0.0, 1.0, 1.0, []
    for t in range(search.horizon):
        a = torch.cat([model.sample(z[:count], noise[:count, t]), act[count:, t]])
        gain = decode(model.reward(z, a))
        if search.anchor:
            gain = gain + search.anchor * model.normalized_anchor(z, a)
        returns = returns + discount * alive * gain
        z = model.dynamics(z, a)
        alive = alive * (model.termination(z).squeeze(-1) <= 0.0)
        discount *= search.discount
        taken.append(a)
    last = model.sample(z, noise[:, search.horizon])
    returns = returns + discount * alive * model.value(z, last, heads[:, None])
    return torch.stack(taken, dim=1), returns.nan_to_num(0.0)


def weighted_mean(act: Tensor, returns: Tensor, search: Search) -> Tensor:
    """Mean of the elites by softmax of standardised returns: (M, H, B, A), (M, B) -> (H, B, A)."""
    std = returns.std(dim=0)
    std = torch.where(std < 1e-4, torch.ones_like(std), std)
    logits = (returns - returns.mean(dim=0)) / std / search.temperature
    if 0 < search.elites < len(act):
        logits, best = logits.topk(search.elites, dim=0)
        act = act.gather(0, best[:, None, :, None].expand(-1, act.shape[1], -1, act.shape[3]))
    return (logits.softmax(dim=0)[:, None, :, None] * act).sum(dim=0)


def plan(model: WorldModel, latent: Tensor, start: Tensor, noise: Tensor, search: Search) -> Tensor:
    """The plan that denoising makes of `start`: a mean of candidates, which lie in [-1, 1].

    Shapes: latent (B, Z), start (H, B, A), noise (N - 1, `noise_rows`, B, A) -> (H, B, A).
    """
    levels = schedule(len(noise) + 1)
    x = start * math.sqrt(levels[0].cumulative)
    rows = search.samples * (search.horizon + 1)
    for level, own in zip(levels, noise, strict=True):
        sequences = own[:rows].unflatten(0, (search.samples, search.horizon + 1))
        candidates = x / math.sqrt(level.cumulative) + level.std * sequences[:, : search.horizon]
        candidates, returns = imagine(
            model, latent, candidates.clamp(-1.0, 1.0), sequences, own[rows:, :, 0], search
        )
        mean = weighted_mean(candidates, returns, search)
        x = denoise(x, score(x, mean, level), level)
    return x
