"""Diffusion Q-learning (Diffusion-QL; Wang et al., 2023): a diffusion policy that also climbs Q."""

from dataclasses import dataclass

from gtp.algorithms.common.denoising_policy import DenoisingActorCritic
from gtp.algorithms.common.diffusion_model import DiffusionSettings


@dataclass(frozen=True, kw_only=True)
class DiffusionQL(DiffusionSettings, DenoisingActorCritic):
    """Diffusion-BC's loss plus eta L_q, with a critic trained on the policy's own next actions."""

    @property
    def target_nfe(self) -> int:
        """N: the TD target and the Q-term, whose gradient passes through each step, sample by every level."""
        return self.levels


ALGORITHM = DiffusionQL
