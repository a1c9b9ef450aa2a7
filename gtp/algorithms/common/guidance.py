"""How values steer a generative policy in training: weights on its losses, or a Q-term beside them."""

from typing import Literal

import torch
from torch import Tensor

NegativeAdvantage = Literal["keep", "truncate"]


def advantage_weights(
    advantage: Tensor, eta: float, negative: NegativeAdvantage, max_weight: float
) -> Tensor:
    """w = exp(eta A / std(A)), clipped from above; the paper truncates A at 0 first, so that w >= 1.

    Shapes: advantage (B,) -> (B,), without gradient. The standard deviation is the minibatch's.
    `keep` is what KL-regularised policy improvement asks for, pi* proportional to pi_BC exp(eta A): it
    lets bad actions weigh less than 1. Source: equation 14.
    """
    advantage = advantage.detach()
    scaled = advantage / (advantage.std(correction=0) + 1e-6)
    if negative == "truncate":
        scaled = scaled.clamp(min=0.0)
    return torch.exp(eta * scaled).clamp(max=max_weight)


def effective_sample_share(weights: Tensor) -> Tensor:
    """(sum w)^2 / (B sum w^2): 1 when all weights agree, 1/B when one carries everything. (B,) -> ()."""
    return weights.sum().square() / (len(weights) * weights.square().sum())


def weight_statistics(weights: Tensor) -> dict[str, Tensor]:
    """What is logged of the weights (B,) of a minibatch: each quantity ()."""
    return {
        "weight/mean": weights.mean(),
        "weight/max": weights.amax(),
        "weight/effective_share": effective_sample_share(weights),
    }


def linear_q_loss(q: Tensor) -> Tensor:
    """-mean Q_1(s, a) over actions sampled from the policy; its gradient passes through the sampler.

    Shapes: q (2, B) -> (). Source: the alternative that the paper's table 3 ablates ("linear Q-term").
    """
    return -q[0].mean()


def normalized_q_loss(q: Tensor, uniform: Tensor) -> Tensor:
    """-mean Q_1 / mean |Q_2| over actions sampled from the policy, without gradient through the denominator.

    Shapes: q (2, B), uniform () in [0, 1) -> (). Below 0.5 the heads swap roles. Dividing makes the term's
    weight independent of the scale of rewards. Source: Diffusion-QL (Wang et al., 2023), section 4.
    """
    scale = q.abs().mean(dim=-1).flip(0).detach()  # each head is measured by the other
    by_head = -q.mean(dim=-1) / scale.clamp(min=1e-6)  # the clamp spares a critic that is 0 everywhere
    return torch.where(uniform < 0.5, by_head[1], by_head[0])
