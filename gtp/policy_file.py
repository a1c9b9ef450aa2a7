"""What a policy file holds: a header, checked by the configuration's classes, and tensors of its networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import TaskSpec, TrainConfig, check_range
from gtp.errors import UserError, shorten
from gtp.files import read_tensors
from gtp.networks import Sizes
from gtp.plain import build

FORMAT = "gtp-policy"
SCALING = ("observation_mean", "observation_std", "action_low", "action_high")
"""Tensors scaling/<name>: what raw observations and actions need."""
REMEDY = "train it again, or name a policy-<step>.safetensors file"


@dataclass(frozen=True, kw_only=True)
class PolicyHeader:
    """The header of a policy file."""

    format: str
    label: str
    algorithm: str
    hyperparameters: dict[str, Any]
    hidden_size: int
    hidden_layers: int
    critic_layer_norm: bool
    seeds: tuple[int, ...]
    step: int
    diverged_at: tuple[int, ...]
    """For each seed the step at which it stopped being finite, or -1."""
    reward_unit: float
    task: TaskSpec

    def __post_init__(self):
        TrainConfig(hidden_size=self.hidden_size, hidden_layers=self.hidden_layers)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are {shorten(self.seeds)}")
        if min(self.seeds) < 0 or max(self.seeds) >= 2**63:
            raise ValueError(f"seeds are {shorten(self.seeds)}")
        check_range("step", self.step, 1, 10**9)
        if len(self.diverged_at) != len(self.seeds):
            raise ValueError(f"diverged_at has {len(self.diverged_at)} entries for {len(self.seeds)} seeds")
        if not all(-1 <= step <= self.step for step in self.diverged_at):
            raise ValueError(f"diverged_at is {shorten(self.diverged_at)} in step {self.step}")
        if self.reward_unit <= 0:
            raise ValueError(f"reward_unit is {self.reward_unit}")


def read_policy_file(
    path: Path,
) -> tuple[PolicyHeader, Algorithm, dict[str, torch.nn.Module], dict[str, Tensor]]:
    """Header, method, its networks without values, and the tensors, which fit them.

    Raises: UserError, one line, when the file is missing, damaged, foreign, or of another version of gtp.
    """
    tensors, found = read_tensors(path, FORMAT, REMEDY)
    try:
        header = build(PolicyHeader, found)
    except ValueError as error:
        raise UserError(f"{path} is not a {FORMAT} file ({error}); {REMEDY}") from error
    try:
        algorithm = build(algorithms.get(header.algorithm), header.hyperparameters, "hyperparameters")
    except (ValueError, UserError) as error:
        raise UserError(f"{path} was written by another version of gtp ({error}); train it again") from error
    try:
        check_scaling(tensors)
        sizes = Sizes(
            len(tensors["scaling/observation_mean"]),
            len(tensors["scaling/action_low"]),
            header.hidden_size,
            header.hidden_layers,
            header.critic_layer_norm,
        )
        with torch.device("meta"):  # shapes alone, whatever sizes a header declares
            modules = algorithm.networks(sizes)
        check_parameters(tensors, algorithm, modules, len(header.seeds))
    except ValueError as error:
        raise UserError(f"{path} does not hold what its header says ({error}); {REMEDY}") from error
    return header, algorithm, modules, tensors


def check_scaling(tensors: dict[str, Tensor]) -> None:
    """Raises ValueError unless observations can be standardised and actions scaled back."""
    for name in SCALING:
        value = tensors.get(f"scaling/{name}")
        if value is None or value.dtype != torch.float32 or value.ndim != 1 or len(value) == 0:
            raise ValueError(f"{name} is not one axis of float32")
        if not value.isfinite().all():
            raise ValueError(f"{name} is not finite")
    mean, std, low, high = (tensors[f"scaling/{name}"] for name in SCALING)
    if mean.shape != std.shape or (std <= 0).any():
        raise ValueError("observation_std does not fit observation_mean, or is not positive")
    if low.shape != high.shape or (low >= high).any():
        raise ValueError("action_low does not lie below action_high")


def check_parameters(
    tensors: dict[str, Tensor], algorithm: Algorithm, modules: dict[str, torch.nn.Module], seeds: int
) -> None:
    """Raises ValueError unless the tensors are those of the networks that act, for every seed, alone."""
    expected = {f"scaling/{name}": tensors[f"scaling/{name}"] for name in SCALING}
    for network in (*algorithm.acting_networks, *filter(None, [algorithm.critic])):
        for leaf, value in modules[network.removesuffix("_ema")].state_dict().items():
            expected[f"params/{network}/{leaf}"] = value.expand(seeds, *value.shape)
    if differing := sorted(tensors.keys() ^ expected.keys()):
        raise ValueError(f"{differing[0]} is {'missing' if differing[0] in expected else 'not expected'}")
    for name, value in tensors.items():
        if (value.shape, value.dtype) != (expected[name].shape, expected[name].dtype):
            raise ValueError(
                f"{name} is {value.dtype} of shape {tuple(value.shape)} where"
                f" {expected[name].dtype} of shape {tuple(expected[name].shape)} is expected"
            )
