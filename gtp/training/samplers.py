"""What feeds a learner: whole columns on the device, and which rows of them each minibatch takes."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gtp.algorithms.common.interface import Algorithm, Batch, Windows
from gtp.config import TrainConfig
from gtp.data.batches import n_step_returns, observation_scaling, window_starts
from gtp.data.transitions import Transitions
from gtp.errors import UserError
from gtp.randomness import draw_indices


class Steps(NamedTuple):
    """Columns from which windows are cut: one row for each step, and where a window may begin."""

    obs: Tensor
    """(N, O)"""
    next_obs: Tensor
    """(N, O)"""
    act: Tensor
    """(N, A)"""
    rew: Tensor
    """(N,)"""
    terminated: Tensor
    """(N,)"""
    backup_rew: Tensor
    """(N,), as gtp.data.batches.n_step_returns, as the next two."""
    backup_last: Tensor
    """(N,) int64, row of the last step of a backup."""
    discount: Tensor
    """(N,)"""
    starts: Tensor
    """(M,) int64, rows after which the episode goes on for the whole window."""


Columns = Batch | Steps
"""Of a Batch here, each column is whole: (N, ...)."""


class Sampler(ABC):
    """Columns, and the rows of minibatches as a function of (seed, block)."""

    columns: Columns

    @property
    def action_size(self) -> int:
        return self.columns.act.shape[-1]

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of different items that a minibatch may contain."""

    def rows(self, batch_size: int, seeds: list[int], block: int) -> Tensor:
        """Items of the minibatches of a block of steps, uniform with replacement: (BLOCK, S, B) int64."""
        return draw_indices(self.size, batch_size, seeds, block, self.columns.act.device)


class TransitionSampler(Sampler):
    """Single transitions."""

    def __init__(self, columns: Batch):
        self.columns = columns

    @property
    def size(self) -> int:
        return len(self.columns.act)


class WindowSampler(Sampler):
    """Windows of steps inside one episode, all starts alike."""

    columns: Steps

    def __init__(self, columns: Steps):
        self.columns = columns

    @property
    def size(self) -> int:
        return len(self.columns.starts)


def minibatch(columns: Columns, rows: Tensor, window: int) -> Batch | Windows:
    """The items `rows` (..., B) of the columns: Batch of (..., B, ...), or Windows of `window` steps."""
    if not window:
        return Batch(*(column[rows] for column in columns))
    first = columns.starts[rows]
    steps = first[..., None, :] + torch.arange(window, device=rows.device)[:, None]  # (..., H, B)
    last = columns.next_obs[steps[..., -1:, :]]
    return Windows(
        obs=torch.cat([columns.obs[steps], last], dim=-3),
        act=columns.act[steps],
        rew=columns.rew[steps],
        terminated=columns.terminated[steps],
        backup_rew=columns.backup_rew[steps],
        backup_obs=columns.next_obs[columns.backup_last[steps]],
        discount=columns.discount[steps],
    )


def sampler_for(
    algorithm: Algorithm, transitions: Transitions, config: TrainConfig, device: torch.device
) -> Sampler:
    """The dataset as the method's losses take it, observations standardised, float32 on the device.

    Raises UserError when it does not fit into memory, ValueError when no episode is as long as a window.
    """
    mean, std = observation_scaling(transitions, config.normalize_observations)

    def column(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    def scaled(observations: np.ndarray) -> Tensor:
        return (column(observations) - mean.to(device)) / std.to(device)

    try:
        rewards, last, discount = n_step_returns(transitions, config.n_step, config.discount)
        if algorithm.window:
            return WindowSampler(
                Steps(
                    obs=scaled(transitions.observations),
                    next_obs=scaled(transitions.next_observations),
                    act=column(transitions.actions),
                    rew=column(transitions.rewards),
                    terminated=column(transitions.terminations),
                    backup_rew=column(rewards),
                    backup_last=column(last),
                    discount=column(discount),
                    starts=column(window_starts(transitions, algorithm.window)),
                )
            )
        return TransitionSampler(
            Batch(
                obs=scaled(transitions.observations),
                act=column(transitions.actions),
                rew=column(rewards),
                next_obs=scaled(transitions.next_observations[last]),
                discount=column(discount),
            )
        )
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise UserError(
            f"not enough memory on {device} for {len(transitions)} transitions of {transitions.task.name};"
            " use a smaller dataset or another device"
        ) from error
