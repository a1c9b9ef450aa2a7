"""A consistency model of actions, as Consistency-BC and Consistency-AC hold it (Ding and Jin, 2024)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from gtp.algorithms.common.generative_model import GenerativeModel
from gtp.generative.consistency import (
    Consistency,
    consistency_function,
    consistency_training_error,
    grid_size,
    multistep_sample,
    neighbouring_times,
    sampling_times,
)
from gtp.generative.solution_map import TimeScale
from gtp.networks import time_features
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class ConsistencySettings:
    """The model's hyperparameters, as fields of the methods that hold it."""

    sigma_data: float = 0.5
    """Standard deviation of the actions that the parameterisation assumes."""
    t_min: float = 0.002
    """Least noise level, where the map is the identity; in action units."""
    t_max: float = 80.0
    """Noise level at which sampling starts, in action units."""
    t_last: float = 2.0
    """Noise level of the last of several evaluations when sampling, in action units."""
    rho: float = 7.0
    """Warp of the training grid (Karras et al., 2022)."""
    first_grid: int = 2
    """Times on the training grid when training begins."""
    last_grid: int = 150
    """Times on the training grid when it ends."""
    loss_scale: float = 100.0
    """The loss between times t_n and t_{n+1} weighs loss_scale / (t_{n+1} - t_n)."""

    @property
    def model(self) -> "ConsistencyModel":
        return ConsistencyModel(
            self.sigma_data,
            self.t_min,
            self.t_max,
            self.t_last,
            self.rho,
            self.first_grid,
            self.last_grid,
            self.loss_scale,
        )


@dataclass(frozen=True)
class ConsistencyModel(GenerativeModel):
    """One map from every noise level to the action, learned by consistency training; samples in few steps."""

    sigma_data: float
    t_min: float
    t_max: float
    t_last: float
    rho: float
    first_grid: int
    last_grid: int
    loss_scale: float

    def __post_init__(self):
        if not 0.0 < self.t_min < self.t_last <= self.t_max < math.inf:
            raise ValueError(
                "0 < t_min < t_last <= t_max is required,"
                f" got t_min={self.t_min}, t_last={self.t_last} and t_max={self.t_max}"
            )
        for name in ("sigma_data", "rho", "loss_scale"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and positive, got {getattr(self, name)}")
        if not 2 <= self.first_grid <= self.last_grid:
            raise ValueError(
                f"2 <= first_grid <= last_grid is required, got {self.first_grid} and {self.last_grid}"
            )

    @property
    def time_scale(self) -> TimeScale:
        return TimeScale(self.t_min, self.t_max, self.rho, self.t_max)

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return {
            "noise": Draw("normal", (batch_size, action_size)),
            "times": Draw("uniform", (batch_size,)),
        }

    def consistency(self, network: Callable[..., Tensor], obs: Tensor) -> Consistency:
        """The network's f(x, t) at fixed observations (B, O)."""

        def raw(x: Tensor, t: Tensor) -> Tensor:
            return network(obs, x, time_features(t.log() / 4.0).expand(len(x), -1))

        return lambda x, t: consistency_function(raw, x, t, self.t_min, self.sigma_data)

    def loss(
        self,
        network: Callable[..., Tensor],
        average: Callable[..., Tensor],
        obs: Tensor,
        act: Tensor,
        draws: Mapping[str, Tensor],
        progress: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted difference of f between neighbouring times of one path, the average at the earlier."""
        points = grid_size(progress, self.first_grid, self.last_grid)
        lower, upper = neighbouring_times(draws["times"], points, self.time_scale)
        online, teacher = (self.consistency(each, obs) for each in (network, average))
        error = consistency_training_error(online, teacher, act, draws["noise"], lower, upper)
        return (self.loss_scale / (upper - lower) * error).mean(), {"loss/consistency": error.mean()}

    def sample(self, network: Callable[..., Tensor], obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        times = sampling_times(nfe, self.t_last, self.t_max)
        return multistep_sample(self.consistency(network, obs), noise, times, self.t_min)
