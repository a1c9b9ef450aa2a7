"""Matrix products between hidden layers: in float32, or of factors rounded to bfloat16 (mixed precision).

Only what leads from one hidden layer to the next is rounded, which is nearly all of an update's work. Inputs
keep the digits of states and times, outputs those of actions and values: bfloat16 has eight bits, and near
200 its numbers lie 1 apart. Parameters, their optimiser and everything else of a loss stay float32.

Sources: Micikevicius et al. (2018) for float32 master weights; Kalamkar et al. (2019) for bfloat16.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn


class HiddenLinear(nn.Linear):
    """A linear layer from one hidden layer to the next. Shapes: (..., a) -> (..., b)."""

    rounded = False
    """Whether its product rounds; `with_rounded_products` sets it."""

    def forward(self, x: Tensor) -> Tensor:
        return rounded_product(x, self.weight.mT) + self.bias if self.rounded else super().forward(x)


def layer_kind(place: int) -> type[nn.Linear]:
    """The kind of layer that leads to a network's hidden layer of this place, from 0, that of inputs."""
    return HiddenLinear if place else nn.Linear


def batched_affine(bias: Tensor, x: Tensor, weight: Tensor, rounded: bool) -> Tensor:
    """x weight + bias for each head. Shapes: (n, 1, b), (n, B, a), (n, a, b) -> (n, B, b)."""
    return rounded_product(x, weight) + bias if rounded else torch.baddbmm(bias, x, weight)


def rounded_product(x: Tensor, weight: Tensor) -> Tensor:
    """x weight of factors rounded to bfloat16, summed in float32, and rounded again; it returns float32.

    So are the two products of its gradient taken. Shapes: (..., a), (..., a, b) -> (..., b).
    """
    return (x.bfloat16() @ weight.bfloat16()).float()


def with_rounded_products(modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Copies of networks whose products between hidden layers round, where the networks are built for it.

    Layers other than HiddenLinear, and networks without an attribute `rounded`, stay as they are.
    """
    copies = {name: deepcopy(module) for name, module in modules.items()}
    for part in (part for module in copies.values() for part in module.modules() if hasattr(part, "rounded")):
        part.rounded = True  # type: ignore[assignment]
    return copies
