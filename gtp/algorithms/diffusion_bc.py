"""Behaviour cloning with a denoising diffusion policy (Diffusion-BC; Wang et al., 2023)."""

from dataclasses import dataclass

from gtp.algorithms.common.denoising_policy import DenoisingCloning
from gtp.algorithms.common.diffusion_model import DiffusionSettings


@dataclass(frozen=True, kw_only=True)
class DiffusionBC(DiffusionSettings, DenoisingCloning):
    """Predicts the noise in a noisy action; acts by ancestral sampling."""


ALGORITHM = DiffusionBC
