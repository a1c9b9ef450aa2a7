"""Where an online run begins: at nothing, at a policy that was trained before, or beside recorded data."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from gymnasium import Env

from gtp.algorithms.mbdpo import MBDPO
from gtp.config import TaskSpec
from gtp.data.transitions import Transitions, load_transitions
from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.online.settings import ModelBasedConfig
from gtp.online.world import discount_of, task_of
from gtp.policy import Frame, Policy, load_policy
from gtp.training.learner import Learner


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run takes over; files are None where there are none."""

    start: Path | None = None
    """A policy file of MBDPO, whose networks, scaling and units of reward are kept."""
    data: Path | None = None
    """Transitions that stay in the replay."""
    policy: Policy | None = None
    transitions: Transitions | None = None

    @classmethod
    def read(cls, start: Path | None, data: Path | None, seed: int) -> "Origin":
        """The files of these names; of a policy file its `seed`, or its first where it lacks that.

        Raises UserError when a file cannot be read, or is of another method, or diverged.
        """
        policy = load_policy(start) if start else None
        if start and policy and seed in policy.seeds:
            policy = load_policy(start, seed)
        if policy and not isinstance(policy.algorithm, MBDPO):
            raise UserError(f"{start} is a policy of {policy.label}; name one of mbdpo")
        if policy and policy.diverged_at is not None:
            raise UserError(f"{start} diverged at step {policy.diverged_at}; name a sound policy")
        transitions = load_transitions(data) if data else None
        if policy and transitions and policy.task != transitions.task:
            raise UserError(
                f"{start} and {data} are of different tasks, {policy.task.name} and"
                f" {transitions.task.name}; name data of the policy's task"
            )
        return cls(start=start, data=data, policy=policy, transitions=transitions)

    @property
    def settings(self) -> dict[str, str | None]:
        """What of it determines the run: the files' checksums."""
        files = {"start": self.start, "data": self.data}
        return {name: sha256_of(path) if path else None for name, path in files.items()}

    def task(self, config: ModelBasedConfig) -> TaskSpec:
        """The policy's or the data's task, or the environment's own. Raises UserError as `task_of`.

        Also when the environment is another one, or when the rewards' factor is not known.
        """
        source = self.policy or self.transitions
        if source is None:
            return task_of(config)
        file, task = self.start or self.data, source.task
        if task.environment != config.environment:
            raise UserError(f"{file} is of {task.environment}; name it with --environment {task.environment}")
        if task.reward_normalization != "none" and config.reward_factor is None:
            raise UserError(
                f"{file} has rewards scaled by its dataset's returns; name the factor with --reward_factor,"
                " 1000 / (largest - smallest return)"
            )
        return task

    def algorithm(self, given: MBDPO, task: TaskSpec) -> MBDPO:
        """The method for the run: a policy's discount and units of reward are those of its networks.

        Raises UserError when the policy has networks of another size.
        """
        if self.policy is None:
            return given.for_discount(discount_of(task.max_episode_steps))
        known = self.policy.algorithm
        assert isinstance(known, MBDPO)  # read() refuses others
        if known.size != given.size:
            raise UserError(f"{self.start} has networks of size {known.size}; add --size {known.size}")
        return replace(given, discount=known.discount, reward_unit=known.reward_unit)

    def frame(self, world: Env, task: TaskSpec) -> Frame:
        """How observations are read: as the policy reads them, or as they are.

        Raises UserError when the policy or the data do not fit the environment.
        """
        observations: Any = world.observation_space
        actions: Any = world.action_space  # a box, as make_world has it
        own: dict[str, Any] = {
            "observation": observations.shape[0],
            "low": torch.from_numpy(actions.low).float(),
            "high": torch.from_numpy(actions.high).float(),
        }
        for file, found in ((self.start, self.policy), (self.data, self.transitions)):
            if found is None:
                continue
            box = (torch.as_tensor(found.action_low), torch.as_tensor(found.action_high))
            same = len(box[0]) == len(own["low"]) and all(map(torch.equal, box, (own["low"], own["high"])))
            if len(found.observation_mean) != own["observation"] or not same:
                raise UserError(
                    f"{file} has {len(found.observation_mean)} observations and the actions"
                    f" {box[0].tolist()}..{box[1].tolist()}; {task.environment} has {own['observation']} and"
                    f" {own['low'].tolist()}..{own['high'].tolist()}"
                )
        if self.policy:
            policy = self.policy
            return Frame(task, policy.observation_mean, policy.observation_std, own["low"], own["high"])
        size = own["observation"]
        return Frame(task, torch.zeros(size), torch.ones(size), own["low"], own["high"])

    def enter(self, learner: Learner) -> None:
        """Copy the policy's networks into a fresh learner; the averaged values begin as the values.

        What a policy file does not have begins anew: optimisers, and the running scale of Q.
        """
        if self.policy is None:
            return
        for network, leaves in self.policy.params.items():
            for leaf, value in leaves.items():
                learner.params[network][leaf].copy_(value[None])
        for average in learner.algorithm.averages:
            for leaf, value in learner.params[average.network].items():
                learner.params[f"{average.network}_ema"][leaf].copy_(value)
