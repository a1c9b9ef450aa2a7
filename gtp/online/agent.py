"""The learner of an online run as what acts: with noise to explore, without to be evaluated."""

import numpy as np
import torch

from gtp.online.settings import ModelBasedConfig
from gtp.policy import Frame, Policy
from gtp.randomness import BLOCK, ActingNoise, draw_block, generator
from gtp.training.learner import Learner
from gtp.training.replay import GrowingSampler


class Agent:
    """One seed's learner, its replay, and the plan that is remembered within an episode."""

    def __init__(
        self, learner: Learner, replay: GrowingSampler, frame: Frame, config: ModelBasedConfig, label: str
    ):
        self.learner, self.replay, self.frame, self.config, self.label = (
            learner, replay, frame, config, label,
        )  # fmt: skip
        self.seed = learner.seeds[0]
        self.networks = learner.networks()
        self._draws: dict[str, torch.Tensor]
        self._block, self._draws = -1, {}

    def begin(self, episode: int) -> None:
        """Forget the plan: an episode's noise is a function of (seed, episode, step in it)."""
        algorithm, actions = self.learner.algorithm, len(self.frame.action_low)
        shape = algorithm.noise_shape(1, actions, self.config.nfe)
        self._noise = ActingNoise(self.seed, "exploration", [episode], shape)
        self._memory = algorithm.first_memory(1, actions)
        self._taken = 0

    def act(self, obs: np.ndarray, step: int) -> np.ndarray:
        """The planner's action with exploration noise, for a standardised observation: (O,) -> (A,)."""
        device = self.learner.device
        noise = self._noise.at(self._taken)[0].to(device)
        self._taken += 1
        with torch.inference_mode():
            action, self._memory = self.learner.algorithm.act_with_memory(
                self.networks, torch.from_numpy(obs)[None].to(device), noise, self.config.nfe, self._memory
            )
            more = torch.randn(action.shape[-1], generator=generator(self.seed, "exploration", step))
            action = action[0].cpu().clamp(-1.0, 1.0) + self.config.exploration * more
        return action.clamp(-1.0, 1.0).numpy()

    def act_at_random(self, step: int) -> np.ndarray:
        """A uniform action in [-1, 1]: (A,)."""
        source = generator(self.seed, "random_action", step)
        return (2.0 * torch.rand(len(self.frame.action_low), generator=source) - 1.0).numpy()

    def learn(self) -> torch.Tensor:
        """One update on windows of what is stored now; the logged quantities, (Q, 1)."""
        learner = self.learner
        block, offset = divmod(learner.steps_done, BLOCK)
        batch_size = learner.config.batch_size
        if block != self._block:
            draws = learner.algorithm.draws(batch_size, self.replay.action_size)
            self._draws = draw_block(draws, learner.seeds, block, learner.device)
            self._block = block
        rows = self.replay.draw(batch_size, self.seed, learner.steps_done)
        return learner.update(self.replay, rows, {name: v[offset] for name, v in self._draws.items()})

    def policy(self, step: int) -> Policy:
        """The policy as it is after `step` steps, by reference."""
        learner, frame = self.learner, self.frame
        diverged = int(learner.diverged_at)
        return Policy(
            algorithm=learner.algorithm,
            modules=learner.modules,
            params={n: {leaf: v[0] for leaf, v in leaves.items()} for n, leaves in learner.params.items()},
            label=self.label,
            seed=self.seed,
            seeds=learner.seeds,
            step=step,
            diverged_at=None if diverged < 0 else diverged,
            task=frame.task,
            observation_mean=frame.observation_mean.to(learner.device),
            observation_std=frame.observation_std.to(learner.device),
            action_low=frame.action_low.to(learner.device),
            action_high=frame.action_high.to(learner.device),
            reward_unit=frame.reward_unit,
        )
