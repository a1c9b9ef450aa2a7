"""Consistency trajectory model (CTM; Kim et al., 2024) as a policy: GTP's map and weights, CTM's losses.

Beside GTP it shows what GTP changes: CTM integrates the learned field where GTP draws a straight line,
compares both sides after carrying them on to t = 0, and matches scores at noise levels of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gtp.algorithm import Batch, Networks
from gtp.guidance import weight_statistics
from gtp.randomness import Draw
from gtp.solution_map import Map, Preconditioning, heun, solution_map
from gtp.solution_policy import SolutionMapPolicy

LEVEL_MEAN, LEVEL_STD = -1.2, 1.2
LARGEST_POSITION = 0.7


@dataclass(frozen=True, kw_only=True)
class CTM(SolutionMapPolicy):
    """Equation numbers of the methods below are CTM's; the advantage weights are GTP's equation 14."""

    lambda_dsm: float = 1.0
    """Weight of L_DSM beside L_CTM. Its authors balance the gradients of the last layer instead."""
    solver_steps: int = 2
    """Heun steps of the EMA field from t to u. Its authors take one for each grid point in between."""

    def __post_init__(self):
        super().__post_init__()
        if not 0.0 <= self.lambda_dsm < math.inf:
            raise ValueError(f"lambda_dsm must be finite and not negative, got {self.lambda_dsm}")
        if self.solver_steps < 1:
            raise ValueError(f"solver_steps must be at least 1, got {self.solver_steps}")

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return super().draws(batch_size, action_size) | {
            "dsm_noise": Draw("normal", (batch_size, action_size)),
            "dsm_levels": Draw("normal", (batch_size,)),
            "dsm_positions": Draw("uniform", (batch_size, 2)),
        }

    def times(self, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Times t > u >= tau of the grid, each uniform over what the one before leaves; the last tau is 0.

        Shapes: uniform (B, 3) in [0, 1) -> three of (B,).
        """
        points = self.grid_points
        start = (uniform[:, 0] * points).floor()
        middle = start + 1.0 + (uniform[:, 1] * (points - start)).floor()
        end = middle + (uniform[:, 2] * (points - middle + 1.0)).floor()
        t, u, tau = (self.time_scale.at(position / points) for position in (start, middle, end))
        return t, u, torch.where(end >= points, 0.0, tau)

    def levels(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Noise levels of L_DSM: half lognormal, half from the grid's noisier part (its appendix).

        Shapes: normal (B,), uniform (B, 2) -> (B,) in [t_min, t_max].
        """
        lognormal = (LEVEL_MEAN + LEVEL_STD * normal).exp().clamp(self.t_min, self.t_max)
        warped = self.time_scale.at(LARGEST_POSITION * uniform[:, 1])
        return torch.where(uniform[:, 0] < 0.5, lognormal, warped)

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """L_CTM + lambda_dsm L_DSM (equations 9 to 11), both weighted by w and 1 / c_out^2."""
        scalings = Preconditioning(self.sigma_data)
        online = self.phi(networks["actor"], batch.obs)
        teacher = self.phi(networks["actor_ema"], batch.obs)
        weight = self.weights(networks, batch, draws)

        t, u, tau = self.times(draws["times"])
        a_t = batch.act + t[:, None] * draws["noise"]
        a_u = heun(lambda x, r: (x - teacher(x, r, r)) / r[:, None], a_t, t, u, self.solver_steps)
        estimate = self.to_data(teacher, solution_map(online, a_t, t, tau), tau)
        target = self.to_data(teacher, solution_map(teacher, a_u, u, tau), tau).detach()
        consistency = (estimate - target).square().sum(dim=-1)

        level = self.levels(draws["dsm_levels"], draws["dsm_positions"])
        noised = batch.act + level[:, None] * draws["dsm_noise"]
        matching = (online(noised, level, level) - batch.act).square().sum(dim=-1)

        loss = (weight * scalings.loss_weight(t) * consistency).mean()
        loss = loss + self.lambda_dsm * (weight * scalings.loss_weight(level) * matching).mean()
        logged = {"loss/ctm": consistency.mean(), "loss/dsm": matching.mean()}
        return loss, logged | (weight_statistics(weight) if self.weighted else {})

    def to_data(self, teacher: Map, x: Tensor, tau: Tensor) -> Tensor:
        """Carry x from tau on to 0 with the EMA map; what is at 0 already stays. Shapes: (B, A), (B,)."""
        carried = solution_map(teacher, x, tau.clamp(min=self.t_min), torch.zeros_like(tau))
        return torch.where((tau > 0.0)[:, None], carried, x)


ALGORITHM = CTM
