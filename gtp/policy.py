"""A trained policy in one file: load it and act, without the data or the training code's state."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gtp import algorithms
from gtp.algorithm import Algorithm
from gtp.checkpoint import read_tensors, write_tensors
from gtp.config import TaskSpec
from gtp.data.columns import observation_scaling
from gtp.data.transitions import Transitions
from gtp.errors import UserError
from gtp.learner import Learner, bind
from gtp.networks import Sizes
from gtp.randomness import acting_noise

FORMAT = "gtp-policy"


@dataclass
class Policy:
    """The policy of one seed. `act` is all that most users need."""

    algorithm: Algorithm
    modules: dict[str, torch.nn.Module]
    params: dict[str, dict[str, Tensor]]
    observation_mean: Tensor
    observation_std: Tensor
    action_low: Tensor
    action_high: Tensor
    task: TaskSpec
    label: str
    """Name under which it was trained: a method of config/methods.yaml, or the algorithm's."""
    seed: int
    seeds: list[int]
    step: int
    diverged_at: int | None
    """Training step at which this seed stopped being finite; None for a sound policy."""

    @torch.inference_mode()
    def act(self, obs, nfe: int = 5, noise: Tensor | None = None) -> np.ndarray:
        """Actions in the environment's units for raw observations.

        Shapes: obs (O,) or (B, O) -> (A,) or (B, A). `nfe` is the number K of function evaluations;
        methods that are not generative ignore it. `noise` is standard normal, of the algorithm's
        `noise_shape`; None takes the fixed noise of step 0, so that equal calls give equal actions.
        Raises UserError for observations of another size, an nfe that the method does not offer, or a seed
        that diverged.
        """
        if self.diverged_at is not None:
            raise UserError(
                f"seed {self.seed} diverged at step {self.diverged_at} and cannot act; use another"
            )
        obs = torch.as_tensor(np.asarray(obs), dtype=torch.float32, device=self.observation_mean.device)
        batch = obs[None] if obs.ndim == 1 else obs
        if batch.ndim != 2 or batch.shape[1] != len(self.observation_mean):
            raise UserError(
                f"observations of shape {tuple(obs.shape)} do not fit this policy, which expects"
                f" ({len(self.observation_mean)},) or (batch, {len(self.observation_mean)})"
            )
        if nfe < 1:
            raise UserError(f"nfe must be at least 1, got {nfe}")
        if noise is None:
            noise = acting_noise(self.noise_shape(len(batch)), self.seed, 0)
        networks = bind(self.modules, self.params)
        try:
            action = self.algorithm.act(networks, self.normalize(batch), noise.to(batch.device), nfe)
        except ValueError as error:  # a number of function evaluations that the method cannot do
            raise UserError(str(error)) from error
        action = self.action_low + 0.5 * (action.clamp(-1.0, 1.0) + 1.0) * (
            self.action_high - self.action_low
        )
        return (action[0] if obs.ndim == 1 else action).cpu().numpy()

    def normalize(self, obs: Tensor) -> Tensor:
        """Observations as the networks saw them in training; any leading shape."""
        return (obs - self.observation_mean) / self.observation_std

    def noise_shape(self, batch_size: int) -> tuple[int, ...]:
        """Shape of the noise that `act` consumes for a batch."""
        return self.algorithm.noise_shape(batch_size, len(self.action_low))

    def parameter_count(self) -> int:
        """Number of parameters that acting needs."""
        return sum(leaf.numel() for leaves in self.params.values() for leaf in leaves.values())


def save_policy(path: Path, learner: Learner, transitions: Transitions, label: str) -> None:
    """Write the acting networks of all seeds of `learner`, and what raw observations and actions need."""
    mean, std = observation_scaling(transitions, learner.config.normalize_observations)
    scaling = {
        "observation_mean": mean,
        "observation_std": std,
        "action_low": torch.from_numpy(transitions.action_low),
        "action_high": torch.from_numpy(transitions.action_high),
    }
    tensors = {f"params/{name}": value for name, value in learner.acting_params().items()}
    tensors |= {f"scaling/{name}": value for name, value in scaling.items()}
    header = {
        "format": FORMAT,
        "label": label,
        "algorithm": algorithms.name_of(learner.algorithm),
        "hyperparameters": asdict(learner.algorithm),
        "hidden_size": learner.config.hidden_size,
        "hidden_layers": learner.config.hidden_layers,
        "seeds": learner.seeds,
        "step": int(learner.step),
        "diverged_at": learner.diverged_at.tolist(),
        "task": asdict(transitions.task),
    }
    write_tensors(path, tensors, header)


def load_policy(path: Path | str, seed: int | None = None, device: str | torch.device = "cpu") -> Policy:
    """The policy of `seed` (default: the first seed in the file).

    Raises UserError when the file is missing, truncated, foreign, or does not contain the seed.
    """
    tensors, header = read_tensors(
        Path(path), FORMAT, "train it again, or name a policy-<step>.safetensors file"
    )
    seeds = header["seeds"]
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise UserError(f"{path} has no seed {seed}; it contains {', '.join(map(str, seeds))}")
    index = seeds.index(seed)
    scaling = {
        k.removeprefix("scaling/"): v.to(device) for k, v in tensors.items() if k.startswith("scaling/")
    }
    params: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("params/"):
            _, network, leaf = name.split("/")
            params.setdefault(network, {})[leaf] = value[index].to(device)
    try:
        algorithm = algorithms.get(header["algorithm"])(**header["hyperparameters"])
    except TypeError as error:
        raise UserError(f"{path} was written by another version of gtp ({error}); train it again") from error
    sizes = Sizes(
        len(scaling["observation_mean"]),
        len(scaling["action_low"]),
        header["hidden_size"],
        header["hidden_layers"],
    )
    diverged_at = header["diverged_at"][index]
    return Policy(
        algorithm=algorithm,
        modules={name: module.to("meta") for name, module in algorithm.networks(sizes).items()},
        params=params,
        task=task_from_header(header["task"]),
        label=header["label"],
        seed=seed,
        seeds=seeds,
        step=header["step"],
        diverged_at=None if diverged_at < 0 else diverged_at,
        **scaling,
    )


def task_from_header(fields: dict) -> TaskSpec:
    """A TaskSpec from JSON, whose lists are tuples again."""
    return TaskSpec(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})


def describe(path: Path) -> str:
    """One policy file's header as indented JSON, for people."""
    _, header = read_tensors(Path(path), FORMAT, "name a policy-<step>.safetensors file")
    return json.dumps(header, indent=2)
