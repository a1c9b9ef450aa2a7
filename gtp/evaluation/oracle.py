"""Policies against a known answer: clone a Gaussian mixture, compare samples with both of its truths.

One is the data's own distribution, which a sampler must reproduce wherever it starts; the other is where the
exact solution map carries the same noise.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from gtp.algorithms.common.interface import Algorithm, Batch, Networks
from gtp.algorithms.gtp import GTP
from gtp.config import MixtureName, TrainConfig
from gtp.evaluation.exact_flow import exact_flow
from gtp.generative.gaussian_mixture import GaussianMixture
from gtp.randomness import generator
from gtp.schema import Accuracy
from gtp.training.learner import Learner
from gtp.training.samplers import TransitionSampler

ACTIONS = 20_000


def clone_mixture(
    algorithm: Algorithm,
    mixture: GaussianMixture,
    config: TrainConfig,
    seeds: Sequence[int],
    compiled: bool = False,
) -> list[Networks]:
    """Train `algorithm` on draws of `mixture` as the actions of a single state; each seed's networks.

    It runs on the CPU. All seeds learn from the same draws, which are the first seed's.
    """
    size, device = mixture.means.shape[1], torch.device("cpu")
    sampler = TransitionSampler(
        Batch(
            obs=torch.zeros(ACTIONS, 1),
            act=mixture.sample(ACTIONS, generator(seeds[0], "mixture")).float(),
            rew=torch.zeros(ACTIONS),
            next_obs=torch.zeros(ACTIONS, 1),
            discount=torch.zeros(ACTIONS),
        )
    )
    learner = Learner(algorithm, config, 1, size, list(seeds), device, compiled)
    inputs = learner.inputs(sampler)
    for _ in range(config.steps):
        learner.update(sampler, *next(inputs))
    return [learner.networks(place) for place in range(len(seeds))]


@torch.inference_mode()
def compare(
    algorithm: GTP,
    networks: Networks,
    mixture: GaussianMixture,
    nfe: Sequence[int],
    seed: int,
    samples: int = 4000,
) -> list[Accuracy]:
    """Samples of a trained policy, acting as it was trained, beside the data and the exact flow of its noise.

    Those of a policy that is not finite have no figures.
    """
    noise = torch.randn(samples, mixture.means.shape[1], generator=generator(seed, "oracle"))
    exact = exact_flow(mixture, algorithm.t_start * noise.double(), algorithm.t_start, 0.0)
    data = mixture.sample(samples, generator(seed, "oracle data"))
    results = []
    for k in nfe:
        actions = algorithm.act(networks, torch.zeros(samples, 1), noise, k).double()
        if not actions.isfinite().all():
            results.append(Accuracy(seed, k, None, None, None, None, None, None))
            continue
        results.append(
            Accuracy(
                seed,
                k,
                float((actions.mean(dim=0) - data.mean(dim=0)).norm()),
                float((actions.var(dim=0).sum() / data.var(dim=0).sum()).sqrt()),
                energy_distance(actions, data),
                mixture.off_mode_share(actions),
                float((actions - exact).norm(dim=1).median()),
                smallest_mode_share(mixture, actions),
            )
        )
    return results


def measure_accuracy(
    algorithm: GTP,
    mixture: GaussianMixture,
    config: TrainConfig,
    nfe: Sequence[int],
    seeds: Sequence[int],
    compiled: bool,
) -> list[Accuracy]:
    """`clone_mixture`, and `compare` for each seed. Raises ValueError as `check_numbers` does."""
    check_numbers(mixture, nfe, seeds)
    clones = clone_mixture(algorithm, mixture, config, seeds, compiled)
    return [
        row
        for seed, networks in zip(seeds, clones, strict=True)
        for row in compare(algorithm, networks, mixture, nfe, seed)
    ]


def means_over_seeds(rows: Sequence[Accuracy]) -> list[dict[str, float | None]]:
    """For each K, in order, the mean over seeds of every quantity; None where a seed diverged."""
    names = [field.name for field in fields(Accuracy) if field.name != "seed"]
    means = []
    for k in dict.fromkeys(row.nfe for row in rows):
        columns = {name: [getattr(row, name) for row in rows if row.nfe == k] for name in names}
        means.append({n: None if None in found else sum(found) / len(found) for n, found in columns.items()})
    return means


def check_numbers(mixture: GaussianMixture, nfe: Sequence[int], seeds: Sequence[int]) -> None:
    """Raises ValueError unless there are seeds, K of at least 1, and modes of some width."""
    if not nfe or min(nfe) < 1 or not seeds:
        raise ValueError(f"one seed and nfe of 1 are the least, got seeds {seeds} and nfe {nfe}")
    if not 0.0 < mixture.std < math.inf:
        raise ValueError(f"std must be finite and positive, got {mixture.std}")


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| of two samples (B, A), all pairs counted (Szekely, 2003)."""
    return float(2.0 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean())


def smallest_mode_share(mixture: GaussianMixture, actions: Tensor) -> float:
    """Share of actions (B, A) whose nearest mean is the one that is nearest least often."""
    nearest = torch.cdist(actions, mixture.means).argmin(dim=1)
    return float(nearest.bincount(minlength=len(mixture.means)).min() / len(actions))


def four_corners(std: float = 0.05) -> GaussianMixture:
    """Four equal modes at (+-0.6, +-0.6): the action distribution at a crossing."""
    means = torch.tensor([[0.6, 0.6], [-0.6, 0.6], [-0.6, -0.6], [0.6, -0.6]], dtype=torch.float64)
    return GaussianMixture(means, torch.full((4,), 0.25, dtype=torch.float64), std)


def off_centre(std: float = 0.05) -> GaussianMixture:
    """Four unequal modes, none opposite to another: a shift or a shrinkage of samples shows in their mean."""
    means = torch.tensor([[0.8, 0.5], [-0.1, 0.7], [0.6, -0.3], [0.1, 0.1]], dtype=torch.float64)
    return GaussianMixture(means, torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64), std)


def wide(std: float = 0.3) -> GaussianMixture:
    """Two broad unequal modes away from 0, as broad as all actions of a robot together."""
    means = torch.tensor([[0.5, 0.3], [-0.2, -0.4]], dtype=torch.float64)
    return GaussianMixture(means, torch.tensor([0.7, 0.3], dtype=torch.float64), std)


MIXTURES: dict[MixtureName, Callable[..., GaussianMixture]] = {
    "corners": four_corners,
    "off_centre": off_centre,
    "wide": wide,
}
"""Name -> the mixture, given the standard deviation of its modes; each has a customary one."""
