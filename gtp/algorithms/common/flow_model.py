"""A velocity field on a probability path as the model of actions, as GMPO and GMPG hold it.

Source: Zhang et al., 2024 (arXiv 2412.01245).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gtp.generative.gaussian_paths import PATHS, Field, ddim, euler
from gtp.networks import MLP, Sizes, action_network, time_features
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """The model's hyperparameters, as fields of the methods that hold it."""

    path: Literal["vp", "gvp", "linear"] = "gvp"
    """Generative model: the linear VP-SDE, cosine and sine (GVP), or straight lines (conditional flow
    matching)."""
    solver: Literal["ddim", "euler"] = "ddim"
    """Our choice. Sampler from noise to actions; the paper takes 31 Euler steps. A handful of those would do
    badly on curved paths; on straight lines both are the same."""

    @property
    def model(self) -> "FlowModel":
        return FlowModel(self.path, self.solver)


@dataclass(frozen=True)
class FlowModel:
    """The network predicts velocities; sampling carries noise at t = 1 to actions at t = 0."""

    path: str
    solver: str

    def network(self, sizes: Sizes) -> MLP:
        """(obs (B, O), x (B, A), features of t (B, F)) -> velocity (B, A)."""
        return action_network(sizes)

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        """The noise that `matching_error` needs."""
        noise, times = Draw("normal", (batch_size, action_size)), Draw("uniform", (batch_size,))
        return {"noise": noise, "times": times}

    def velocity(self, network: Callable[..., Tensor], obs: Tensor) -> Field:
        """A network's velocity field at fixed observations (B, O)."""
        return lambda x, t: network(obs, x, time_features(t))

    def matching_error(
        self, network: Callable[..., Tensor], obs: Tensor, act: Tensor, draws: Mapping[str, Tensor]
    ) -> Tensor:
        """Flow matching per sample, |v(x_t, t, s) - (alpha' a + sigma' z)|^2 / 2 at t uniform in [0, 1].

        Shapes: obs (B, O), act (B, A), noise (B, A) and times (B,) among the draws -> (B,).
        """
        path, noise, t = PATHS[self.path], draws["noise"], draws["times"]
        velocity = self.velocity(network, obs)(path.point(act, noise, t), t)
        return 0.5 * (velocity - path.velocity(act, noise, t)).square().sum(dim=-1)

    def sample(self, network: Callable[..., Tensor], obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """Carry noise to actions in nfe steps, unclipped. Shapes: obs (B, O), noise (B, A) -> (B, A)."""
        times = torch.linspace(1.0, 0.0, nfe + 1, dtype=noise.dtype, device=noise.device)
        if self.solver == "euler":
            return euler(self.velocity(network, obs), noise, times)
        return ddim(PATHS[self.path], self.velocity(network, obs), noise, times)
