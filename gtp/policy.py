"""A trained policy in one file: load it and act, without the data or the training code's state."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gtp import algorithms
from gtp.acting import ActingRule, applicable, choose_action, reason_against
from gtp.algorithms.common.interface import Algorithm, Memory, bind
from gtp.config import TaskSpec, TrainConfig
from gtp.data.batches import observation_scaling
from gtp.data.reward_scale import reward_unit
from gtp.data.transitions import Transitions
from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors
from gtp.policy_file import FORMAT, SCALING, read_policy_file
from gtp.randomness import ActingNoise, start_seed


class Frame(NamedTuple):
    """What a policy knows of its environment: how to read observations and what actions and rewards mean."""

    task: TaskSpec
    observation_mean: Tensor
    """(O,)"""
    observation_std: Tensor
    """(O,)"""
    action_low: Tensor
    """(A,) environment's units"""
    action_high: Tensor
    """(A,)"""
    reward_unit: float = 1.0
    """One unit of training's rewards in those that acting rules assume (gtp.data.reward_scale)."""

    @classmethod
    def of(cls, transitions: Transitions, config: TrainConfig) -> "Frame":
        """The frame of a policy that is trained on a dataset."""
        return cls(
            transitions.task,
            *observation_scaling(transitions, config.normalize_observations),
            torch.from_numpy(transitions.action_low),
            torch.from_numpy(transitions.action_high),
            reward_unit(transitions, config.discount),
        )


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
    reward_unit: float
    """One unit of training's rewards in those that acting rules assume (gtp.data.reward_scale)."""
    episodes: tuple[int, ...] | None = field(default=None, init=False)
    """The episodes that the rows of a batch belong to; None stands for 0, 1, and so on."""
    actions_taken: int = field(default=0, init=False)
    """Calls of `act` since `reset`."""
    _noise: dict[str, ActingNoise] = field(default_factory=dict, init=False, repr=False)
    _memory: Memory | None = field(default=None, init=False, repr=False)

    def reset(self, episodes: int | Sequence[int] | None = None) -> None:
        """Begin episodes anew: noise is a function of the policy's seed, the episode and its step.

        `episodes` are the numbers of the episodes that the rows of the following calls' observations belong
        to; None numbers the rows from 0.
        """
        if isinstance(episodes, int):
            episodes = (episodes,)
        self.episodes = None if episodes is None else tuple(episodes)
        self.actions_taken = 0
        self._noise.clear()
        self._memory = None

    def start_seed(self, episode: int) -> int:
        """The seed with which `gtp evaluate` resets an episode's environment; equal for all methods."""
        return start_seed(self.seed, "evaluation", episode)

    @torch.inference_mode()
    def act(self, obs, nfe: int = 5, acting: str | ActingRule = "sample") -> np.ndarray:
        """The next action of each episode, in the environment's units, for raw observations.

        Shapes: obs (O,) or (B, O) -> (A,) or (B, A). `nfe` is the number K of function evaluations; methods
        that cannot choose it ignore it. `acting` says what is done with the method's samples (gtp.acting);
        methods whose actions do not depend on noise ignore it. Each call draws noise of its own: `reset` at
        the beginning of an episode makes the episode repeat.
        Raises ValueError for observations of another size or number, an nfe below 1, a rule that there is
        none of and one that needs a critic where the method has none; RuntimeError for a seed that diverged.
        """
        if self.diverged_at is not None:
            raise RuntimeError(
                f"seed {self.seed} diverged at step {self.diverged_at} and cannot act; use another"
            )
        obs = torch.as_tensor(np.asarray(obs), dtype=torch.float32, device=self.observation_mean.device)
        batch = obs[None] if obs.ndim == 1 else obs
        if batch.ndim != 2 or batch.shape[1] != len(self.observation_mean):
            raise ValueError(
                f"observations of shape {tuple(obs.shape)} do not fit this policy, which expects"
                f" ({len(self.observation_mean)},) or (batch, {len(self.observation_mean)})"
            )
        if nfe < 1:
            raise ValueError(f"nfe must be at least 1, got {nfe}")
        rule = self.rule(acting)
        noise = self._next_noise(rule, len(batch), nfe)
        networks = bind(self.modules, self.params)
        if self._memory is None or any(len(rows) != len(batch) for rows in self._memory.values()):
            # Other episodes begin anew, as their noise does.
            self._memory = self.algorithm.first_memory(len(batch), len(self.action_low))
        normalized = self.normalize(batch)
        action, self._memory = choose_action(
            rule, self.algorithm, networks, normalized, noise, nfe, self.reward_unit, self._memory
        )
        action = self.action_low + 0.5 * (action + 1.0) * (self.action_high - self.action_low)
        return (action[0] if obs.ndim == 1 else action).cpu().numpy()

    def rule(self, acting: str | ActingRule) -> ActingRule:
        """The acting rule of a name, as this method follows it. Raises ValueError as `act` does."""
        rule = ActingRule.parse(acting) if isinstance(acting, str) else acting
        found = applicable([rule], self.algorithm)
        if not found:
            reason = reason_against(rule, self.algorithm)
            raise ValueError(f"{self.label} cannot act by '{rule.name}'; {reason}")
        return found[0]

    def _next_noise(self, rule: ActingRule, batch_size: int, nfe: int) -> dict[str, Tensor]:
        """Noise of the next action for `choose_action`: the rows' own streams, next to each other."""
        episodes = range(batch_size) if self.episodes is None else self.episodes
        if len(episodes) != batch_size:
            raise ValueError(
                f"{batch_size} observations for {len(episodes)} episodes; call reset with the number of each"
            )
        noise = {}
        for name, shape in rule.noise_shapes(self.algorithm, len(self.action_low), nfe).items():
            stream = self._noise.get(name)
            if stream is None or (stream.shape, stream.episodes) != (shape, tuple(episodes)):
                stream = self._noise[name] = ActingNoise(self.seed, name, episodes, shape)
            noise[name] = stream.at(self.actions_taken).to(self.observation_mean.device)
        self.actions_taken += 1
        # Rows of the batch stand last but one: (B, ..., M, A) becomes (..., B M, A).
        noise["samples"] = noise["samples"].movedim(0, -3).flatten(-3, -2)
        return noise

    def normalize(self, obs: Tensor) -> Tensor:
        """Observations as the networks saw them in training; any leading shape."""
        return (obs - self.observation_mean) / self.observation_std

    def parameter_count(self) -> int:
        """Number of parameters that drawing a sample needs."""
        own = (self.params[name] for name in self.algorithm.acting_networks)
        return sum(leaf.numel() for leaves in own for leaf in leaves.values())


