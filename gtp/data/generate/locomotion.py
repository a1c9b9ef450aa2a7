"""Recipe "locomotion": a robot driven by behaviour policies of graded quality, as D4RL's gym datasets.

D4RL's tiers, with PPO instead of SAC behind them: random draws uniform actions; medium and expert sample
from one policy each; medium-replay and full-replay retrace training up to the medium policy or to the end, an
equal share of the steps from each policy on the way; medium-expert is half and half. All act with a
share of the noise that they were trained with, so that cloning gains as on D4RL
(gtp.data.generate.calibration).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp.data.generate.behaviour.policy import BehaviourPolicy, load_policies, policies_file
from gtp.data.generate.behaviour.robots import LOCOMOTION, RUNNERS
from gtp.data.generate.recipe import Actor, Recipe, random_actor, record_episode, split
from gtp.envs.make import make_simulator

EPISODES_PER_CHUNK = 10  # of full length


@dataclass(frozen=True, kw_only=True)
class LocomotionRecipe(Recipe):
    """All that decides the content of a generated locomotion dataset."""

    name: ClassVar[str] = "locomotion"
    version: ClassVar[int] = 2
    algorithm: ClassVar[str] = "PPO behaviour policies"
    notice: ClassVar[str] = (
        "Generated here with the simulator and PPO policies, in D4RL's tiers; these are not the D4RL data."
    )

    robot: Literal[tuple(RUNNERS)]
    tier: Literal["random", "medium", "medium-replay", "medium-expert", "full-replay", "expert"]
    noise: float | None = None
    """Share of the standard deviation of the policies' actions; None is the robot's own."""

    def __post_init__(self):
        super().__post_init__()
        if self.noise is not None and not 0 <= self.noise <= 1:
            raise ValueError(f"noise must lie between 0 and 1, got {self.noise}")

    def chunks(self) -> list[int]:
        """Pieces of at most ten full episodes; each piece of a mixture belongs to one policy alone."""
        return [steps for share in self._shares() for steps in split(share, self._chunk_size())]

    def make_collector(self) -> gym.Env:
        return make_simulator(RUNNERS[self.robot].training.environment, max_episode_steps=self.horizon)

    def record(self, environment: gym.Env, chunk: int, steps: int) -> list[EpisodeBuffer]:
        policy, noise = self.policy_of(chunk), self._noise()
        episodes: list[EpisodeBuffer] = []
        while steps > 0:
            seed, rng = self.random_stream(chunk, len(episodes))
            if policy is None:
                act = random_actor(environment.action_space, rng)
            else:
                act = partial(policy.act, rng=rng, noise=noise)
            episodes.append(record_episode(environment, act, seed=seed, steps=steps))
            steps -= len(episodes[-1].rewards)
        return episodes

    def expert(self, rng: np.random.Generator) -> Actor:
        """The expert policy with the robot's default noise: a task's scores do not depend on `noise`."""
        noise = LOCOMOTION[self.robot].noise
        return partial(load_policies(self.robot).expert.act, rng=rng, noise=noise)

    @property
    def behaviour_files(self) -> list[Path]:
        return [] if self.tier == "random" else [policies_file(self.robot)]

    def sources(self) -> dict:
        return super().sources() | ({"noise": self._noise()} if self.behaviour_files else {})

    def _noise(self) -> float:
        return LOCOMOTION[self.robot].noise if self.noise is None else self.noise

    def _policies(self) -> Sequence[BehaviourPolicy | None]:
        """The policies of the tier, which act in this order for equal shares of the steps; None is random."""
        if self.tier == "random":
            return [None]
        shipped = load_policies(self.robot)
        return {
            "medium": [shipped.medium],
            "medium-replay": list(shipped.until_medium),
            "medium-expert": [shipped.medium, shipped.expert],
            "full-replay": list(shipped.whole_training),
            "expert": [shipped.expert],
        }[self.tier]

    def _shares(self) -> list[int]:
        """Steps of each policy."""
        count = len(self._policies())
        return [self.steps * (i + 1) // count - self.steps * i // count for i in range(count)]

    def policy_of(self, chunk: int) -> BehaviourPolicy | None:
        """Who acts in a chunk; None acts at random."""
        owners = [i for i, share in enumerate(self._shares()) for _ in split(share, self._chunk_size())]
        return self._policies()[owners[chunk]]

    def _chunk_size(self) -> int:
        return EPISODES_PER_CHUNK * self.horizon
