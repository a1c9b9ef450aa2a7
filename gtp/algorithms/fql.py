"""Flow Q-learning (FQL; Park et al., 2025): a one-step policy, distilled from a cloned flow, climbs Q."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from gtp.algorithms.common.critics import twin_q_loss, value_target
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.generative.gaussian_paths import PATHS, euler
from gtp.networks import MLP, Sizes, TwinQ, action_network, time_features
from gtp.randomness import Draw

LINEAR = PATHS["linear"]


@dataclass(frozen=True, kw_only=True)
class FQL(Algorithm):
    """The flow only clones; the one-step actor follows it and Q, and acts with one evaluation whatever K."""

    choosable_nfe: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)
    averages: ClassVar[tuple[Average, ...]] = (Average("actor"), Average("critic"))

    alpha: float = 10.0
    """Weight of the distillation beside Q, for rewards of -1 and 0 in mazes and returns that span 1000
    elsewhere; the one hyperparameter to tune."""
    flow_steps: int = 10
    """Euler steps of the flow in the distillation."""
    aggregate: Literal["mean", "min"] = "mean"
    """How the two target heads become one value of the next action."""
    normalize_q: bool = False
    """Whether the Q-term is divided by mean |Q|, as its authors advise for new tasks."""

    def __post_init__(self):
        if not 0.0 <= self.alpha < math.inf:
            raise ValueError(f"alpha must be finite and not negative, got {self.alpha}")
        if self.flow_steps < 1:
            raise ValueError(f"flow_steps must be at least 1, got {self.flow_steps}")

    def for_reward_unit(self, unit: float) -> Self:
        """FQL with alpha divided by the unit; unchanged with `normalize_q`, where the unit cancels."""
        return self if self.normalize_q else replace(self, alpha=self.alpha / unit)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        inputs = sizes.observation + sizes.action
        return {
            "actor": MLP(inputs, sizes.action, sizes.hidden, sizes.layers),
            "flow": action_network(sizes),
            "critic": TwinQ(sizes),
        }

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        noise = Draw("normal", (batch_size, action_size))
        times = Draw("uniform", (batch_size,))
        return {"next_actions": noise, "noise": noise, "times": times, "own_actions": noise}

    def updates(self) -> tuple[Update, ...]:
        return (
            Update("critic", self.critic_loss),
            Update("flow", self.flow_loss),
            Update("actor", self.actor_loss),
        )

    def critic_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Squared TD error; next actions come from the one-step actor."""
        next_act = networks["actor_ema"](batch.next_obs, draws["next_actions"]).clamp(-1.0, 1.0)
        next_q = networks["critic_ema"](batch.next_obs, next_act)
        next_value = next_q.mean(dim=0) if self.aggregate == "mean" else next_q.amin(dim=0)
        q = networks["critic"](batch.obs, batch.act)
        target = value_target(batch.rew, batch.discount, next_value)
        return twin_q_loss(q, target), {"q/mean": q.mean(), "q/max": q.amax()}

    def flow_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Flow matching on straight lines from noise to the data's actions."""
        noise, t = draws["noise"], draws["times"]
        velocity = self.velocity(networks["flow"], batch.obs)(LINEAR.point(batch.act, noise, t), t)
        return (velocity - LINEAR.velocity(batch.act, noise, t)).square().mean(), {}

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """alpha |mu(s, z) - flow(s, z)|^2 - mean_j Q_j(s, mu(s, z)), both from the same noise z."""
        noise = draws["own_actions"]
        followed = self.follow_flow(networks["flow"], batch.obs, noise).detach()
        act = networks["actor"](batch.obs, noise)
        distillation = (act - followed).square().mean()
        q = networks["critic"](batch.obs, act.clamp(-1.0, 1.0)).mean(dim=0)
        q_term = -q.mean()
        if self.normalize_q:
            q_term = q_term / q.abs().mean().clamp(min=1e-6).detach()
        return self.alpha * distillation + q_term, {"loss/distillation": distillation, "loss/q": q_term}

    def velocity(self, flow, obs: Tensor):
        """The flow's velocity field at fixed observations: (x (B, A), t (B,)) -> (B, A)."""
        return lambda x, t: flow(obs, x, time_features(t))

    def follow_flow(self, flow, obs: Tensor, noise: Tensor) -> Tensor:
        """Carry noise (B, A) to actions with Euler's method, clipped to [-1, 1]."""
        times = torch.linspace(1.0, 0.0, self.flow_steps + 1, device=noise.device)
        return euler(self.velocity(flow, obs), noise, times).clamp(-1.0, 1.0)

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return networks["actor_ema"](obs, noise).clamp(-1.0, 1.0)


ALGORITHM = FQL
