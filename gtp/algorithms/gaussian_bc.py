"""Behaviour cloning with a diagonal Gaussian: the policy class that cannot represent two modes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gtp.algorithms.base import Algorithm, Batch, Networks, Update
from gtp.networks import MLP, Sizes
from gtp.randomness import Draw


class GaussianActor(nn.Module):
    """tanh-squashed mean and a state-independent log standard deviation. Shapes: obs (B, O) -> (B, 2A)."""

    def __init__(self, sizes: Sizes, log_std_min: float, log_std_max: float):
        super().__init__()
        self.mean = MLP(sizes.observation, sizes.action, sizes.hidden, sizes.layers)
        self.log_std = nn.Parameter(torch.zeros(sizes.action))
        self.bounds = (log_std_min, log_std_max)

    def forward(self, obs: Tensor) -> Tensor:
        mean = torch.tanh(self.mean(obs))
        return torch.cat([mean, self.log_std.clamp(*self.bounds).expand_as(mean)], dim=-1)


@dataclass(frozen=True, kw_only=True)
class GaussianBC(Algorithm):
    """Maximum likelihood on the dataset's actions; acts with the mean."""

    generative: ClassVar[bool] = False
    acting: ClassVar[tuple[str, ...]] = ("actor_ema",)

    log_std_min: float = -5.0
    """Lower clamp of the log standard deviation."""
    log_std_max: float = 2.0
    """Upper clamp of the log standard deviation."""

    def __post_init__(self):
        if not self.log_std_min < self.log_std_max:
            raise ValueError(
                f"log_std_min must lie below log_std_max, got {self.log_std_min} and {self.log_std_max}"
            )

    @property
    def averaged(self) -> tuple[str, ...]:
        return ("actor",)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"actor": GaussianActor(sizes, self.log_std_min, self.log_std_max)}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {}

    def updates(self) -> tuple[Update, ...]:
        return (Update("actor", self.actor_loss),)

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """-log N(a; mean(s), std), summed over action dimensions."""
        mean, log_std = networks["actor"](batch.obs).chunk(2, dim=-1)
        error = (batch.act - mean) / log_std.exp()
        nll = (0.5 * error.square() + log_std + 0.5 * math.log(2.0 * math.pi)).sum(dim=-1).mean()
        return nll, {"policy/std": log_std.exp().mean()}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return networks["actor_ema"](obs).chunk(2, dim=-1)[0]


ALGORITHM = GaussianBC
