"""A denoising diffusion model of actions, as Diffusion-BC and Diffusion-QL hold it (Wang et al., 2023)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from gtp.algorithms.common.generative_model import GenerativeModel
from gtp.generative.diffusion import NoisePredictor, VariancePreserving, ancestral_sample
from gtp.networks import time_features
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings:
    """The model's hyperparameters, as fields of the methods that hold it."""

    levels: int = 5
    """N, the noise levels of training."""
    beta_min: float = 0.1
    """Rate at which noise enters at level 0."""
    beta_max: float = 10.0
    """Rate at which noise enters at level N."""

    @property
    def model(self) -> "DiffusionModel":
        return DiffusionModel(self.levels, self.beta_min, self.beta_max)


@dataclass(frozen=True)
class DiffusionModel(GenerativeModel):
    """Predicts the noise in a noisy action; samples by ancestral sampling."""

    levels: int
    beta_min: float
    beta_max: float

    def __post_init__(self):
        if self.levels < 1:
            raise ValueError(f"levels must be at least 1, got {self.levels}")
        if not 0.0 < self.beta_min <= self.beta_max < math.inf:
            raise ValueError(f"0 < beta_min <= beta_max is required, got {self.beta_min} and {self.beta_max}")

    @property
    def path(self) -> VariancePreserving:
        return VariancePreserving(self.levels, self.beta_min, self.beta_max)

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {
            "noise": Draw("normal", (batch_size, action_size)),
            "level": Draw("uniform", (batch_size,)),
        }

    def noise_predictor(self, network: Callable[..., Tensor], obs: Tensor) -> NoisePredictor:
        """The network's eps(x, i) at fixed observations (B, O)."""

        def predict(x: Tensor, level: Tensor) -> Tensor:
            features = time_features(self.path.condition(level)).expand(len(x), -1)
            return network(obs, x, features)

        return predict

    def loss(
        self,
        network: Callable[..., Tensor],
        average: Callable[..., Tensor],
        obs: Tensor,
        act: Tensor,
        draws: Mapping[str, Tensor],
        progress: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean of (z - eps(x_i, i, s))^2 over minibatch and action dimensions, with i uniform on 1..N."""
        level = (draws["level"] * self.levels).floor() + 1.0
        x = self.path.perturb(act, draws["noise"], level)
        estimate = self.noise_predictor(network, obs)(x, level)
        return (draws["noise"] - estimate).square().mean(), {}

    def sample(self, network: Callable[..., Tensor], obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return ancestral_sample(self.path, self.noise_predictor(network, obs), noise, nfe)
