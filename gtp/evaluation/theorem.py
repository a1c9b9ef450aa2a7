"""Theorem 1 of GTP in numbers: how the consistency loss with a solver differs from the ideal one.

The theorem (Feng et al., 2026) says that with a solver of order p and step h the practical loss is within
O(h^p) of the ideal one, in which a_u lies on the exact trajectory through a_t. Data are a Gaussian mixture,
whose field is known; the maps in the loss are fixed, Lipschitz, and known as well: a step of the ODE with the
exact denoiser. So the only error is that of a_u, which a solver has either from the exact field or from the
surrogate (x - a) / t that training puts in its place.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gtp.evaluation.exact_flow import exact_flow
from gtp.generative.gaussian_mixture import GaussianMixture
from gtp.generative.solution_map import heun, solution_map, steps_of_ode
from gtp.randomness import generator
from gtp.schema import LossGap

Field = Callable[[Tensor, Tensor], Tensor]
T, U, TAU = 1.0, 0.5, 0.1
"""Times of the sweep over steps; that over distances keeps t and tau."""
STEPS = (1, 2, 4, 8, 16, 32)
DISTANCES = tuple(0.5**k for k in range(1, 7))
"""t - u, from that of the other sweep down."""


def euler(field: Field, x: Tensor, t: Tensor, s: Tensor, steps: int) -> Tensor:
    """Integrate dx/dt = field(x, t) from t to s with Euler's method, `steps` equal steps, order 1.

    Shapes: x (B, A), t (B,), s (B,) -> (B, A).
    """
    width = (s - t) / steps
    for _ in range(steps):
        x, t = x + width[:, None] * field(x, t), t + width
    return x


SOLVERS = {"euler": (euler, 1), "heun": (heun, 2)}
"""Name -> the solver and its order."""


def loss_gaps(mixture: GaussianMixture, seeds: Sequence[int], samples: int) -> list[LossGap]:
    """Both sweeps for each seed, each setting with the same `samples` draws of action and noise.

    Raises: ValueError when there is no seed or less than one sample.
    """
    if not seeds or samples < 1:
        raise ValueError(f"one seed and one sample are the least, got {list(seeds)} and {samples}")
    rows = []
    for seed in seeds:
        draws = generator(seed, "theorem")
        act = mixture.sample(samples, draws)
        noise = torch.randn(act.shape, generator=draws, dtype=act.dtype)
        rows += gaps_at(mixture, act, noise, seed, "step", U, STEPS)
        for distance in DISTANCES:
            rows += gaps_at(mixture, act, noise, seed, "distance", T - distance, (1,))
    return rows


def gaps_at(
    mixture: GaussianMixture,
    act: Tensor,
    noise: Tensor,
    seed: int,
    sweep: str,
    u: float,
    steps: Sequence[int],
) -> list[LossGap]:
    """The gap at T, u and TAU of each field, solver and number of steps. Shapes: act, noise (B, A)."""
    t, low = (torch.full((len(act),), time, dtype=torch.float64) for time in (T, u))
    tau = torch.full_like(t, TAU)
    step_of_ode = steps_of_ode(lambda x, t, s: mixture.denoise(x, t))
    a_t = act + T * noise
    online = solution_map(step_of_ode, a_t, t, tau)

    def loss(a_u: Tensor) -> float:
        return float((online - solution_map(step_of_ode, a_u, low, tau)).square().sum(dim=1).mean())

    fields: dict[str, Field] = {"surrogate": lambda x, r: (x - act) / r[:, None], "exact": mixture.field}
    ideal = loss(exact_flow(mixture, a_t, T, u))
    rows = []
    for name, field in fields.items():
        for solver, (integrate, order) in SOLVERS.items():
            for count in steps:
                practical = loss(integrate(field, a_t, t, low, count))
                h, gap = (T - u) / count, practical - ideal
                rows.append(
                    LossGap(seed, sweep, name, solver, order, T, u, TAU, count, h, ideal, practical, gap)
                )
    return rows
