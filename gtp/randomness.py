"""Stateless randomness: every number is a function of (seed, stream, block), never of what ran before.

A training step needs minibatch indices and noise. They are drawn for a block of steps at once, one
generator per seed and stream, so that resuming needs the step number alone and a seed's numbers do
not depend on which other seeds share its process. Torch's CPU generator keeps 32 bits of a seed: two
of the blocks of a long run may coincide, far apart, which is harmless.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

BLOCK = 50
"""Training steps that share one draw. Part of the definition of a run: another value, other numbers."""


@dataclass(frozen=True)
class Draw:
    """One random tensor that a training step needs: its distribution and its shape for one seed."""

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]


def derive_seed(seed: int, stream: str, block: int = 0) -> int:
    """A 63-bit seed for a generator, from the run's seed, the name of the stream and the block."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{block}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def start_seed(seed: int, stream: str, episode: int) -> int:
    """The seed with which an episode's environment is reset: below 2^31, as simulators want it."""
    return derive_seed(seed, stream, episode) % 2**31


def generator(seed: int, stream: str, block: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh generator for (seed, stream, block) on `device`; CPU and CUDA give different numbers."""
    return torch.Generator(device).manual_seed(derive_seed(seed, stream, block))


def draw_block(
    draws: dict[str, Draw], seeds: list[int], block: int, device: torch.device
) -> dict[str, Tensor]:
    """Noise for BLOCK steps: name -> (BLOCK, S, *shape) float32, S = len(seeds)."""
    numbers = {}
    for name, draw in draws.items():
        sample = torch.randn if draw.kind == "normal" else torch.rand
        numbers[name] = torch.stack(
            [
                sample((BLOCK, *draw.shape), generator=generator(seed, name, block, device), device=device)
                for seed in seeds
            ],
            dim=1,
        )
    return numbers


def draw_indices(size: int, batch_size: int, seeds: list[int], block: int, device: torch.device) -> Tensor:
    """Minibatch rows for BLOCK steps, uniform with replacement: (BLOCK, S, batch_size) int64 in [0, size)."""
    return torch.stack(
        [
            torch.randint(
                size,
                (BLOCK, batch_size),
                generator=generator(seed, "minibatch", block, device),
                device=device,
            )
            for seed in seeds
        ],
        dim=1,
    )


class ActingNoise:
    """Standard normal noise of the actions of some episodes, step by step: float32 on the CPU.

    An episode's noise is a function of (seed, stream, number of the episode, step), whatever else is
    evaluated beside it. `shape` is what one action takes.
    """

    def __init__(self, seed: int, stream: str, episodes: Sequence[int], shape: tuple[int, ...]):
        self.seed, self.stream, self.episodes, self.shape = seed, stream, tuple(episodes), shape
        self._block, self._numbers = -1, torch.empty(0)

    def at(self, step: int) -> Tensor:
        """The noise of the `step`-th action of every episode: (episodes, *shape)."""
        block, offset = divmod(step, BLOCK)
        if block != self._block:
            self._block, self._numbers = block, torch.stack([self._draw(i, block) for i in self.episodes])
        return self._numbers[:, offset]

    def _draw(self, episode: int, block: int) -> Tensor:
        source = generator(self.seed, f"acting/{self.stream}/{episode}", block)
        return torch.randn((BLOCK, *self.shape), generator=source)


def require_slices(noise: Tensor, nfe: int) -> None:
    """Raise ValueError when `noise`, one slice per function evaluation, has fewer than `nfe` slices."""
    if nfe > len(noise):
        raise ValueError(f"nfe = {nfe} needs as many slices of noise, got {len(noise)}")
