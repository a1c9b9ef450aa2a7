"""The networks that every method shares: MLPs, ensembles of MLPs, and the embedding of diffusion times."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gtp.products import batched_affine, layer_kind

TIME_FEATURES = 16
"""Width of the embedding of one time."""


@dataclass(frozen=True)
class Sizes:
    """Widths that a method needs to build its networks."""

    observation: int
    action: int
    hidden: int
    layers: int
    critic_layer_norm: bool = False
    """Whether critics normalise their hidden layers (Ba et al., 2016)."""


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + e^x)), any shape (Misra, 2020).

    Compiled for CPUs, torch's own evaluates three transcendental functions per element and takes half of
    a training step. With e = e^x one suffices: tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2), which is
    1 to the last bit beyond x = 20. Eagerly, torch's single kernel is the faster one.
    """
    if not torch.compiler.is_compiling():
        return functional.mish(x)
    exponential = x.clamp(max=20.0).exp()
    numerator = exponential * (exponential + 2.0)
    return x * (numerator / (numerator + 2.0))


class MLP(nn.Module):
    """`layers` hidden layers of width `hidden` with Mish, then a linear output.

    Shapes: (..., inputs) -> (..., outputs). Source: the backbone of Diffusion-QL (Wang et al., 2023).
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, layers: int):
        super().__init__()
        widths = [inputs] + [hidden] * layers
        self.hidden = nn.ModuleList(layer_kind(i)(a, b) for i, (a, b) in enumerate(pairwise(widths)))
        self.output = nn.Linear(hidden, outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        x = torch.cat(inputs, dim=-1)
        for layer in self.hidden:
            x = mish(layer(x))
        return self.output(x)


def action_network(sizes: Sizes, times: int = 1) -> MLP:
    """A network of noisy actions: (obs (B, O), x (B, A), features (B, F) of each time) -> (B, A)."""
    inputs = sizes.observation + sizes.action + times * TIME_FEATURES
    return MLP(inputs, sizes.action, sizes.hidden, sizes.layers)


class TwinQ(nn.Module):
    """Two independent MLPs Q_1, Q_2 on (observation, action), as one batch of matrix products.

    Shapes: obs (B, O), act (B, A) -> (2, B). Layer normalisation stands before the activations, as in FQL.
    """

    rounded = False
    """Whether products between hidden layers round; `with_rounded_products` sets it."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        widths = [sizes.observation + sizes.action] + [sizes.hidden] * sizes.layers + [1]
        heads = [[nn.Linear(a, b) for a, b in pairwise(widths)] for _ in range(2)]
        layers = list(zip(*heads, strict=True))
        self.weight = nn.ParameterList(
            torch.stack([head.weight.detach().T for head in pair]) for pair in layers
        )
        self.bias = nn.ParameterList(
            torch.stack([head.bias.detach()[None] for head in pair]) for pair in layers
        )
        norms = sizes.layers if sizes.critic_layer_norm else 0
        self.scale = nn.ParameterList(torch.ones(2, 1, sizes.hidden) for _ in range(norms))
        self.shift = nn.ParameterList(torch.zeros(2, 1, sizes.hidden) for _ in range(norms))

    def forward(self, obs: Tensor, act: Tensor) -> Tensor:
        x = torch.cat([obs, act], dim=-1).expand(2, -1, -1)
        last = len(self.weight) - 1
        for i in range(last):
            x = batched_affine(self.bias[i], x, self.weight[i], rounded=self.rounded and i > 0)
            if self.scale:
                x = functional.layer_norm(x, x.shape[-1:]) * self.scale[i] + self.shift[i]
            x = mish(x)
        return torch.baddbmm(self.bias[last], x, self.weight[last]).squeeze(-1)


class DeterministicActor(MLP):
    """tanh-bounded actions. Shapes: obs (B, O) -> (B, A) in [-1, 1]."""

    def __init__(self, sizes: Sizes):
        super().__init__(sizes.observation, sizes.action, sizes.hidden, sizes.layers)

    def forward(self, obs: Tensor) -> Tensor:  # type: ignore[override]
        return torch.tanh(super().forward(obs))


class GaussianActor(nn.Module):
    """A diagonal Gaussian: its tanh-bounded mean, and its log standard deviation, the same in all states.

    Shapes: obs (B, O) -> (B, A), (B, A). `log_std_bounds` clamps the log standard deviation.
    """

    def __init__(self, sizes: Sizes, log_std_bounds: tuple[float, float]):
        super().__init__()
        self.mean = MLP(sizes.observation, sizes.action, sizes.hidden, sizes.layers)
        self.log_std = nn.Parameter(torch.zeros(sizes.action))
        self.bounds = log_std_bounds

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.tanh(self.mean(obs))
        return mean, self.log_std.clamp(*self.bounds).expand_as(mean)


def gaussian_log_likelihood(act: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(a; mean, diag(std^2)), summed over action dimensions. Shapes: three (B, A) -> (B,)."""
    error = (act - mean) / log_std.exp()
    return -(0.5 * error.square() + log_std + 0.5 * math.log(2.0 * math.pi)).sum(dim=-1)


class StateValue(MLP):
    """V(s). Shapes: obs (B, O) -> (B,)."""

    def __init__(self, sizes: Sizes):
        super().__init__(sizes.observation, 1, sizes.hidden, sizes.layers)

    def forward(self, obs: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(obs).squeeze(-1)


def time_features(c_noise: Tensor, width: int = TIME_FEATURES) -> Tensor:
    """Sinusoidal features of a conditioning time. Shapes: (...) -> (..., width).

    The frequencies are geometric from 0.5 to 16 rad per unit of c_noise (log(t) / 4, or on flow paths
    t itself), so that the slowest is monotone over all times and the fastest tells neighbouring times apart.
    """
    frequencies = 0.5 * torch.exp(
        torch.arange(width // 2, device=c_noise.device) * (math.log(32.0) / (width // 2 - 1))
    )
    angles = c_noise[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
