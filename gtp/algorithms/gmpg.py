"""Generative model policy gradient (GMPG; Zhang et al., 2024): clone, then climb Q through the sampler.

The published loss needs log pi(a) and log mu(a) of the policy's own samples, each by integrating a divergence
along a thousand steps of an ODE. Here few steps do: their derivative gives the entropy of pi, the score of
mu the rest of the gradient. docs/methods.md says why.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from gtp.algorithms.common.flow_model import FlowSettings
from gtp.algorithms.common.interface import Batch, Copy, Networks, Update
from gtp.algorithms.common.iql_critic import InSampleCritic
from gtp.generative.gaussian_paths import PATHS
from gtp.networks import Sizes
from gtp.randomness import Draw

SECANT = 0.1
"""Distance in the noise over which the sampler's derivative is taken. Automatic differentiation would be
exact, but takes minutes to compile; far smaller distances would amplify rounding."""


@dataclass(frozen=True, kw_only=True)
class GMPG(FlowSettings, InSampleCritic):
    """Reverse KL(pi || pi*): -beta Q at the policy's own actions plus its divergence from the behaviour."""

    choosable_nfe: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    path: Literal["vp", "gvp", "linear"] = "vp"
    """Generative model, as in GMPO; the one that scores best for GMPG in the paper."""
    beta: float = 4.0
    """Weight of Q, in units of IQL's rewards, against the divergence in bits per action dimension. Published
    per task, 0.25 to 20."""
    cloning_share: float = 0.5
    """Our choice. Share of training in which the actor clones the behaviour, before the policy gradient."""
    gradient_nfe: int = 5
    """Our choice. Steps of the sampler that the gradient passes through; the paper takes 999. The policy is
    at its best with as many evaluations."""
    level: float = 0.1
    """Our choice. Noise, in action units, that policy and behaviour carry when they are compared; at much
    less, a small network knows the score of the behaviour badly."""

    def __post_init__(self):
        super().__post_init__()
        if not 0.0 <= self.beta < math.inf:
            raise ValueError(f"beta must be finite and not negative, got {self.beta}")
        if not 0.0 < self.cloning_share < 1.0:
            raise ValueError(f"cloning_share must lie in (0, 1), got {self.cloning_share}")
        if self.gradient_nfe < 1:
            raise ValueError(f"gradient_nfe must be at least 1, got {self.gradient_nfe}")
        if not 0.0 < self.level < math.inf:
            raise ValueError(f"level must be finite and positive, got {self.level}")

    def for_reward_unit(self, unit: float) -> Self:
        return replace(self, beta=self.beta * unit)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        """Beside actor and critic, `behaviour`: mu, the actor as it was when it had cloned."""
        critics = super().networks(sizes)
        return critics | {name: self.model.network(sizes) for name in ("actor", "behaviour")}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        noise = Draw("normal", (batch_size, action_size))
        return self.model.draws(batch_size, action_size) | {"own_actions": noise, "smoothing": noise}

    def updates(self) -> tuple[Update, ...]:
        """Values throughout; the actor first clones, then climbs."""
        return (
            *super().updates(),
            Update("actor", self.cloning_loss, end=self.cloning_share),
            Update("actor", self.actor_loss, begin=self.cloning_share),
        )

    def copies(self) -> tuple[Copy, ...]:
        """The averaged clone is the behaviour, and what the policy gradient starts from."""
        return tuple(Copy("actor_ema", name, self.cloning_share) for name in ("behaviour", "actor"))

    def cloning_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Matching on the data."""
        return self.model.matching_error(networks["actor"], batch.obs, batch.act, draws).mean(), {}

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """-beta min_j Q'_j(s, a) + KL(pi || mu) / (A log 2) at the actor's own samples a.

        The second term has the gradient of the divergence, not its value. Actions outside the box get the Q
        of its edge, which does not pull them further out.
        """
        act, jacobian = self.own_actions(networks["actor"], batch.obs, draws["own_actions"])
        q = networks["critic_ema"](batch.obs, act.clamp(-1.0, 1.0)).amin(dim=0).mean()
        entropy = local_entropy(jacobian, self.level).mean()
        affinity = self.affinity(networks["behaviour"], batch.obs, act, draws["smoothing"]).mean()
        loss = -(entropy + affinity) / (act.shape[-1] * math.log(2.0)) - self.beta * q
        return loss, {"q/own": q, "policy/entropy": entropy}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return self.model.sample(networks["actor_ema"], obs, noise, nfe).clamp(-1.0, 1.0)

    def own_actions(self, actor, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The actor's unclipped samples a, and how they move with their noise, by secants of width SECANT.

        Shapes: obs (B, O), noise (B, A) -> (B, A), (A, B, A); jacobian[i, b] is the derivative of the b-th
        action along the i-th component of its noise.
        """
        size = noise.shape[-1]
        axes = torch.eye(size, dtype=noise.dtype, device=noise.device)[:, None]
        points = torch.cat([noise[None], noise + SECANT * axes])  # (1 + A, B, A)
        repeated = obs.expand(1 + size, -1, -1).flatten(end_dim=1)
        act = self.model.sample(actor, repeated, points.flatten(end_dim=1), self.gradient_nfe).view(
            points.shape
        )
        return act[0], (act[1:] - act[0]) / SECANT

    def affinity(self, behaviour, obs: Tensor, act: Tensor, noise: Tensor) -> Tensor:
        """A term with the gradient of log mu_t(x_t), x_t = alpha a + sigma z, with respect to the actions.

        Shapes: obs (B, O), act (B, A), noise (B, A) -> (B,).
        """
        path = PATHS[self.path]
        t = path.time_at(torch.full_like(act[:, 0], self.level))
        x = path.point(act, noise, t)
        fixed = x.detach()
        score = path.score_from_velocity(fixed, self.model.velocity(behaviour, obs)(fixed, t), t)
        return (score.detach() * x).sum(dim=-1)


def local_entropy(jacobian: Tensor, level: float) -> Tensor:
    """log det(J J^T + level^2 I) / 2: entropy of smoothed samples of z -> a(z), but for a constant, in nats.

    Exact where the sampler is affine, or the level 0 (a change of variables); else the sampler is taken as
    affine as far as the smoothing reaches. Shapes: (A, B, A) -> (B,).
    """
    size = jacobian.shape[-1]
    covariance = torch.einsum("ibk,ibl->bkl", jacobian, jacobian)
    covariance = covariance + level**2 * torch.eye(size, dtype=jacobian.dtype, device=jacobian.device)
    total = torch.zeros_like(covariance[:, 0, 0])
    for _ in range(size):  # elimination: positive definite matrices need no pivoting, and LAPACK no capturing
        pivot, column = covariance[:, 0, 0], covariance[:, 1:, 0]
        total = total + 0.5 * pivot.log()
        covariance = covariance[:, 1:, 1:] - column[:, :, None] * (column / pivot[:, None])[:, None, :]
    return total


ALGORITHM = GMPG
