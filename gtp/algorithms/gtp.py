"""Generative Trajectory Policies (Feng et al., 2026): learn the solution map of the noise-to-action ODE.

Equation numbers are the paper's. Where the paper is silent, the field's docstring says "our choice";
docs/choices.md has the measurements behind those defaults.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gtp.algorithms.base import Algorithm, Batch, Networks, Update
from gtp.critics import expectile_loss, max_q_backup, td_target, twin_q_loss
from gtp.guidance import NegativeAdvantage, advantage_weights, effective_sample_share, linear_q_loss
from gtp.networks import MLP, TIME_FEATURES, Sizes, StateValue, TwinQ, time_features
from gtp.randomness import Draw
from gtp.solution_map import Map, Preconditioning, TimeScale, heun, sample, solution_map


@dataclass(frozen=True, kw_only=True)
class GTP(Algorithm):
    """Hyperparameters of GTP and of everything that is ablated against it."""

    generative: ClassVar[bool] = True
    acting: ClassVar[tuple[str, ...]] = ("actor_ema",)

    eta: float = 1.0
    """Strength of the advantage weights; 0 clones the behaviour and trains no critic (GTP-BC)."""
    lambda_consistency: float = 1.0
    """Weight of L_cons, the consistency calibration along trajectories (equation 17); 0 switches it off."""
    lambda_flow: float = 1.0
    """Weight of L_flow, the instantaneous matching loss (equation 18); 0 switches it off."""
    score: Literal["surrogate", "ode_solver"] = "surrogate"
    """Where a_u comes from: a + u z in closed form, or `ode_steps` Heun steps of the EMA field from a_t."""
    ode_steps: int = 3
    """Heun steps when score is ode_solver."""
    pairs: Literal["adjacent", "uniform"] = "adjacent"
    """Our choice. u is the grid point after t, or uniform over all later ones."""
    grid_points: int = 20
    """Our choice. Intervals of the grid from which (t, u, tau) are drawn."""
    grid_growth: Literal["constant", "doubling"] = "constant"
    """Our choice. Doubling multiplies grid_points by 2 seven times over training (the paper: 10 to 1280)."""
    tau: Literal["uniform", "zero"] = "uniform"
    """End of the jump in L_cons: uniform over the grid from u down to 0, or 0 (consistency training)."""
    loss_weighting: Literal["edm", "uniform"] = "edm"
    """Our choice. Weight over t of both losses: 1 / c_out(t)^2, which makes the network's error count alike
    at every noise level, or 1."""
    t_min: float = 0.02
    """Our choice. Least noise level of the grid, in action units."""
    t_max: float = 3.0
    """Our choice. Noise level at which sampling starts (T), in action units."""
    rho: float = 7.0
    """Warp of the grid (Karras et al., 2022)."""
    sigma_data: float = 0.1
    """Our choice. Standard deviation of the actions in one state that the preconditioning assumes; EDM takes
    0.5, that of all data together."""
    guidance: Literal["advantage", "linear_q"] = "advantage"
    """Advantage-weighted losses, or a term -linear_q Q(s, pi(s)) beside unweighted ones."""
    linear_q: float = 0.01
    """Weight of the Q-term when guidance is linear_q."""
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
        for name in ("eta", "lambda_consistency", "lambda_flow", "linear_q"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        if self.lambda_consistency == 0.0 and self.lambda_flow == 0.0:
            raise ValueError(
                "lambda_consistency and lambda_flow must not both be 0: nothing would be learned"
            )
        if not 0.0 < self.t_min < self.t_max < math.inf:
            raise ValueError(f"0 < t_min < t_max is required, got t_min={self.t_min} and t_max={self.t_max}")
        for name in ("rho", "sigma_data", "max_weight"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and positive, got {getattr(self, name)}")
        for name in ("ode_steps", "grid_points", "value_samples", "target_nfe", "max_q_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0.0 < self.expectile < 1.0:
            raise ValueError(f"expectile must lie in (0, 1), got {self.expectile}")

    # --- parts -----------------------------------------------------------------------------------

    @property
    def weighted(self) -> bool:
        """Whether the losses carry advantage weights."""
        return self.guidance == "advantage" and self.eta > 0.0

    @property
    def guided(self) -> bool:
        """Whether a critic is needed at all."""
        return self.weighted or (self.guidance == "linear_q" and self.linear_q > 0.0)

    @property
    def averaged(self) -> tuple[str, ...]:
        return ("actor", "critic") if self.guided else ("actor",)

    @property
    def time_scale(self) -> TimeScale:
        return TimeScale(self.t_min, self.t_max, self.rho)

    def networks(self, sizes: Sizes) -> dict[str, nn.Module]:
        inputs = sizes.observation + sizes.action + 2 * TIME_FEATURES
        networks: dict[str, nn.Module] = {"actor": MLP(inputs, sizes.action, sizes.hidden, sizes.layers)}
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
        if self.guided and self.guidance == "linear_q":
            draws["own_actions"] = Draw("normal", (batch_size, action_size))
        return draws

    def updates(self) -> tuple[Update, ...]:
        """Algorithm 1's order: the critic first, weights from the fresh critic, then the actor."""
        updates = []
        if self.guided:
            updates.append(Update("critic", self.critic_loss))
        if self.weighted and self.value == "expectile":
            updates.append(Update("value", self.value_loss))
        return (*updates, Update("actor", self.actor_loss))

    # --- the solution map ------------------------------------------------------------------------

    def phi(self, actor, obs: Tensor) -> Map:
        """The network's phi(x, t, s) at fixed observations (B, O), with EDM preconditioning."""
        scalings = Preconditioning(self.sigma_data)

        def phi(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
            features = [
                time_features(time.clamp(min=self.t_min).log() / 4.0, TIME_FEATURES) for time in (t, s)
            ]
            return scalings.denoise(lambda scaled: actor(obs, scaled, *features), x, t)

        return phi

    def times(self, uniform: Tensor, progress: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Times t > u >= tau on the grid, whose last tau is 0.

        Shapes: uniform (B, 3) in [0, 1), progress () -> three of (B,).
        """
        points = torch.full_like(progress, float(self.grid_points))
        if self.grid_growth == "doubling":
            points = points * 2.0 ** (8.0 * progress).floor().clamp(max=7.0)
        start = (uniform[:, 0] * points).floor()
        later = points - start  # grid points after t, at least 1
        skip = (uniform[:, 1] * later).floor() if self.pairs == "uniform" else torch.zeros_like(start)
        middle = start + 1.0 + skip
        t, u = (self.time_scale.at(position / points) for position in (start, middle))
        if self.tau == "zero":
            return t, u, torch.zeros_like(t)
        end = middle + (uniform[:, 2] * (points - middle + 1.0)).floor()
        return t, u, torch.where(end >= points, 0.0, self.time_scale.at(end / points))

    def act(self, networks: Networks, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        return self.sample(networks["actor_ema"], obs, noise, nfe)

    def sample(self, actor, obs: Tensor, noise: Tensor, nfe: int) -> Tensor:
        """K-step samples. Shapes: obs (B, O), noise (..., B, A) -> (..., B, A)."""
        grid = self.time_scale.sampling_grid(nfe, noise.device)
        repeated = obs.expand(*noise.shape[:-1], -1).flatten(end_dim=-2)
        return sample(self.phi(actor, repeated), noise.flatten(end_dim=-2), grid).view(noise.shape)

    # --- losses ----------------------------------------------------------------------------------

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

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """lambda_consistency L_cons + lambda_flow L_flow, weighted by w (equations 14 and 17 to 19)."""
        t, u, tau = self.times(draws["times"], progress)
        a_t = batch.act + t[:, None] * draws["noise"]
        online = self.phi(networks["actor"], batch.obs)
        teacher = self.phi(networks["actor_ema"], batch.obs)
        weight = self.weights(networks, batch, draws)
        importance = weight * self.noise_level_weight(t)
        loss, logged = torch.zeros_like(weight).mean(), {}
        if self.lambda_consistency > 0.0:
            a_u = self.earlier_point(teacher, a_t, batch.act, draws["noise"], t, u)
            target = solution_map(teacher, a_u, u, tau).detach()
            error = (solution_map(online, a_t, t, tau) - target).square().sum(dim=-1)
            loss = loss + self.lambda_consistency * (importance * error).mean()
            logged["loss/consistency"] = error.mean()
        if self.lambda_flow > 0.0:
            error = (online(a_t, t, t) - batch.act).square().sum(dim=-1)
            loss = loss + self.lambda_flow * (importance * error).mean()
            logged["loss/flow"] = error.mean()
        if self.weighted:
            logged |= {
                "weight/mean": weight.mean(),
                "weight/max": weight.amax(),
                "weight/effective_share": effective_sample_share(weight),
            }
        if self.guided and self.guidance == "linear_q":
            own = self.sample(networks["actor"], batch.obs, draws["own_actions"], self.target_nfe)
            q_term = linear_q_loss(networks["critic"](batch.obs, own))
            loss = loss + self.linear_q * q_term
            logged["loss/linear_q"] = q_term
        return loss, logged

    def noise_level_weight(self, t: Tensor) -> Tensor:
        """Weight of both losses at time t. Shapes: (B,) -> (B,). Source: Karras et al., 2022, section 5."""
        if self.loss_weighting == "uniform":
            return torch.ones_like(t)
        return Preconditioning(self.sigma_data).c_out(t).squeeze(-1).pow(-2)

    def earlier_point(
        self, teacher: Map, a_t: Tensor, act: Tensor, noise: Tensor, t: Tensor, u: Tensor
    ) -> Tensor:
        """a_u on the trajectory through a_t: the surrogate's straight line, or the EMA field integrated."""
        if self.score == "surrogate":
            return act + u[:, None] * noise
        return heun(lambda x, r: (x - teacher(x, r, r)) / r[:, None], a_t, t, u, self.ode_steps).detach()

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


ALGORITHM = GTP
