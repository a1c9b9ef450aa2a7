"""Networks of a latent world model: simplicial latents, normalised MLPs, value heads and the policy prior.

Source: TD-MPC2 (Hansen et al., 2024), on which MBDPO builds. Weights begin as a truncated normal of deviation
0.02, biases as 0, and outputs that should begin at nothing as 0.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gtp import networks
from gtp.products import batched_affine, layer_kind

GROUP = 8
"""Entries of a latent that sum to 1 together."""
INITIAL_STD = 0.02


def linear(inputs: int, outputs: int, *, kind: type[nn.Linear] = nn.Linear, zero: bool = False) -> nn.Linear:
    """A linear layer with the weights of this page."""
    layer = kind(inputs, outputs)
    if zero:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.trunc_normal_(layer.weight, std=INITIAL_STD)
    nn.init.zeros_(layer.bias)
    return layer


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + e^x)), any shape.

    A planner evaluates it a hundred times for an action: without gradients, one exponential and updates in
    place take half the time of torch's kernel.
    """
    if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
        return networks.mish(x)
    exponential = x.clamp(max=20.0).exp_()
    numerator = torch.addcmul(2.0 * exponential, exponential, exponential)
    return numerator.div_(numerator + 2.0).mul_(x)


def simplices(x: Tensor) -> Tensor:
    """SimNorm: softmax within each group of GROUP entries. Shapes: (..., Z) -> (..., Z).

    torch's own softmax takes six times as long for so few entries.
    """
    groups = x.unflatten(-1, (-1, GROUP))
    exponential = (groups - groups.amax(dim=-1, keepdim=True).detach()).exp()
    return (exponential / exponential.sum(dim=-1, keepdim=True)).flatten(-2)


class NormedMLP(nn.Module):
    """Hidden layers with layer normalisation and Mish, then a linear output.

    Shapes: (..., inputs) -> (..., outputs), several inputs are concatenated. `latent` normalises the output
    and puts it on simplices; `zero` starts the output at 0.
    """

    def __init__(self, widths: tuple[int, ...], *, latent: bool = False, zero: bool = False):
        super().__init__()
        *hidden, (last, outputs) = pairwise(widths)
        self.hidden = nn.ModuleList(linear(a, b, kind=layer_kind(i)) for i, (a, b) in enumerate(hidden))
        self.norms = nn.ModuleList(nn.LayerNorm(b) for _, b in hidden)
        self.output = linear(last, outputs, zero=zero)
        self.latent = nn.LayerNorm(outputs) if latent else None

    def forward(self, *inputs: Tensor) -> Tensor:
        x = torch.cat(inputs, dim=-1)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = mish(norm(layer(x)))
        x = self.output(x)
        return x if self.latent is None else simplices(self.latent(x))


class ValueHeads(nn.Module):
    """n independent NormedMLPs on (latent, action), as one batch of matrix products; outputs begin at 0.

    Shapes: latent (..., Z), act (..., A) -> logits (n, ..., K).
    """

    rounded = False
    """Whether products between hidden layers round; `with_rounded_products` sets it."""

    def __init__(self, widths: tuple[int, ...], heads: int):
        super().__init__()
        *hidden, (last, bins) = pairwise(widths)
        layers = [[linear(a, b) for a, b in hidden] for _ in range(heads)]
        self.weight = nn.ParameterList(
            torch.stack([layer.weight.detach().T for layer in level]) for level in zip(*layers, strict=True)
        )
        self.bias = nn.ParameterList(torch.zeros(heads, 1, b) for _, b in hidden)
        self.scale = nn.ParameterList(torch.ones(heads, 1, b) for _, b in hidden)
        self.shift = nn.ParameterList(torch.zeros(heads, 1, b) for _, b in hidden)
        self.output_weight = nn.Parameter(torch.zeros(heads, last, bins))
        self.output_bias = nn.Parameter(torch.zeros(heads, 1, bins))

    def forward(self, latent: Tensor, act: Tensor) -> Tensor:
        inputs = torch.cat([latent, act], dim=-1)
        batch = inputs.shape[:-1]
        x = inputs.reshape(-1, inputs.shape[-1]).expand(len(self.output_weight), -1, -1)
        layers = zip(self.weight, self.bias, self.scale, self.shift, strict=True)
        for i, (weight, bias, scale, shift) in enumerate(layers):
            x = batched_affine(bias, x, weight, rounded=self.rounded and i > 0)
            x = mish(functional.layer_norm(x, x.shape[-1:]) * scale + shift)
        x = torch.baddbmm(self.output_bias, x, self.output_weight)
        return x.unflatten(1, batch)


class GaussianPrior(nn.Module):
    """The policy prior: a Gaussian before tanh, whose log deviation lies in [-10, 2].

    Shapes: latent (..., Z) -> mean (..., A), log_std (..., A).
    """

    LOW, HIGH = -10.0, 2.0

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        self.body = NormedMLP(widths)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.body(latent).chunk(2, dim=-1)
        return mean, self.LOW + 0.5 * (self.HIGH - self.LOW) * (raw.tanh() + 1.0)


class RunningMoments(nn.Module):
    """A mean and a deviation that a loss keeps up to date: () -> mean (), std ()."""

    mean: Tensor
    std: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.mean, self.std


class RunningScale(nn.Module):
    """A scale that a loss keeps up to date: () -> ()."""

    scale: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self) -> Tensor:
        return self.scale
