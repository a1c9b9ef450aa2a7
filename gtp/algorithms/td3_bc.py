"""TD3+BC (Fujimoto and Gu, 2021): a deterministic policy climbs Q and stays near the data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gtp.algorithms.common.critics import td_target, twin_q_loss
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.networks import DeterministicActor, Sizes, TwinQ
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class TD3BC(Algorithm):
    """Minimise -lambda Q_1(s, pi(s)) + |pi(s) - a|^2 with lambda = alpha / mean |Q_1|."""

    choosable_nfe: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    alpha: float = 2.5
    """Weight of the Q-term beside the cloning term, both in units of the action."""
    target_noise: float = 0.2
    """Standard deviation of the noise on the next actions in the TD target."""
    target_noise_clip: float = 0.5
    """Largest magnitude of that noise."""
    policy_delay: int = 1
    """Updates of the critic for each of the actor and of the averages; its authors take 2."""

    def __post_init__(self):
        for name in ("alpha", "target_noise", "target_noise_clip"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")

        if self.policy_delay < 1:
            raise ValueError(f"policy_delay must be at least 1, got {self.policy_delay}")

    @property
    def averages(self) -> tuple[Average, ...]:
        return tuple(Average(network, every=self.policy_delay) for network in ("actor", "critic"))

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"actor": DeterministicActor(sizes), "critic": TwinQ(sizes)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {"target_noise": Draw("normal", (batch_size, action_size))}

    def updates(self) -> tuple[Update, ...]:
        return (Update("critic", self.critic_loss), Update("actor", self.actor_loss, every=self.policy_delay))

    def critic_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Clipped double Q with smoothed actions of the target policy (TD3: Fujimoto et al., 2018)."""
        limit = self.target_noise_clip
        noise = (self.target_noise * draws["target_noise"]).clamp(-limit, limit)
        next_act = (networks["actor_ema"](batch.next_obs) + noise).clamp(-1.0, 1.0)
        target = td_target(batch.rew, batch.discount, networks["critic_ema"](batch.next_obs, next_act))
        q = networks["critic"](batch.obs, batch.act)
        return twin_q_loss(q, target), {"q/mean": q.mean(), "q/max": q.amax()}

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """-lambda Q_1 plus the squared distance to the data, averaged over action dimensions (equation 3)."""
        act = networks["actor"](batch.obs)
        q = networks["critic"](batch.obs, act)[0]
        scale = self.alpha / q.abs().mean().clamp(min=1e-6).detach()
        cloning = (act - batch.act).square().mean()
        return cloning - scale * q.mean(), {"loss/cloning": cloning, "loss/q": -scale * q.mean()}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return networks["actor_ema"](obs)


ALGORITHM = TD3BC
