"""Generative model policy optimisation (GMPO; Zhang et al., 2024): advantage-weighted matching."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gtp.algorithms.common.flow_model import FlowSettings
from gtp.algorithms.common.guidance import weight_statistics
from gtp.algorithms.common.interface import Batch, Networks, Update
from gtp.algorithms.common.iql_critic import AdvantageWeighted
from gtp.networks import Sizes
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class GMPO(FlowSettings, AdvantageWeighted):
    """Forward KL(pi* || pi): the matching loss, weighted with min(exp(beta A), max_weight) on the data.

    pi* is the behaviour mu reweighted, proportional to mu exp(beta Q); GMPG descends the reverse divergence.
    """

    choosable_nfe: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    beta: float = 8.0
    """Inverse temperature of the advantages, in units of IQL's rewards: large is greedy, 0 clones. Published
    per task, from 1 to 16."""

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return super().networks(sizes) | {"actor": self.model.network(sizes)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return self.model.draws(batch_size, action_size)

    def updates(self) -> tuple[Update, ...]:
        return (*super().updates(), Update("actor", self.actor_loss))

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Mean of w(s, a) times the matching error of the data's action."""
        error = self.model.matching_error(networks["actor"], batch.obs, batch.act, draws)
        weight = self.weights(networks, batch)
        return (weight * error).mean(), {"loss/matching": error.mean(), **weight_statistics(weight)}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return self.model.sample(networks["actor_ema"], obs, noise, nfe).clamp(-1.0, 1.0)


ALGORITHM = GMPO
