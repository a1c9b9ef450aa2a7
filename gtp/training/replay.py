"""A replay that grows by whole episodes: the columns that a learner trained online draws its windows from."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gtp.data.batches import episode_ends
from gtp.data.transitions import Transitions
from gtp.randomness import generator
from gtp.training.samplers import Sampler, Steps

COLUMNS = ("obs", "next_obs", "act", "rew", "terminated", "backup_rew", "backup_last", "discount")
"""Columns of one row for each step."""


class GrowingSampler(Sampler):
    """Windows of `window` steps inside one stored episode, all starts alike; backups take one step.

    The columns have room for `capacity` steps from the beginning, so that the update which gathers from them
    is compiled once. Nothing is ever overwritten.
    """

    columns: Steps

    def __init__(
        self,
        capacity: int,
        observation_size: int,
        action_size: int,
        window: int,
        discount: float,
        device: torch.device,
    ):
        def room(*shape: int) -> Tensor:
            return torch.zeros(capacity, *shape, device=device)

        self.columns = Steps(
            obs=room(observation_size),
            next_obs=room(observation_size),
            act=room(action_size),
            rew=room(),
            terminated=room(),
            backup_rew=room(),
            backup_last=torch.zeros(capacity, dtype=torch.int64, device=device),
            discount=room(),
            starts=torch.zeros(capacity, dtype=torch.int64, device=device),
        )
        self.window, self.discount = window, discount
        self.steps, self._starts = 0, 0

    @property
    def size(self) -> int:
        """The number of starts stored so far."""
        return self._starts

    def append(self, obs: np.ndarray, act: np.ndarray, rew: np.ndarray, terminated: bool) -> None:
        """Store one episode of T steps; `terminated` says whether its last state is terminal.

        Shapes: obs (T + 1, O), act (T, A) in [-1, 1], rew (T,). Raises ValueError when there is no room.
        """
        count = len(act)
        begin, end = self.steps, self.steps + count
        if end > len(self.columns.act):
            raise ValueError(f"no room for {count} steps beside {begin} of {len(self.columns.act)}")
        ends = torch.zeros(count)
        ends[-1] = float(terminated)
        observations = torch.as_tensor(obs, dtype=torch.float32)
        values = {
            "obs": observations[:-1],
            "next_obs": observations[1:],
            "act": torch.as_tensor(act, dtype=torch.float32),
            "rew": torch.as_tensor(rew, dtype=torch.float32),
            "terminated": ends,
            "backup_rew": torch.as_tensor(rew, dtype=torch.float32),
            "backup_last": torch.arange(begin, end),
            "discount": self.discount * (1.0 - ends),
        }
        for name, value in values.items():
            getattr(self.columns, name)[begin:end] = value
        starts = torch.arange(begin, max(begin, end - self.window + 1))
        self.columns.starts[self._starts : self._starts + len(starts)] = starts
        self.steps, self._starts = end, self._starts + len(starts)

    def extend(self, transitions: Transitions, mean: Tensor, std: Tensor) -> None:
        """Store all episodes of a dataset, observations standardised with `mean` and `std` (O,)."""
        mean, std = mean.cpu().numpy(), std.cpu().numpy()  # type: ignore[assignment]
        last = episode_ends(transitions)[transitions.episode_starts]
        for first, end in zip(transitions.episode_starts, last, strict=True):
            rows = slice(first, end + 1)
            obs = np.concatenate([transitions.observations[rows], transitions.next_observations[end, None]])
            self.append(
                (obs - mean) / std,
                transitions.actions[rows],
                transitions.rewards[rows],
                bool(transitions.terminations[end]),
            )

    def draw(self, batch_size: int, seed: int, step: int) -> Tensor:
        """Items of one minibatch among those stored now, a function of (seed, step): (1, B) int64."""
        source = generator(seed, "replay", step)
        return torch.randint(self.size, (1, batch_size), generator=source).to(self.columns.act.device)

    def state(self) -> dict[str, Tensor]:
        """What is stored so far, by name: what a checkpoint needs."""
        stored = {name: getattr(self.columns, name)[: self.steps] for name in COLUMNS}
        return stored | {"starts": self.columns.starts[: self._starts]}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Copy a checkpoint into place. Raises KeyError or RuntimeError for other names, types or shapes."""
        for name, column in self.columns._asdict().items():
            if (state[name].dtype, state[name].shape[1:]) != (column.dtype, column.shape[1:]):
                raise RuntimeError(f"{name} is {state[name].dtype} of shape {tuple(state[name].shape)}")
        self.steps, self._starts = len(state["act"]), len(state["starts"])
        for name, column in self.columns._asdict().items():
            column[: len(state[name])] = state[name]
