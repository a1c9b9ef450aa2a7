"""One training step of a method: networks, a batch and draws, to hold its losses against."""

import torch

from gtp.algorithms.common.interface import Algorithm, Batch
from gtp.networks import Sizes
from gtp.randomness import Draw
from gtp.training.samplers import minibatch, sampler_for

from .training_fixtures import CONFIG, tiny_transitions

SIZES = Sizes(observation=3, action=2, hidden=16, layers=2)
B = 8
START = torch.tensor(0.0, dtype=torch.float64)
"""Progress at the first step."""


def make(algorithm: Algorithm, seed: int = 0):
    """Float64 networks with EMA copies of other parameters, a batch of B transitions, and draws of a step."""
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    try:
        networks = algorithm.networks(SIZES)
        for average in algorithm.averages:
            networks[f"{average.network}_ema"] = algorithm.networks(SIZES)[average.network]
        batch = Batch(
            obs=torch.randn(B, 3),
            act=torch.rand(B, 2) * 2 - 1,
            rew=torch.randn(B),
            next_obs=torch.randn(B, 3),
            discount=0.99 * (torch.rand(B) > 0.3).double(),
        )
        draws = {name: sample(draw) for name, draw in algorithm.draws(B, 2).items()}
    finally:
        torch.set_default_dtype(torch.float32)
    return networks, batch, draws


def sample(draw: Draw, generator: torch.Generator | None = None) -> torch.Tensor:
    """A draw in torch's default precision, by default from its own generator."""
    distribution = torch.randn if draw.kind == "normal" else torch.rand
    return distribution(draw.shape, generator=generator)


def tiny_step(algorithm: Algorithm, generator: torch.Generator):
    """The first 16 items of the tiny dataset as the method takes them, and the draws of one step: float32."""
    columns = sampler_for(algorithm, tiny_transitions(), CONFIG, torch.device("cpu")).columns
    batch = minibatch(columns, torch.arange(16), algorithm.window)
    return batch, {name: sample(draw, generator) for name, draw in algorithm.draws(16, 2).items()}


def receivers(loss: torch.Tensor, networks) -> set[str]:
    """The networks that a loss sends a gradient to."""
    for network in networks.values():
        network.zero_grad(set_to_none=True)
    loss.backward()
    return {
        name
        for name, network in networks.items()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    }