def save_policy(
    path: Path,
    algorithm: Algorithm,
    params: dict[str, Tensor],
    *,
    config: TrainConfig,
    frame: Frame,
    label: str,
    seeds: list[int],
    step: int,
    diverged_at: list[int],
) -> None:
    """Write the acting networks of all seeds, and what raw observations and actions need.

    `params` are `network/leaf` -> (S, ...); diverged_at has -1 for seeds that did not.
    """
    tensors = {f"params/{name}": value for name, value in params.items()}
    for name in SCALING:
        tensors[f"scaling/{name}"] = getattr(frame, name)
    header = {
        "format": FORMAT,
        "label": label,
        "algorithm": algorithms.name_of(algorithm),
        "hyperparameters": asdict(algorithm),
        "hidden_size": config.hidden_size,
        "hidden_layers": config.hidden_layers,
        "critic_layer_norm": config.critic_layer_norm,
        "seeds": seeds,
        "step": step,
        "diverged_at": diverged_at,
        "reward_unit": frame.reward_unit,
        "task": asdict(frame.task),
    }
    write_tensors(path, tensors, header)


def load_policy(
    path: Path | str,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    environment: str | None = None,
) -> Policy:
    """The policy of `seed` (default: the first seed in the file).

    An environment whose id has a module (some.module:Env-v0) imports that module when it is made, which no
    file may choose: such a policy loads only where the caller names the same id as `environment`.
    Raises UserError when the file is missing, truncated, foreign, does not contain the seed, or names an
    environment with a module that is not `environment`.
    """
    header, algorithm, modules, tensors = read_policy_file(Path(path))
    task = header.task
    if ":" in task.environment and task.environment != environment:
        raise UserError(
            f"{path} names the environment {task.environment!r}, which would import"
            f" {task.environment.partition(':')[0]}; if that is meant, name it yourself as --environment, or"
            " as `environment` of load_policy"
        )
    seeds = list(header.seeds)
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise UserError(f"{path} has no seed {seed}; it contains {', '.join(map(str, seeds))}")
    index = seeds.index(seed)
    scaling = {name: tensors[f"scaling/{name}"].to(device) for name in SCALING}
    params: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("params/"):
            _, network, leaf = name.split("/")
            params.setdefault(network, {})[leaf] = value[index].to(device)
    diverged_at = header.diverged_at[index]
    return Policy(
        algorithm=algorithm,
        modules=modules,
        params=params,
        task=task,
        label=header.label,
        seed=seed,
        seeds=seeds,
        step=header.step,
        diverged_at=None if diverged_at < 0 else diverged_at,
        reward_unit=header.reward_unit,
        **scaling,
    )


def describe(path: Path) -> str:
    """One policy file's header as indented JSON, for people."""
    _, header = read_tensors(Path(path), FORMAT, "name a policy-<step>.safetensors file")
    return json.dumps(header, indent=2)
