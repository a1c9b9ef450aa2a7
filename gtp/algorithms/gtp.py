"""Generative Trajectory Policies (Feng et al., 2026): learn the solution map of the noise-to-action ODE.

Equation numbers are the paper's. Where the paper is silent, the field's docstring says "our choice";
docs/tuning.md has the measurements behind those defaults.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from gtp.algorithms.common.guidance import linear_q_loss, weight_statistics
from gtp.algorithms.common.interface import Batch, Networks
from gtp.algorithms.common.solution_map_policy import SolutionMapPolicy
from gtp.generative.solution_map import (
    Map,
    Preconditioning,
    heun,
    identity_target,
    later_target,
    solution_map,
    steps_of_ode,
    steps_to_data,
    two_jumps_target,
)
from gtp.randomness import Draw


@dataclass(frozen=True, kw_only=True)
class GTP(SolutionMapPolicy):
    """Hyperparameters of GTP and of everything that is ablated against it."""

    lambda_consistency: float = 1.0
    """Weight of L_cons, the consistency calibration along trajectories (equation 17); 0 switches it off."""
    lambda_flow: float = 1.0
    """Weight of L_flow, the instantaneous matching loss (equation 18); 0 switches it off."""
    consistency: Literal["trajectory", "shortcut", "mean_flow"] = "trajectory"
    """What L_cons holds a jump from t to tau against: the teacher's jump to tau from a later point of the
    trajectory (equation 17), the teacher's two jumps over the grid point in the middle (shortcut models;
    Frans et al., 2025), or the identity of mean flows (Geng et al., 2025). The last two need no later point.
    """
    score: Literal["surrogate", "ode_solver"] = "surrogate"
    """Where a_u comes from: a + u z in closed form, or `ode_steps` Heun steps of the EMA field from a_t."""
    ode_steps: int = 3
    """Heun steps when score is ode_solver."""
    pairs: Literal["adjacent", "uniform"] = "adjacent"
    """Our choice. u is the grid point after t, or uniform over all later ones."""
    grid_growth: Literal["constant", "doubling"] = "constant"
    """Our choice. Doubling multiplies grid_points by 2 seven times over training (the paper: 10 to 1280)."""
    tau: Literal["uniform", "zero"] = "uniform"
    """End of the jump in L_cons: uniform over the grid from u down to 0, or 0 (consistency training)."""
    teacher: Literal["ema", "online"] = "ema"
    """Our choice. The network behind the target of L_cons: the moving average, or the actor itself without
    gradient, as in improved consistency training (Song and Dhariwal, 2024)."""
    loss_weighting: Literal["edm", "uniform"] = "edm"
    """Our choice. Weight over t of both losses: 1 / c_out(t)^2, which makes the network's error count alike
    at every noise level, or 1."""
    guidance: Literal["advantage", "linear_q"] = "advantage"
    """Advantage-weighted losses, or a term -linear_q Q(s, pi(s)) beside unweighted ones."""
    linear_q: float = 0.01
    """Weight of the Q-term when guidance is linear_q, for rewards of the published scale."""
    train_critic: bool = False
    """Train a critic even if no loss of the actor asks for one, so that a clone may act by the best of M."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("lambda_consistency", "lambda_flow", "linear_q"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        if self.lambda_consistency == 0.0 and self.lambda_flow == 0.0:
            raise ValueError(
                "lambda_consistency and lambda_flow must not both be 0: nothing would be learned"
            )
        if self.consistency != "trajectory" and self.score != "surrogate":
            raise ValueError(f"consistency '{self.consistency}' has no later point for score '{self.score}'")
        if self.consistency == "shortcut" and self.tau == "zero":
            raise ValueError("consistency 'shortcut' needs jumps to all times; leave tau at 'uniform'")
        if self.consistency == "shortcut" and self.lambda_flow == 0.0:
            raise ValueError("consistency 'shortcut' needs lambda_flow: nothing else knows the data")
        if self.ode_steps < 1:
            raise ValueError(f"ode_steps must be at least 1, got {self.ode_steps}")

    @property
    def weighted(self) -> bool:
        # Not super().weighted: torch.compile takes a property reached through super() to be always true.
        return self.guidance == "advantage" and self.eta > 0.0

    @property
    def climbing(self) -> bool:
        """Whether the loss has a Q-term."""
        return self.guidance == "linear_q" and self.linear_q > 0.0

    @property
    def guided(self) -> bool:
        return self.weighted or self.climbing or self.train_critic

    def for_reward_unit(self, unit: float) -> Self:
        """With linear_q times the unit, which an advantage, divided by its deviation, does not need."""
        return replace(self, linear_q=self.linear_q * unit) if self.climbing else self

    def fitted(self, phi: Map) -> Map:
        """Jumps as trained; without L_cons the diagonal's ODE, with tau = 0 steps to the end point."""
        if self.lambda_consistency == 0.0:
            return steps_of_ode(phi)
        return steps_to_data(phi) if self.tau == "zero" else phi

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        draws = super().draws(batch_size, action_size)
        if self.climbing:
            draws["own_actions"] = Draw("normal", (batch_size, action_size))
        return draws

    def times(self, uniform: Tensor, progress: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Times t > u >= tau on the grid, whose last time is 0; t >= u > tau for shortcuts, with u halfway.

        Shapes: uniform (B, 3) in [0, 1), progress () -> three of (B,).
        """
        points = torch.full_like(progress, float(self.grid_points))
        if self.grid_growth == "doubling":
            points = points * 2.0 ** (8.0 * progress).floor().clamp(max=7.0)
        start = (uniform[:, 0] * points).floor()
        later = points - start  # grid points after t, at least 1
        skip = (uniform[:, 1] * later).floor() if self.pairs == "uniform" else torch.zeros_like(start)
        middle = start + 1.0 + skip
        end = middle + (uniform[:, 2] * (points - middle + 1.0)).floor()
        if self.consistency == "shortcut":
            end = start + 1.0 + (uniform[:, 2] * later).floor()
            middle = (0.5 * (start + end)).floor()
        t, u, tau = (self.time_scale.on_grid(position, points) for position in (start, middle, end))
        return t, u, torch.zeros_like(t) if self.tau == "zero" else tau

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """lambda_consistency L_cons + lambda_flow L_flow, weighted by w (equations 14 and 17 to 19)."""
        t, u, tau = self.times(draws["times"], progress)
        a_t = batch.act + t[:, None] * draws["noise"]
        online = self.phi(networks["actor"], batch.obs)
        teacher = self.phi(networks["actor_ema" if self.teacher == "ema" else "actor"], batch.obs)
        weight = self.weights(networks, batch, draws)
        importance = weight * self.noise_level_weight(t)
        loss, logged = torch.zeros_like(weight).mean(), {}
        if self.lambda_consistency > 0.0:
            error = self.consistency_error(online, teacher, a_t, batch.act, draws["noise"], (t, u, tau))
            loss = loss + self.lambda_consistency * (importance * error).mean()
            logged["loss/consistency"] = error.mean()
        if self.lambda_flow > 0.0:
            error = (online(a_t, t, t) - batch.act).square().sum(dim=-1)
            loss = loss + self.lambda_flow * (importance * error).mean()
            logged["loss/flow"] = error.mean()
        if self.weighted:
            logged |= weight_statistics(weight)
        if self.climbing:
            own = self.sample(networks["actor"], batch.obs, draws["own_actions"], self.target_nfe)
            q_term = linear_q_loss(networks["critic"](batch.obs, own))
            loss = loss + self.linear_q * q_term
            logged["loss/linear_q"] = q_term
        return loss, logged

    def consistency_error(
        self,
        online: Map,
        teacher: Map,
        a_t: Tensor,
        act: Tensor,
        noise: Tensor,
        times: tuple[Tensor, Tensor, Tensor],
    ) -> Tensor:
        """Squared distance of the jump from t to tau to its target. Shapes: (B, A), times (B,) -> (B,).

        Of mean flows it is the distance of phi, as in L_flow, which is the same loss at tau = t.
        """
        t, u, tau = times
        if self.consistency == "mean_flow":
            target = identity_target(teacher, a_t, noise, t, tau).detach()
            return (online(a_t, t, tau) - target).square().sum(dim=-1)
        if self.consistency == "shortcut":
            target = two_jumps_target(teacher, a_t, t, u, tau).detach()
        else:
            a_u = self.earlier_point(teacher, a_t, act, noise, t, u)
            target = later_target(teacher, a_u, u, tau, t).detach()
        return (solution_map(online, a_t, t, tau) - target).square().sum(dim=-1)

    def noise_level_weight(self, t: Tensor) -> Tensor:
        """Weight of both losses at time t. Shapes: (B,) -> (B,). Source: Karras et al., 2022, section 5."""
        if self.loss_weighting == "uniform":
            return torch.ones_like(t)
        return Preconditioning(self.sigma_data).loss_weight(t)

    def earlier_point(
        self, teacher: Map, a_t: Tensor, act: Tensor, noise: Tensor, t: Tensor, u: Tensor
    ) -> Tensor:
        """a_u on the trajectory through a_t: the surrogate's straight line, or the teacher's field solved.

        The first interval of the grid, between whose ends nothing is fitted, and the last, at whose end the
        field has no value, are one step of DDIM each.
        """
        if self.score == "surrogate":
            return act + u[:, None] * noise
        single = (t >= self.t_start) | (u <= 0.0)
        later = torch.where(single, t, u)
        a_u = heun(lambda x, r: (x - teacher(x, r, r)) / r[:, None], a_t, t, later, self.ode_steps)
        step = solution_map(steps_of_ode(teacher), a_t, t, u)
        return torch.where(single[:, None], step, a_u).detach()


ALGORITHM = GTP
