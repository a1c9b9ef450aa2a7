"""Regression as classification: scalars as mass on two neighbouring bins of a symmetric logarithm.

Source: DreamerV3 (Hafner et al., 2023) and TD-MPC2 (Hansen et al., 2024).
"""

import torch
from torch import Tensor
from torch.nn import functional

LIMIT = 10.0
"""Bins divide [-LIMIT, LIMIT] of symlog(y) evenly: |y| up to 2.2e4."""


def symlog(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|), any shape."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`, any shape."""
    return x.sign() * x.abs().expm1()


def centres(bins: int, like: Tensor) -> Tensor:
    """The bins' centres in symlog space: (K,), of the dtype and device of `like`."""
    return torch.linspace(-LIMIT, LIMIT, bins, dtype=like.dtype, device=like.device)


def two_hot(y: Tensor, bins: int) -> Tensor:
    """Unit mass on the two bins around symlog(y), in proportion to nearness. Shapes: (...) -> (..., K)."""
    width = 2.0 * LIMIT / (bins - 1)
    position = (symlog(y).clamp(-LIMIT, LIMIT) + LIMIT) / width
    distance = position[..., None] - torch.arange(bins, dtype=y.dtype, device=y.device)
    return (1.0 - distance.abs()).clamp(min=0.0)


def decode(logits: Tensor) -> Tensor:
    """The scalar that logits over bins stand for: symexp of the bins' mean. Shapes: (..., K) -> (...)."""
    return symexp(logits.softmax(dim=-1) @ centres(logits.shape[-1], logits))


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-sum_j twohot(y)_j log softmax(logits)_j. Shapes: (..., K), (...) -> (...)."""
    return -(two_hot(y, logits.shape[-1]) * functional.log_softmax(logits, dim=-1)).sum(dim=-1)
