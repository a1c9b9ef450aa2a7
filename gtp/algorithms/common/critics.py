"""Temporal-difference targets and losses of the critics. All for one seed; means are over the minibatch."""

from collections.abc import Callable

import torch
from torch import Tensor


def td_target(reward: Tensor, discount: Tensor, next_q: Tensor) -> Tensor:
    """y = r + gamma (1 - d) min_j Q_j(s', a'), without gradient.

    Shapes: reward (B,), discount (B,) = gamma (1 - d) with d for true terminations only (a timeout
    bootstraps), next_q (2, B) -> (B,). Source: GTP's equation 16 (clipped double Q, Fujimoto et al., 2018).
    """
    return (reward + discount * next_q.amin(dim=0)).detach()


def value_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """y = r + gamma (1 - d) V(s'), without gradient. Shapes: three (B,) -> (B,).

    Source: IQL (Kostrikov et al., 2022), equation 6: no action outside the data is asked for.
    """
    return (reward + discount * next_value).detach()


def max_q_backup(next_q: Tensor) -> Tensor:
    """The best of M sampled next actions, head by head. Shapes: (2, M, B) -> (2, B).

    Source: the AntMaze setting of CQL and Diffusion-QL.
    """
    return next_q.amax(dim=1)


def q_of_samples(critic: Callable[[Tensor, Tensor], Tensor], obs: Tensor, act: Tensor) -> Tensor:
    """Both heads for M actions in each state, in one call. Shapes: obs (B, O), act (M, B, A) -> (2, M, B)."""
    repeated = obs.expand(len(act), -1, -1)
    q = critic(repeated.flatten(end_dim=1), act.flatten(end_dim=1))
    return q.unflatten(1, act.shape[:2])


def twin_q_loss(q: Tensor, target: Tensor) -> Tensor:
    """Sum over the two heads of the mean squared TD error. Shapes: q (2, B), target (B,) -> ()."""
    return (q - target).square().mean(dim=-1).sum()


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """Mean of |expectile - 1{u < 0}| u^2 with u = Q - V. Shapes: (B,) -> ().

    At expectile 0.5 it is half the squared error; towards 1, V approaches the best action in the data.
    Source: IQL (Kostrikov et al., 2022), equation 5.
    """
    weight = torch.where(difference < 0, 1.0 - expectile, expectile)
    return (weight * difference.square()).mean()
