"""What the diffusion and the consistency policies share: cloning, and cloning plus a Q-term.

Diffusion-QL (Wang et al., 2023) and Consistency-AC (Ding and Jin, 2024) are the same actor-critic around
two generative models. The models differ in their loss and their sampler; what surrounds them is here.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gtp.algorithms.common.critics import max_q_backup, q_of_samples, td_target, twin_q_loss
from gtp.algorithms.common.generative_model import GenerativeModel
from gtp.algorithms.common.guidance import normalized_q_loss
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.networks import Sizes, TwinQ
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class DenoisingPolicy(Algorithm):
    """A policy that holds a generative model whose sampler takes fresh noise at every evaluation."""

    choosable_nfe: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    def __post_init__(self):
        _ = self.model  # checks its settings

    @property
    @abstractmethod
    def model(self) -> GenerativeModel:
        """The generative model of the dataset's actions."""

    @abstractmethod
    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """The loss of the actor."""

    def cloning_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """The model's own loss on the dataset's actions."""
        actor, average = networks["actor"], networks["actor_ema"]
        return self.model.loss(actor, average, batch.obs, batch.act, draws, progress)

    def noise_shape(self, batch_size: int, action_size: int, nfe: int) -> tuple[int, ...]:
        return (nfe, batch_size, action_size)

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return self.model.sample(networks["actor_ema"], obs, noise, nfe)


@dataclass(frozen=True, kw_only=True)
class DenoisingCloning(DenoisingPolicy):
    """The model fitted to the dataset's actions, and nothing else."""

    averages: ClassVar[tuple[Average, ...]] = (Average("actor"),)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"actor": self.model.network(sizes)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return self.model.draws(batch_size, action_size)

    def updates(self) -> tuple[Update, ...]:
        return (Update("actor", self.actor_loss),)

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        return self.cloning_loss(networks, batch, draws, progress)


@dataclass(frozen=True, kw_only=True)
class DenoisingActorCritic(DenoisingPolicy):
    """The model cloned while it climbs Q: L = L_cloning + eta L_q, through all steps of its sampler."""

    averages: ClassVar[tuple[Average, ...]] = (Average("actor"), Average("critic"))

    eta: float = 1.0
    """Weight of the normalised Q-term beside the cloning loss; without it, take the cloning method."""
    max_q_samples: int = 1
    """Next actions per state in the TD target; above 1 the best counts (max-Q backup)."""

    def __post_init__(self):
        super().__post_init__()
        if not 0.0 < self.eta < math.inf:
            raise ValueError(f"eta must be finite and positive, got {self.eta}")
        for name in ("max_q_samples", "target_nfe"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    @abstractmethod
    def target_nfe(self) -> int:
        """Function evaluations of the actions in the TD target and in the Q-term."""

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"actor": self.model.network(sizes), "critic": TwinQ(sizes)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        own = (self.target_nfe, batch_size, action_size)
        return self.model.draws(batch_size, action_size) | {
            "next_actions": Draw("normal", (self.target_nfe, self.max_q_samples, batch_size, action_size)),
            "own_actions": Draw("normal", own),
            "head": Draw("uniform", ()),
        }

    def updates(self) -> tuple[Update, ...]:
        return (Update("critic", self.critic_loss), Update("actor", self.actor_loss))

    def critic_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Twin-Q TD error."""
        q = networks["critic"](batch.obs, batch.act)
        return twin_q_loss(q, self.target(networks, batch, draws)), {"q/mean": q.mean(), "q/max": q.amax()}

    def target(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor]) -> Tensor:
        """TD target with next actions from the EMA actor. Shape (B,)."""
        next_act = self.samples(networks["actor_ema"], batch.next_obs, draws["next_actions"], self.target_nfe)
        next_q = q_of_samples(networks["critic_ema"], batch.next_obs, next_act)
        return td_target(batch.rew, batch.discount, max_q_backup(next_q))

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """The cloning loss plus eta L_q."""
        cloning, logged = self.cloning_loss(networks, batch, draws, progress)
        own = self.model.sample(networks["actor"], batch.obs, draws["own_actions"], self.target_nfe)
        q_term = normalized_q_loss(networks["critic"](batch.obs, own), draws["head"])
        return cloning + self.eta * q_term, logged | {"loss/cloning": cloning, "loss/q": q_term}

    def samples(self, actor, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """M actions per state. Shapes: obs (B, O), noise (at least nfe, M, B, A) -> (M, B, A)."""
        repeated = obs.expand(noise.shape[1], -1, -1).flatten(end_dim=1)
        flat = self.model.sample(actor, repeated, noise.flatten(1, 2), nfe)
        return flat.unflatten(0, noise.shape[1:3])
