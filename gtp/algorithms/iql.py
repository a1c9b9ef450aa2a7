"""Implicit Q-learning (IQL; Kostrikov et al., 2022): values from the data alone, then weighted regression."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gtp.algorithms.common.guidance import weight_statistics
from gtp.algorithms.common.interface import Batch, Networks, Update
from gtp.algorithms.common.iql_critic import AdvantageWeighted
from gtp.networks import GaussianActor, Sizes, gaussian_log_likelihood
from gtp.randomness import Draw

LOG_STD_BOUNDS = (-5.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class IQL(AdvantageWeighted):
    """A Gaussian policy by advantage-weighted maximum likelihood; acts with its mean."""

    choosable_nfe: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return super().networks(sizes) | {"actor": GaussianActor(sizes, LOG_STD_BOUNDS)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {}

    def updates(self) -> tuple[Update, ...]:
        return (*super().updates(), Update("actor", self.actor_loss))

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """-min(exp(beta A), max_weight) log pi(a | s) (equation 7)."""
        weight = self.weights(networks, batch)
        log_likelihood = gaussian_log_likelihood(batch.act, *networks["actor"](batch.obs))
        return -(weight * log_likelihood).mean(), weight_statistics(weight)

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return networks["actor_ema"](obs)[0]


ALGORITHM = IQL
