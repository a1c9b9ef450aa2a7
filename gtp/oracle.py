"""GTP against a known answer: train on actions of a Gaussian mixture, compare with the exact solution map."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gtp.algorithm import Algorithm, Batch, Networks
from gtp.algorithms.gtp import GTP
from gtp.config import TrainConfig
from gtp.errors import UserError
from gtp.learner import Learner
from gtp.mixture import GaussianMixture
from gtp.randomness import generator
from gtp.train import choose_compiled

ACTIONS = 20_000


@dataclass(frozen=True)
class Accuracy:
    """How far K-step samples are from what the exact ODE makes of the same noise."""

    nfe: int
    off_mode_share: float
    """Share of samples farther than four standard deviations from every mode."""
    median_distance: float
    """Median distance to the exact end point, in action units."""
    smallest_mode_share: float
    """Share of the samples nearest to the mode that got fewest."""


def clone_mixture(
    algorithm: Algorithm, mixture: GaussianMixture, config: TrainConfig, seed: int, compiled: bool = False
) -> Networks:
    """Train `algorithm` on draws of `mixture` as the actions of a single state; its networks, on the CPU."""
    size, device = mixture.means.shape[1], torch.device("cpu")
    data = Batch(
        obs=torch.zeros(ACTIONS, 1),
        act=mixture.sample(ACTIONS, generator(seed, "mixture")).float(),
        rew=torch.zeros(ACTIONS),
        next_obs=torch.zeros(ACTIONS, 1),
        discount=torch.zeros(ACTIONS),
    )
    learner = Learner(algorithm, config, 1, size, [seed], device, compiled)
    inputs = learner.inputs(data)
    for _ in range(config.steps):
        learner.update(data, *next(inputs))
    return learner.networks()


@torch.inference_mode()
def compare(
    algorithm: GTP,
    networks: Networks,
    mixture: GaussianMixture,
    nfe: list[int],
    seed: int,
    samples: int = 1000,
) -> list[Accuracy]:
    """Samples of a trained policy beside the exact flow of the same noise (2000 Heun steps, float64)."""
    noise = torch.randn(samples, mixture.means.shape[1], generator=generator(seed, "oracle"))
    times = algorithm.time_scale.at(torch.linspace(0.0, 1.0, 2001, dtype=torch.float64))
    exact = mixture.solve(algorithm.t_max * noise.double(), times)
    results = []
    for k in nfe:
        actions = algorithm.act(networks, torch.zeros(samples, 1), noise, k).double()
        results.append(
            Accuracy(
                k,
                mixture.off_mode_share(actions),
                float((actions - exact).norm(dim=1).median()),
                smallest_mode_share(mixture, actions),
            )
        )
    return results


def measure_accuracy(
    algorithm: GTP, mixture: GaussianMixture, config: TrainConfig, nfe: Sequence[int], seeds: Sequence[int]
) -> list[dict]:
    """`clone_mixture` and `compare` for each seed; per K, the means over the seeds.

    The update is compiled if there is a compiler. Raises UserError for numbers that make no sense.
    """
    if not nfe or min(nfe) < 1 or not seeds:
        raise UserError(f"one seed and nfe of 1 are the least, got seeds {seeds} and nfe {nfe}")
    if not 0.0 < mixture.std < math.inf:
        raise UserError(f"std must be finite and positive, got {mixture.std}")
    compiled = choose_compiled("auto", torch.device("cpu"))
    runs = [
        compare(algorithm, clone_mixture(algorithm, mixture, config, seed, compiled), mixture, nfe, seed)
        for seed in seeds
    ]
    return [
        {name: sum(getattr(run[i], name) for run in runs) / len(runs) for name in Accuracy.__annotations__}
        for i in range(len(nfe))
    ]


def smallest_mode_share(mixture: GaussianMixture, actions: Tensor) -> float:
    """Share of actions (B, A) whose nearest mean is the one that is nearest least often."""
    nearest = torch.cdist(actions, mixture.means).argmin(dim=1)
    return float(nearest.bincount(minlength=len(mixture.means)).min() / len(actions))


def four_corners(std: float = 0.05) -> GaussianMixture:
    """Four equal modes at (+-0.6, +-0.6): the action distribution at a crossing."""
    means = torch.tensor([[0.6, 0.6], [-0.6, 0.6], [-0.6, -0.6], [0.6, -0.6]], dtype=torch.float64)
    return GaussianMixture(means, torch.full((4,), 0.25, dtype=torch.float64), std)
