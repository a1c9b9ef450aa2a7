"""Consistency actor-critic (Consistency-AC; Ding and Jin, 2024): a consistency policy that also climbs Q."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gtp.algorithms.common.consistency_model import ConsistencySettings
from gtp.algorithms.common.denoising_policy import DenoisingActorCritic
from gtp.algorithms.common.interface import Batch, Networks


@dataclass(frozen=True, kw_only=True)
class ConsistencyAC(ConsistencySettings, DenoisingActorCritic):
    """Consistency-BC's loss plus eta L_q, with a critic trained on the policy's own next actions."""

    target_nfe: int = 2
    """Function evaluations of the actions in the TD target and in the Q-term."""
    q_norm: bool = False
    """Divide the TD target by its standard deviation over the minibatch."""

    def target(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor]) -> Tensor:
        target = super().target(networks, batch, draws)
        return target / (target.std(correction=0) + 1e-6) if self.q_norm else target


ALGORITHM = ConsistencyAC
