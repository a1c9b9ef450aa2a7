"""Consistency trajectory model (CTM; Kim et al., 2024) as a policy: GTP's map and weights, CTM's losses.

Beside GTP it shows what GTP changes: CTM integrates the learned field where GTP draws a straight line,
compares both sides after carrying them on to t = 0, and matches scores at noise levels of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gtp.algorithms.common.guidance import weight_statistics
from gtp.algorithms.common.interface import Batch, Networks
from gtp.algorithms.common.solution_map_policy import SolutionMapPolicy
from gtp.generative.solution_map import Map, Preconditioning, later_target, solution_map
from gtp.randomness import Draw

LEVEL_MEAN, LEVEL_STD = -1.2, 1.2
LARGEST_POSITION = 0.7


@dataclass(frozen=True, kw_only=True)
class CTM(SolutionMapPolicy):
    """Equation numbers of the methods below are CTM's; the advantage weights are GTP's equation 14."""

    lambda_dsm: float = 1.0
    """Weight of L_DSM beside L_CTM. Its authors balance the gradients of the last layer instead."""
    grid_points: int = 17
    """Intervals of the grid from which (t, u, tau) are drawn, each a step of the solver; its 18 times."""

    def __post_init__(self):
        super().__post_init__()
        if not 0.0 <= self.lambda_dsm < math.inf:
            raise ValueError(f"lambda_dsm must be finite and not negative, got {self.lambda_dsm}")

    def draws(self, batch_size: int, action_size: int) -> dict[str, Draw]:
        return super().draws(batch_size, action_size) | {
            "dsm_noise": Draw("normal", (batch_size, action_size)),
            "dsm_levels": Draw("normal", (batch_size,)),
            "dsm_positions": Draw("uniform", (batch_size, 2)),
        }

    def positions(self, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Grid positions of t > u >= tau, counted from the noise, up to `grid_points`, where the time is 0.

        The number of intervals from t to u is drawn in proportion to itself, as in the authors' code; where
        they begin, and tau, are uniform over what is left. Shapes: uniform (B, 3) in [0, 1) -> three of (B,).
        """
        points = self.grid_points
        # The smallest h whose cumulated share h (h + 1) / (points (points + 1)) is not below the draw.
        quantile = (1.0 - uniform[:, 0]) * points * (points + 1)
        intervals = (0.5 * (1.0 + 4.0 * quantile).sqrt() - 0.5).ceil().clamp(1, points)
        start = (uniform[:, 1] * (points - intervals + 1.0)).floor()
        middle = start + intervals
        end = middle + (uniform[:, 2] * (points - middle + 1.0)).floor()
        return start, middle, end

    def solve(self, teacher: Map, x: Tensor, start: Tensor, middle: Tensor) -> Tensor:
        """Carry x from position `start` of the grid to `middle`, one Heun step of the field per interval.

        The field has no value at time 0: the step that ends there is Euler's, to the denoised point, as in
        EDM's sampler. So is the first from T, over which the denoiser hardly moves but t does. Shapes:
        x (B, A), start and middle (B,) -> (B, A). Source: algorithm 1 of CTM, with the solver of Karras et
        al., 2022.
        """

        def field(x: Tensor, r: Tensor) -> Tensor:
            return (x - teacher(x, r, r)) / r[:, None]

        last = float(self.grid_points)
        for step in range(self.grid_points):
            position = (start + step).clamp(max=last - 1.0)
            r, s = (self.time_scale.on_grid(p, last) for p in (position, position + 1.0))
            ends = (s <= 0.0) | (r >= self.t_start)
            slope = field(x, r)
            euler = x + (s - r)[:, None] * slope
            mean_slope = 0.5 * (slope + field(euler, torch.where(ends, r, s)))
            stepped = torch.where(ends[:, None], euler, x + (s - r)[:, None] * mean_slope)
            x = torch.where((start + step < middle)[:, None], stepped, x)
        return x

    def levels(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Noise levels of L_DSM: half lognormal, half from the grid's noisier part (its appendix).

        T stands for the part of the latter before the first interval's end: it is where the solver begins.
        Shapes: normal (B,), uniform (B, 2) -> (B,) in [t_min, t_max] or T.
        """
        lognormal = (LEVEL_MEAN + LEVEL_STD * normal).exp().clamp(self.t_min, self.t_max)
        position = LARGEST_POSITION * uniform[:, 1]
        warped = torch.where(position * self.grid_points < 1.0, self.t_start, self.time_scale.at(position))
        return torch.where(uniform[:, 0] < 0.5, lognormal, warped)

    def actor_loss(self, networks: Networks, batch: Batch, draws: Mapping[str, Tensor], progress: Tensor):
        """L_CTM + lambda_dsm L_DSM (equations 9 to 11), both weighted by w and 1 / c_out^2."""
        scalings = Preconditioning(self.sigma_data)
        online = self.phi(networks["actor"], batch.obs)
        teacher = self.phi(networks["actor_ema"], batch.obs)
        weight = self.weights(networks, batch, draws)

        positions = self.positions(draws["times"])
        t, u, tau = (self.time_scale.on_grid(position, float(self.grid_points)) for position in positions)
        a_t = batch.act + t[:, None] * draws["noise"]
        a_u = self.solve(teacher, a_t, *positions[:2]).detach()
        estimate = self.to_data(teacher, solution_map(online, a_t, t, tau), tau, t)
        target = self.to_data(teacher, later_target(teacher, a_u, u, tau, t), tau, t).detach()
        consistency = (estimate - target).square().sum(dim=-1)

        level = self.levels(draws["dsm_levels"], draws["dsm_positions"])
        noised = batch.act + level[:, None] * draws["dsm_noise"]
        matching = (online(noised, level, level) - batch.act).square().sum(dim=-1)

        loss = (weight * scalings.loss_weight(t) * consistency).mean()
        loss = loss + self.lambda_dsm * (weight * scalings.loss_weight(level) * matching).mean()
        logged = {"loss/ctm": consistency.mean(), "loss/dsm": matching.mean()}
        return loss, logged | (weight_statistics(weight) if self.weighted else {})

    def to_data(self, teacher: Map, x: Tensor, tau: Tensor, t: Tensor) -> Tensor:
        """Carry x from tau on to 0 with the EMA map; what is at 0 already stays. Shapes: (B, A), two (B,)."""
        return later_target(teacher, x, tau, torch.zeros_like(tau), t)


ALGORITHM = CTM
