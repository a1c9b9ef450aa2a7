"""What becomes of transitions before a learner sees them: backups and windows within episodes, scaling."""

import numpy as np
import torch
from torch import Tensor

from gtp.data.transitions import Transitions


def n_step_returns(
    transitions: Transitions, n: int, discount: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a backup over up to `n` transitions of one episode needs, for every first transition.

    Returns: rewards (N,), sum_k gamma^k r_k; last (N,), row of the last transition of the backup; discount
    (N,), gamma^m (1 - d) with m <= n the number of transitions and d the termination of the last one.
    Source: Sutton and Barto, 2018, chapter 7. n = 1 is the plain temporal difference.
    """
    rows = np.arange(len(transitions))
    length = np.minimum(n, episode_ends(transitions) - rows + 1)
    rewards = np.zeros(len(rows))
    for k in range(n):
        inside = k < length
        rewards[inside] += discount**k * transitions.rewards[rows[inside] + k]
    last = rows + length - 1
    bootstrap = discount**length * (1.0 - transitions.terminations[last])
    return rewards.astype(np.float32), last, bootstrap.astype(np.float32)


def window_starts(transitions: Transitions, steps: int) -> np.ndarray:
    """Rows after which the episode goes on for `steps` transitions, that row's among them: (M,) int64.

    A window that begins there never crosses an episode's end, so that a termination is at its last step.
    Raises ValueError when no episode is that long.
    """
    starts = np.flatnonzero(episode_ends(transitions) - np.arange(len(transitions)) + 1 >= steps)
    if not len(starts):
        raise ValueError(
            f"no episode of {transitions.task.name} has {steps} steps, which the method's windows take;"
            " choose a shorter horizon"
        )
    return starts


def episode_ends(transitions: Transitions) -> np.ndarray:
    """The last row of each row's episode: (N,) int64."""
    rows = np.arange(len(transitions))
    ends = np.append(transitions.episode_starts[1:], len(rows)) - 1
    return ends[np.searchsorted(transitions.episode_starts, rows, side="right") - 1]


def observation_scaling(transitions: Transitions, normalize: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation that observations are standardised with: (O,), (O,)."""
    mean, std = (torch.from_numpy(a) for a in (transitions.observation_mean, transitions.observation_std))
    return (mean, std) if normalize else (torch.zeros_like(mean), torch.ones_like(std))
