"""Losses of the world model, of the behaviour anchor and of the policy prior.

Shapes: H steps, time first, batch B; latents (H or H + 1, B, Z), actions (H, B, A). Each returns a scalar.
Sources: TD-MPC2 (Hansen et al., 2024) and MBDPO (arXiv 2605.26282); docs/methods.md has the equations.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from gtp.world_model.model import WorldModel
from gtp.world_model.regression import cross_entropy

ANCHOR_RATE = 0.01
"""Rate of the running moments of F."""
SCALE_RATE = 0.01
"""Rate of the running scale of Q."""


def discounted(values: Tensor, rho: float) -> Tensor:
    """Mean over steps of rho^t x_t, and over everything else: (T, ...) -> ()."""
    weights = rho ** torch.arange(len(values), dtype=values.dtype, device=values.device)
    return (weights * values.flatten(1).mean(dim=1)).mean()


def consistency_loss(latents: Tensor, targets: Tensor, rho: float) -> Tensor:
    """(1/H) sum_t rho^t mean (z_{t+1} - z*_{t+1})^2: latents, targets (H, B, Z)."""
    return discounted((latents - targets).square(), rho)


def reward_loss(logits: Tensor, reward: Tensor, rho: float) -> Tensor:
    """(1/H) sum_t rho^t mean CE(R(z_t, a_t), r_t): (H, B, K), (H, B)."""
    return discounted(cross_entropy(logits, reward), rho)


def value_loss(logits: Tensor, target: Tensor, rho: float) -> Tensor:
    """(1/(H n)) sum_i sum_t rho^t mean CE(Q_i(z_t, a_t), y_t): (n, H, B, K), (H, B)."""
    return discounted(cross_entropy(logits, target.expand(logits.shape[:-1])).transpose(0, 1), rho)


def termination_loss(logits: Tensor, terminated: Tensor) -> Tensor:
    """Binary cross-entropy of D(z_{t+1}) against d_t: (H, B, 1), (H, B)."""
    return functional.binary_cross_entropy_with_logits(logits.squeeze(-1), terminated)


def scrambled(act: Tensor) -> Tensor:
    """Actions in batch-first order where latents are time-first: (H, B, A) -> (H, B, A).

    The released code pairs them so: of 3 x 256 pairs, 2 belong together.
    """
    return act.transpose(0, 1).reshape(act.shape)


def hard_negatives(
    model: WorldModel, latents: Tensor, prior: Tensor, jitter: Tensor, uniform: Tensor
) -> Tensor:
    """For each latent the one of three actions that F takes most for the data's: (H, B, A), no gradient.

    The three are a sample of the prior, the same with noise of deviation 0.5, and a uniform one. Shapes:
    `prior` and `jitter` standard normal (H, B, A), `uniform` (H, B, A) in [0, 1].
    """
    sample = model.sample(latents, prior)
    candidates = torch.stack([sample, (sample + 0.5 * jitter).clamp(-1.0, 1.0), 2.0 * uniform - 1.0]).detach()
    energy = model.anchor(latents.expand(3, *latents.shape), candidates).detach()
    hardest = energy.argmax(dim=0, keepdim=True).expand(1, *candidates.shape[1:])
    return candidates.gather(0, hardest).squeeze(0)


def anchor_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """1/2 mean softplus(-F(z, a)) + 1/2 mean softplus(F(z, a-)): logits of any shape.

    At its optimum F is log of the data's density of an action over the negatives'.
    """
    return 0.5 * functional.softplus(-positive).mean() + 0.5 * functional.softplus(negative).mean()


def moved_moments(mean: Tensor, std: Tensor, positive: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """The running moments of F after a minibatch's logits."""
    logits = torch.cat([positive.flatten(), negative.flatten()]).detach()
    return {
        "mean": torch.lerp(mean, logits.mean(), ANCHOR_RATE),
        "std": torch.lerp(std, logits.std().clamp(min=1e-6), ANCHOR_RATE),
    }


def percentile(sorted_values: Tensor, share: float) -> Tensor:
    """Linear interpolation between the ranks around `share` of values in order: (B,) -> ()."""
    place = share * (len(sorted_values) - 1)
    low = min(int(place), len(sorted_values) - 2) if len(sorted_values) > 1 else 0
    high = min(low + 1, len(sorted_values) - 1)
    return sorted_values[low] + (place - low) * (sorted_values[high] - sorted_values[low])


def moved_scale(scale: Tensor, q: Tensor) -> Tensor:
    """The running scale of Q: an average of max(1, spread between the 5th and 95th percentile of q (B,))."""
    ordered = q.detach().sort().values
    spread = percentile(ordered, 0.95) - percentile(ordered, 0.05)
    return torch.lerp(scale, spread.clamp(min=1.0), SCALE_RATE)


def prior_loss(
    q: Tensor, log_std: Tensor, noise: Tensor, scale: Tensor, rho: float, entropy: float
) -> Tensor:
    """-(1/(H+1)) sum_t rho^t mean[q_t / S + entropy ent_t] with ent = -A log N(u; mean, std).

    u is the action before tanh. TD-MPC2 scales the squashed action's entropy such that this remains. Shapes:
    q (H + 1, B), log_std and noise (H + 1, B, A).
    """
    likelihood = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
    uncertainty = -noise.shape[-1] * likelihood.sum(dim=-1)
    return -discounted(q / scale + entropy * uncertainty, rho)
