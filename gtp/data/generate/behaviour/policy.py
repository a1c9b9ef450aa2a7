"""Trained behaviour policies: files of those that one training run passed through, and how they act."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from gtp.errors import UserError, shorten
from gtp.files import read_tensor_file, write_tensor_file
from gtp.plain import build

FOLDER = Path(__file__).parent / "policies"
FORMAT = "gtp-behaviour-2"


@dataclass(frozen=True)
class BehaviourPolicy:
    """A tanh network with a Gaussian of fixed width around its output, as PPO trains it.

    Acts in float64 whatever the weights' type, so that a dataset does not depend on the number of threads.
    """

    weights: tuple[np.ndarray, ...]
    """(in, out) per layer."""
    biases: tuple[np.ndarray, ...]
    """(out,) per layer."""
    mean: np.ndarray
    """(O,) of the observations in training."""
    std: np.ndarray
    """(O,) of the observations in training."""
    log_std: np.ndarray
    """(A,) logarithm of the standard deviation of the actions."""

    def act(
        self, observation: np.ndarray, rng: np.random.Generator | None = None, noise: float = 1.0
    ) -> np.ndarray:
        """Action (A,) float32 in [-1, 1] for an observation (O,): sampled with a generator, else the mean.

        `noise` multiplies the standard deviation that the policy was trained with.
        """
        hidden = np.clip((observation - self.mean) / self.std, -10.0, 10.0)  # PPO saw them clipped so
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.tanh(hidden @ weight + bias)
        action = hidden @ self.weights[-1] + self.biases[-1]
        if rng is not None:
            action = action + noise * np.exp(self.log_std) * rng.standard_normal(len(action))
        return np.clip(action, -1.0, 1.0).astype(np.float32)


@dataclass(frozen=True)
class BehaviourPolicies:
    """Policies that one training run passed through, from the untrained one to the expert at its end."""

    robot: str
    steps: tuple[int, ...]
    """Environment steps of training behind each policy, increasing."""
    policies: tuple[BehaviourPolicy, ...]
    medium_index: int
    """Place of the medium policy, whose return was the first to reach a third of the expert's."""

    @property
    def expert(self) -> BehaviourPolicy:
        return self.policies[-1]

    @property
    def medium(self) -> BehaviourPolicy:
        return self.policies[self.medium_index]

    @property
    def until_medium(self) -> tuple[BehaviourPolicy, ...]:
        """From the untrained policy to the medium one, evenly spaced in training."""
        return self.policies[: self.medium_index + 1]

    @property
    def whole_training(self) -> tuple[BehaviourPolicy, ...]:
        """The untrained policy, then from the medium one to the expert, evenly spaced in training."""
        return (self.policies[0], *self.policies[self.medium_index :])


def policies_file(robot: str) -> Path:
    """Where the shipped policies of a robot lie."""
    return FOLDER / f"{robot}.safetensors"


@cache
def load_policies(robot: str) -> BehaviourPolicies:
    """The shipped policies of a robot. Raises UserError when the file is missing or damaged."""
    path = policies_file(robot)
    remedy = "restore it with git checkout, or train all anew: snakemake behaviour_policies"
    stored, found = read_tensor_file(path, FORMAT, "a file of behaviour policies", remedy)
    try:
        header = build(BehaviourHeader, found)
        if header.robot != robot:
            raise ValueError(f"it is that of {shorten(header.robot)}")
        layers = count_layers(stored, len(header.steps))
    except ValueError as error:
        raise UserError(f"{path} is not a file of behaviour policies ({error}); {remedy}") from error
    arrays = {name: array.astype(np.float64) for name, array in stored.items()}
    return BehaviourPolicies(
        robot,
        header.steps,
        tuple(
            BehaviourPolicy(
                weights=tuple(arrays[f"weight.{k}"][i] for k in range(layers)),
                biases=tuple(arrays[f"bias.{k}"][i] for k in range(layers)),
                mean=arrays["mean"][i],
                std=arrays["std"][i],
                log_std=arrays["log_std"][i],
            )
            for i in range(len(header.steps))
        ),
        header.medium,
    )


@dataclass(frozen=True, kw_only=True)
class BehaviourHeader:
    """What a file of behaviour policies says beside its arrays."""

    format: str
    robot: str
    steps: tuple[int, ...]
    medium: int

    def __post_init__(self):
        if not self.steps or self.steps[0] < 0 or not all(a < b for a, b in pairwise(self.steps)):
            raise ValueError(f"steps are {shorten(self.steps)}")
        if not 0 <= self.medium < len(self.steps):
            raise ValueError(f"medium is {self.medium} of {len(self.steps)} policies")


def count_layers(arrays: Mapping[str, np.ndarray], policies: int) -> int:
    """The layers of stacked networks. Raises ValueError when arrays are missing, unsound or do not fit."""
    layers = sum(name.startswith("weight.") for name in arrays)
    names = {f"{kind}.{k}" for k in range(layers) for kind in ("weight", "bias")} | {"mean", "std", "log_std"}
    if layers == 0 or arrays.keys() != names:
        raise ValueError(f"it has the arrays {shorten(sorted(arrays))}")
    width = arrays["mean"].shape[1:]
    shapes = {"mean": width, "std": width}
    for k in range(layers):
        shapes[f"weight.{k}"] = (*width, *arrays[f"bias.{k}"].shape[1:])
        width = shapes[f"bias.{k}"] = arrays[f"bias.{k}"].shape[1:]
    shapes["log_std"] = width
    for name, shape in shapes.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != (policies, *shape) or 0 in array.shape:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
        if not np.isfinite(array).all() or (name == "std" and (array <= 0).any()):
            raise ValueError(f"{name} is not finite, or not positive")
    return layers


def save_policies(
    path: Path, robot: str, steps: list[int], snapshots: list[dict[str, np.ndarray]], medium: int
) -> None:
    """Write the arrays of snapshots of one training run, stacked; `medium` is the place of that policy."""
    stacked = {name: np.stack([snapshot[name] for snapshot in snapshots]) for name in snapshots[0]}
    header = {"format": FORMAT, "robot": robot, "steps": steps, "medium": medium}
    write_tensor_file(path, stacked, header)
