"""Generative model policy optimisation (GMPO; Zhang et al., 2024): advantage-weighted matching."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gtp.algorithms.common.flow_policy import FlowPolicy
from gtp.algorithms.common.guidance import weight_statistics
from gtp.algorithms.common.interface import Batch, Networks, Update
from gtp.algorithms.common.iql_critic import AdvantageWeighted


@dataclass(frozen=True, kw_only=True)
class GMPO(AdvantageWeighted, FlowPolicy):
    """Forward KL(pi* || pi): the matching loss, weighted with min(exp(beta A), max_weight) on the data."""

    beta: float = 8.0
    """Inverse temperature of the advantages, in units of IQL's rewards: large is greedy, 0 clones. Published
    per task, from 1 to 16."""

    def updates(self) -> tuple[Update, ...]:
        return (*super().updates(), Update("actor", self.actor_loss))

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Mean of w(s, a) times the matching error of the data's action."""
        error = self.matching_error(networks["actor"], batch.obs, batch.act, draws)
        weight = self.weights(networks, batch)
        return (weight * error).mean(), {"loss/matching": error.mean(), **weight_statistics(weight)}


ALGORITHM = GMPO
