"""A point among four goals of different worth: the smallest task that one action between several fails.

Gymnasium id `gtp/MultiGoal-v0`, after the multi-goal picture of the GTP paper and of soft Q-learning
(Haarnoja et al., 2017). A lane leads from the start to each goal. Static friction holds the point against an
action shorter than FRICTION, so the mean of the four directions goes nowhere; leaving the lanes ends the
episode, so a direction between two of them is as bad as it looks. Nothing lies symmetric about 0.
"""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

START = np.array([0.3, -0.2])
ANGLES, DISTANCES = np.deg2rad([20.0, 110.0, 195.0, 290.0]), np.array([1.5, 1.35, 1.6, 1.45])
GOALS = START + DISTANCES[:, None] * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
"""Positions, (4, 2)."""
REWARDS = np.array([0.5, 1.0, 0.3, 0.7])
"""What reaching each goal is worth."""
BEST = int(REWARDS.argmax())
STRIDE, FRICTION = 0.2, 0.5
"""Way of an action of length 1, and the length below which an action does not move the point."""
SPREAD, RADIUS, HALF_WIDTH = 0.02, 0.15, 0.15
"""Starts lie within SPREAD of START along each axis; RADIUS of a goal; half the width of a lane."""
STEP_COST = 0.01


class MultiGoal(gym.Env):
    """Observation: position (2,). Action: direction (2,) in [-1, 1], shortened to length 1 if it is longer.

    Reward: -STEP_COST, and the goal's worth where one is reached, which ends the episode as leaving the lanes
    does. `info["success"]` says whether the best goal was reached, `info["goal"]` which one was, -1 for none.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's own way)

    def __init__(self):
        self.observation_space = spaces.Box(-3.0, 3.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._position = START

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self._position = START + self.np_random.uniform(-SPREAD, SPREAD, 2)
        return self._position.astype(np.float32), {"success": False, "goal": -1}

    def step(self, action):
        action = np.asarray(action, dtype=np.float64)
        length = np.linalg.norm(action)
        if length >= FRICTION:
            self._position = self._position + STRIDE * action / max(length, 1.0)
        reached = np.flatnonzero(np.linalg.norm(GOALS - self._position, axis=1) <= RADIUS)
        goal = int(reached[0]) if len(reached) else -1
        reward = (REWARDS[goal] if goal >= 0 else 0.0) - STEP_COST
        over = goal >= 0 or distance_to_lanes(self._position) > HALF_WIDTH
        return (
            self._position.astype(np.float32),
            float(reward),
            over,
            False,
            {"success": goal == BEST, "goal": goal},
        )


def distance_to_lanes(position: np.ndarray) -> float:
    """Distance of a position (2,) to the nearest of the segments from the start to the goals."""
    ways = GOALS - START
    along = ((position - START) * ways).sum(axis=1) / np.square(ways).sum(axis=1)
    nearest = START + along.clip(0.0, 1.0)[:, None] * ways
    return float(np.linalg.norm(nearest - position, axis=1).min())
