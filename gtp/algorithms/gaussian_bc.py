"""Behaviour cloning with a diagonal Gaussian: the policy class that cannot represent two modes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.networks import GaussianActor, Sizes, gaussian_log_likelihood
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class GaussianBC(Algorithm):
    """Maximum likelihood on the dataset's actions; acts with the mean."""

    choosable_nfe: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)
    averages: ClassVar[tuple[Average, ...]] = (Average("actor"),)

    log_std_min: float = -5.0
    """Lower clamp of the log standard deviation."""
    log_std_max: float = 2.0
    """Upper clamp of the log standard deviation."""

    def __post_init__(self):
        if not self.log_std_min < self.log_std_max:
            raise ValueError(
                f"log_std_min must lie below log_std_max, got {self.log_std_min} and {self.log_std_max}"
            )

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        return {"actor": GaussianActor(sizes, (self.log_std_min, self.log_std_max))}

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {}

    def updates(self) -> tuple[Update, ...]:
        return (Update("actor", self.actor_loss),)

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """-log N(a; mean(s), std)."""
        mean, log_std = networks["actor"](batch.obs)
        nll = -gaussian_log_likelihood(batch.act, mean, log_std).mean()
        return nll, {"policy/std": log_std.exp().mean()}

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return networks["actor_ema"](obs)[0]


ALGORITHM = GaussianBC
