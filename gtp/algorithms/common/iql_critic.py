"""The critic of implicit Q-learning, on which IQL, GMPO and GMPG build: it values the data alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor, nn

from gtp.algorithms.common.critics import expectile_loss, twin_q_loss, value_target
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.networks import Sizes, StateValue, TwinQ


@dataclass(frozen=True, kw_only=True)
class InSampleCritic(Algorithm):
    """V by expectile regression on the target critic, Q towards r + gamma V(s') (IQL, equations 5 and 6)."""

    averages: ClassVar[tuple[Average, ...]] = (Average("actor"), Average("critic"))

    expectile: float = 0.7
    """Expectile of V, in (0, 1)."""

    def __post_init__(self):
        if not 0.0 < self.expectile < 1.0:
            raise ValueError(f"expectile must lie in (0, 1), got {self.expectile}")

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"critic": TwinQ(sizes), "value": StateValue(sizes)}

    def updates(self) -> tuple[Update, ...]:
        return (Update("value", self.value_loss), Update("critic", self.critic_loss))

    def value_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Expectile regression of V on min_j Q'_j(s, a) at the dataset's actions."""
        q = networks["critic_ema"](batch.obs, batch.act).amin(dim=0).detach()
        return expectile_loss(q - networks["value"](batch.obs), self.expectile), {}

    def critic_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Squared TD error of both heads with V(s') in the target."""
        target = value_target(batch.rew, batch.discount, networks["value"](batch.next_obs))
        q = networks["critic"](batch.obs, batch.act)
        return twin_q_loss(q, target), {"q/mean": q.mean(), "q/max": q.amax()}


@dataclass(frozen=True, kw_only=True)
class AdvantageWeighted(InSampleCritic):
    """Weights for the losses of a policy on the data, from the advantages (IQL, equation 7)."""

    beta: float = 3.0
    """Inverse temperature of the advantages, in units of IQL's rewards: large is greedy, 0 clones."""
    max_weight: float = 100.0
    """Upper clip of the advantage weights."""

    def __post_init__(self):
        super().__post_init__()
        if not 0.0 <= self.beta < math.inf:
            raise ValueError(f"beta must be finite and not negative, got {self.beta}")
        if not 0.0 < self.max_weight < math.inf:
            raise ValueError(f"max_weight must be finite and positive, got {self.max_weight}")

    def for_reward_unit(self, unit: float) -> Self:
        return replace(self, beta=self.beta * unit)

    def weights(self, networks: Networks, batch: Batch) -> Tensor:
        """min(exp(beta A), max_weight) with A = min_j Q'_j(s, a) - V(s), without gradient. Shape (B,)."""
        q = networks["critic_ema"](batch.obs, batch.act).amin(dim=0)
        advantage = (q - networks["value"](batch.obs)).detach()
        return (self.beta * advantage).exp().clamp(max=self.max_weight)
