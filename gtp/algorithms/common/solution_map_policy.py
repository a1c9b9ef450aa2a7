"""What GTP and CTM share: the solution map as a policy, its critic, and its advantage weights.

Equation numbers are those of GTP (Feng et al., 2026). Where that paper is silent, a field's docstring says
"our choice"; docs/tuning.md has the measurements behind those defaults.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gtp.algorithms.common.critics import expectile_loss, max_q_backup, td_target, twin_q_loss
from gtp.algorithms.common.guidance import NegativeAdvantage, advantage_weights
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Networks, Update
from gtp.generative.solution_map import Map, Preconditioning, TimeScale, trajectory
from gtp.networks import TIME_FEATURES, Sizes, StateValue, TwinQ, action_network, time_features
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class SolutionMapPolicy(Algorithm):
    """An actor phi(s, a_t, t, tau) whose K-step samples are actions; subclasses say how it is trained."""

    choosable_nfe: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ("actor_ema",)

    eta: float = 1.0
    """Strength of the advantage weights; 0 clones the behaviour and trains no critic."""
    grid_points: int = 20
    """Our choice. Intervals of the grid from which (t, u, tau) are drawn."""
    t_min: float = 0.02
    """Our choice. Least noise level of the grid, in action units."""
    t_max: float = 3.0
    """Our choice. Noise level from which the grid is spaced down to t_min, in action units."""
    t_start: float = 80.0
    """Our choice. Noise level at which trajectories start (T), the grid's first point; in action units."""
    rho: float = 7.0
    """Warp of the grid (Karras et al., 2022)."""
    sigma_data: float = 0.1
    """Our choice. Standard deviation of the actions in one state that the preconditioning assumes; EDM takes
    0.5, that of all data together."""
    negative_advantage: NegativeAdvantage = "keep"
    """Our choice. Whether advantages below 0 lower a sample's weight or are truncated at 0 (the paper)."""
    max_weight: float = 100.0
    """Our choice. Upper clip of the advantage weights."""
    value: Literal["expectile", "policy_samples"] = "expectile"
    """Our choice. V(s): a network fitted by expectile regression on Q, or the mean Q of policy samples."""
    expectile: float = 0.9
    """Our choice. Expectile of V, in (0, 1)."""
    value_samples: int = 4
    """Policy samples per state when value is policy_samples."""
    target_nfe: int = 2
    """Our choice. Function evaluations of the next actions in the TD target."""
    max_q_samples: int = 1
    """Next actions per state in the TD target; above 1 the best counts (max-Q backup)."""

    def __post_init__(self):
        if not 0.0 <= self.eta < math.inf:
            raise ValueError(f"eta must be finite and not negative, got {self.eta}")
        if not 0.0 < self.t_min < self.t_max <= self.t_start < math.inf:
            raise ValueError(
                "0 < t_min < t_max <= t_start is required,"
                f" got t_min={self.t_min}, t_max={self.t_max} and t_start={self.t_start}"
            )
        for name in ("rho", "sigma_data", "max_weight"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and positive, got {getattr(self, name)}")
        for name in ("grid_points", "value_samples", "target_nfe", "max_q_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0.0 < self.expectile < 1.0:
            raise ValueError(f"expectile must lie in (0, 1), got {self.expectile}")

    @property
    def weighted(self) -> bool:
        """Whether the losses carry advantage weights."""
        return self.eta > 0.0

    @property
    def guided(self) -> bool:
        """Whether a critic is needed at all."""
        return self.weighted

    @property
    def averages(self) -> tuple[Average, ...]:
        return tuple(Average(name) for name in (("actor", "critic") if self.guided else ("actor",)))

    @property
    def time_scale(self) -> TimeScale:
        return TimeScale(self.t_min, self.t_max, self.rho, self.t_start)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {"actor": action_network(sizes, times=2)}
        if self.guided:
            networks["critic"] = TwinQ(sizes)
        if self.weighted and self.value == "expectile":
            networks["value"] = StateValue(sizes)
        return networks

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        draws = {
            "noise": Draw("normal", (batch_size, action_size)),
            "times": Draw("uniform", (batch_size, 3)),
        }
        if self.guided:
            draws["next_actions"] = Draw("normal", (self.max_q_samples, batch_size, action_size))
        if self.weighted and self.value == "policy_samples":
            draws["value_actions"] = Draw("normal", (self.value_samples, batch_size, action_size))
        return draws

    def updates(self) -> tuple[Update, ...]:
        """Algorithm 1's order: the critic first, weights from the fresh critic, then the actor."""
        updates = []
        if self.guided:
            updates.append(Update("critic", self.critic_loss))
        if self.weighted and self.value == "expectile":
            updates.append(Update("value", self.value_loss))
        return (*updates, Update("actor", self.actor_loss))

    @abstractmethod
    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """The loss of the actor."""

    def phi(self, actor, obs: Tensor) -> Map:
        """The network's phi(x, t, s) at fixed observations (B, O), with EDM preconditioning."""
        scalings = Preconditioning(self.sigma_data)

        def phi(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
            features = [
                time_features(time.clamp(min=self.t_min).log() / 4.0, TIME_FEATURES) for time in (t, s)
            ]
            return scalings.denoise(lambda scaled: actor(obs, scaled, *features), x, t)

        return phi

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return self.sample(networks["actor_ema"], obs, noise, nfe)

    def fitted(self, phi: Map) -> Map:
        """A map for sampling that evaluates phi only at the pairs (t, s) that the losses train.

        Here that is phi itself; a method whose losses leave pairs out replaces them by trained ones.
        """
        return phi

    def sample(self, actor, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """K-step samples. Shapes: obs (B, O), noise (..., B, A) -> (..., B, A)."""
        repeated = obs.expand(*noise.shape[:-1], -1).flatten(end_dim=-2)
        _, points = self.trajectory(actor, repeated, noise.flatten(end_dim=-2), nfe)
        return points[-1].clamp(-1.0, 1.0).view(noise.shape)

    def trajectory(self, actor, obs: Tensor, noise: Tensor, nfe: int) -> tuple[Tensor, list[Tensor]]:
        """The K + 1 times of a sample's path and its points, unclipped, from T z on (equation 15).

        Shapes: obs (B, O), noise (B, A) -> (K + 1,), K + 1 of (B, A).
        """
        times = self.time_scale.sampling_grid(nfe, noise.device)
        return times, trajectory(self.fitted(self.phi(actor, obs)), times[0] * noise, times)

    def critic_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Twin-Q TD error with next actions from the EMA actor (equation 16)."""
        next_act = self.sample(networks["actor_ema"], batch.next_obs, draws["next_actions"], self.target_nfe)
        next_q = max_q_backup(
            torch.stack([networks["critic_ema"](batch.next_obs, act) for act in next_act], dim=1)
        )
        target = td_target(batch.rew, batch.discount, next_q)
        q = networks["critic"](batch.obs, batch.act)
        return twin_q_loss(q, target), {"q/mean": q.mean(), "q/max": q.amax()}

    def value_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """Expectile regression of V on the target critic, over actions of the dataset."""
        q = networks["critic_ema"](batch.obs, batch.act).amin(dim=0).detach()
        return expectile_loss(q - networks["value"](batch.obs), self.expectile), {}

    def weights(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor]) -> Tensor:
        """w(s, a) of equation 14, or 1 without advantage guidance. Shape (B,)."""
        if not self.weighted:
            return torch.ones_like(batch.rew)
        q = networks["critic"](batch.obs, batch.act).amin(dim=0)
        if self.value == "expectile":
            value = networks["value"](batch.obs)
        else:
            own = self.sample(networks["actor_ema"], batch.obs, draws["value_actions"], self.target_nfe)
            value = torch.stack([networks["critic"](batch.obs, act).amin(dim=0) for act in own]).mean(dim=0)
        return advantage_weights(q - value, self.eta, self.negative_advantage, self.max_weight)
