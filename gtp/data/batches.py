"""The dataset as training reads it: columns on the device, standardised observations, n-step backups."""

import numpy as np
import torch
from torch import Tensor

from gtp.algorithms.common.interface import Batch
from gtp.config import TrainConfig
from gtp.data.transitions import Transitions
from gtp.errors import UserError


def training_columns(transitions: Transitions, config: TrainConfig, device: torch.device) -> Batch:
    """The dataset as whole columns on the device, observations standardised: Batch of (N, ...) float32."""
    mean, std = observation_scaling(transitions, config.normalize_observations)
    rewards, last, discount = n_step_returns(transitions, config.n_step, config.discount)

    def column(array) -> Tensor:
        return torch.from_numpy(array).to(device)

    try:
        return Batch(
            obs=(column(transitions.observations) - mean.to(device)) / std.to(device),
            act=column(transitions.actions),
            rew=column(rewards),
            next_obs=(column(transitions.next_observations[last]) - mean.to(device)) / std.to(device),
            discount=column(discount),
        )
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise UserError(
            f"not enough memory on {device} for {len(transitions)} transitions of {transitions.task.name};"
            " use a smaller dataset or another device"
        ) from error


def n_step_returns(
    transitions: Transitions, n: int, discount: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a backup over up to `n` transitions of one episode needs, for every first transition.

    Returns: rewards (N,), sum_k gamma^k r_k; last (N,), row of the last transition of the backup; discount
    (N,), gamma^m (1 - d) with m <= n the number of transitions and d the termination of the last one.
    Source: Sutton and Barto, 2018, chapter 7. n = 1 is the plain temporal difference.
    """
    rows = np.arange(len(transitions))
    ends = np.append(transitions.episode_starts[1:], len(rows)) - 1
    end = ends[np.searchsorted(transitions.episode_starts, rows, side="right") - 1]
    length = np.minimum(n, end - rows + 1)
    rewards = np.zeros(len(rows))
    for k in range(n):
        inside = k < length
        rewards[inside] += discount**k * transitions.rewards[rows[inside] + k]
    last = rows + length - 1
    bootstrap = discount**length * (1.0 - transitions.terminations[last])
    return rewards.astype(np.float32), last, bootstrap.astype(np.float32)


def observation_scaling(transitions: Transitions, normalize: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation that observations are standardised with: (O,), (O,)."""
    mean, std = (torch.from_numpy(a) for a in (transitions.observation_mean, transitions.observation_std))
    return (mean, std) if normalize else (torch.zeros_like(mean), torch.ones_like(std))
