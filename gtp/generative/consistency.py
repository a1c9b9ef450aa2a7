"""Consistency models of actions: the map from a noisy action to its clean end point, without a teacher.

The path is a_t = a + t z with z ~ N(0, I). f(a_t, t) is trained to be the same at neighbouring times of
a path, and is the identity at the least time. Sources: Song et al., 2023, section 5 (consistency
training); Ding and Jin, 2024, for actions.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gtp.generative.solution_map import TimeScale
from gtp.randomness import require_slices

Consistency = Callable[[Tensor, Tensor], Tensor]
"""(x (B, A), t () or (B,)) -> (B, A)"""


def consistency_function(
    network: Consistency, x: Tensor, t: Tensor, t_min: float, sigma_data: float
) -> Tensor:
    """f = c_skip(t) x + c_out(t) F(x, t), so that f(x, t_min) = x whatever the network F.

    Shapes: x (B, A), t () or (B,) in [t_min, inf) -> (B, A). The network sees x as it is, unscaled.
    Source: Song et al., 2023, appendix C.
    """
    late = t - t_min
    c_skip = sigma_data**2 / (late.square() + sigma_data**2)
    c_out = sigma_data * late / (t.square() + sigma_data**2).sqrt()
    return c_skip[..., None] * x + c_out[..., None] * network(x, t)


def grid_size(progress: Tensor, first: int, last: int) -> Tensor:
    """N(k), the number of times on the training grid, from `first` to `last` over the training.

    Shapes: progress () in [0, 1] -> (), a whole number. Source: Song et al., 2023, appendix C.
    """
    squared = progress * (last**2 - first**2) + first**2
    return (squared.sqrt() - 1.0).ceil() + 1.0


def neighbouring_times(uniform: Tensor, points: Tensor, scale: TimeScale) -> tuple[Tensor, Tensor]:
    """Times t_n < t_{n+1} of a random interval of a grid of `points` times.

    Shapes: uniform (B,) in [0, 1), points () -> (B,) and (B,).
    """
    intervals = points - 1.0
    start = (uniform * intervals).floor()  # counted from the noisy end, as positions of a TimeScale are
    return scale.at((start + 1.0) / intervals), scale.at(start / intervals)


def consistency_training_error(
    online: Consistency, teacher: Consistency, act: Tensor, noise: Tensor, lower: Tensor, upper: Tensor
) -> Tensor:
    """Squared difference of f between two times of one path a + t z, mean over the action's dimensions.

    Shapes: act (B, A), noise (B, A), lower (B,) < upper (B,) -> (B,). The teacher answers at the lower
    time and gets no gradient. Source: Song et al., 2023, definition 2.
    """
    target = teacher(act + lower[:, None] * noise, lower).detach()
    return (online(act + upper[:, None] * noise, upper) - target).square().mean(dim=-1)


def sampling_times(nfe: int, t_last: float, t_max: float) -> list[float]:
    """Times of K = nfe evaluations, evenly spaced from t_max down to t_last; a single one is at t_max."""
    if nfe < 1:
        raise ValueError(f"nfe must be at least 1, got {nfe}")
    return [t_max - k * (t_max - t_last) / max(nfe - 1, 1) for k in range(nfe)]


def multistep_sample(f: Consistency, noise: Tensor, times: list[float], t_min: float) -> Tensor:
    """Actions by alternating f and fresh noise: a <- f(a + sqrt(t^2 - t_min^2) z, t) at each later time.

    Shapes: noise (at least K, B, A) ~ N(0, I), one slice for each of the K `times` -> (B, A), clipped to
    the action box [-1, 1]. Raises ValueError for fewer slices than times.
    Source: Song et al., 2023, algorithm 1.
    """
    require_slices(noise, len(times))

    def evaluate(x: Tensor, t: float) -> Tensor:
        return f(x, torch.full((), t, dtype=x.dtype, device=x.device))

    act = evaluate(times[0] * noise[0], times[0])
    for k, t in enumerate(times[1:], start=1):
        act = evaluate(act + math.sqrt(t**2 - t_min**2) * noise[k], t)
    return act.clamp(-1.0, 1.0)
