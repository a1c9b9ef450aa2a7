"""How large training rewards are in the units that published temperatures were chosen for."""

import numpy as np

from gtp.data.transitions import Transitions

RETURN_RANGE = 1000.0
"""Spread of the episodes' returns after IQL's scaling of locomotion rewards."""


def reward_unit(transitions: Transitions, discount: float) -> float:
    """One unit of value, as training sees it, in the units of IQL's experiments (Kostrikov et al., 2022).

    Inverse temperatures (IQL's beta, for one) belong to a scale of rewards: for locomotion the returns of
    the data span 1000, in mazes a step costs 1 until the goal ends the episode. Values in a maze whose
    rewards are `step` and `goal` are goal gamma^T + step (1 - gamma^T) / (1 - gamma) up to a constant T,
    a linear function of the published ones with slope goal (1 - gamma) - step.
    Returns 1 when nothing can be compared: all episodes alike, or no discounting of a goal's reward.
    """
    if not transitions.task.is_goal_reaching:
        returns = np.add.reduceat(transitions.rewards.astype(np.float64), transitions.episode_starts)
        spread = returns.max() - returns.min()
        return float(RETURN_RANGE / spread) if spread > 0 else 1.0
    task = transitions.task
    step, goal = (task.reward_scale * (reward + task.reward_shift) for reward in (0.0, 1.0))
    slope = goal * (1.0 - discount) - step
    return 1.0 / slope if slope > 0 else 1.0
