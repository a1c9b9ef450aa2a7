"""Behaviour cloning with a consistency policy (Consistency-BC; Ding and Jin, 2024)."""

from dataclasses import dataclass

from gtp.algorithms.common.consistency_model import ConsistencySettings
from gtp.algorithms.common.denoising_policy import DenoisingCloning


@dataclass(frozen=True, kw_only=True)
class ConsistencyBC(ConsistencySettings, DenoisingCloning):
    """Learns one map from every noise level to the action, by consistency training; acts in few steps."""


ALGORITHM = ConsistencyBC
