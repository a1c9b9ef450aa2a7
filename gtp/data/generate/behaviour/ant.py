"""The ant seen from its goal: what the controller observes, how it acts, and the task it is trained on.

The ant has four equal legs, 90 degrees apart. Turning it by a quarter and renaming its legs gives the same
ant, so the controller sees its goal within 45 degrees of straight ahead: a quarter of the task to learn.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

POSITIONS = 15  # entries of qpos: x, y, z, a unit quaternion, and hip and ankle of each leg
FEATURES = 30
FAR = 4.0  # metres beyond which the controller no longer sees how far its goal is
LEGS = np.arange(4)
ANKLE_SIGN = np.array([1.0, -1.0, -1.0, 1.0])  # legs 2 and 3 bend the other way in the model file
ACTUATED_LEG = np.array([3, 0, 1, 2])  # the model lists the actuators from the fourth leg on
QUARTER_TURNS = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]], float)

GOAL_RADIUS = 0.5  # metres
GOAL_DISTANCE = (1.0, 8.0)  # metres
TOP_SPEED = 2.5  # metres per second; going faster is not rewarded, so that the gait stays safe near walls
REACH_REWARD = 5.0
UPRIGHT_REWARD = 0.5
EFFORT_COST = 0.1
TURN_COST = 1.0  # per radian; an ant that turns freely while it walks is hard to imitate
ACTION_NOISE = 0.2  # standard deviation; what the gait will have to bear when data are recorded
HEALTHY_HEIGHT = (0.2, 1.0)  # metres, as in Gymnasium's Ant
HEALTHY_TILT = 0.2  # least cosine of the angle between the torso's axis and the vertical


def look(state: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, int]:
    """What the controller sees of the simulator's state, and the quarter turns between the ant and that view.

    Shapes: state (29,) = qpos (15), qvel (14); goal (2,), metres; view (30,). Velocities and the goal's
    direction are in the torso's frame, turned so that the goal lies ahead; legs are counted from there.
    """
    rotation = rotation_matrix(state[3:7])
    offset = goal - state[:2]
    distance = float(np.hypot(*offset))
    ahead = (rotation.T[:, :2] @ offset)[:2]
    ahead /= max(float(np.hypot(*ahead)), 1e-6)
    turns = int(np.round(np.arctan2(ahead[1], ahead[0]) / (np.pi / 2))) % 4
    turn = QUARTER_TURNS[turns]
    up, velocity, angular_velocity = rotation[2], rotation.T @ state[15:18], state[18:21]
    vectors = np.stack([up, velocity, angular_velocity])
    vectors[:, :2] = vectors[:, :2] @ turn.T
    legs = (LEGS + turns) % 4
    joints = np.stack([state[7:15], state[21:29]]).reshape(2, 4, 2)
    joints = joints * np.stack([np.ones(4), ANKLE_SIGN], axis=1)
    view = np.concatenate(
        [
            state[2:3],
            vectors.ravel(),
            joints[:, legs].ravel(),
            turn @ ahead,
            [min(distance, FAR) / FAR, heading_error(rotation)],
        ]
    )
    return view, turns


def heading_error(rotation: np.ndarray) -> float:
    """Angle from the nearest of the four headings in which the ant is aligned with the axes, radians."""
    heading = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return heading - np.round(heading / (np.pi / 2)) * (np.pi / 2)


def turn_back(action: np.ndarray, turns: int) -> np.ndarray:
    """The simulator's action (8,) for an action (8,) on the legs as the controller counts them."""
    legs = np.empty((4, 2))
    legs[(LEGS + turns) % 4] = action.reshape(4, 2)
    legs[:, 1] *= ANKLE_SIGN
    return legs[ACTUATED_LEG].ravel()


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) from the torso's frame to the world's for a unit quaternion (w, x, y, z)."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


class AntGoals(gym.Env):
    """An ant on open ground runs to one goal after another, each 1 to 8 metres away in any direction.

    The reward is the speed towards the goal (capped), a bonus for each goal, and a little for staying upright
    and aligned with small torques; an episode ends when the ant falls. Noise is added to every action.
    `info["goals"]` counts the goals reached; `distance` is that to the present goal, in metres.
    """

    distance: float

    def __init__(self):
        self.simulator = gym.make(
            "Ant-v5",
            disable_env_checker=True,
            max_episode_steps=-1,
            exclude_current_positions_from_observation=False,
            include_cfrc_ext_in_observation=False,
            terminate_when_unhealthy=False,
        )
        self.observation_space = spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (8,), np.float32)
        bare: Any = self.simulator.unwrapped
        self._dt = bare.dt

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        state, _ = self.simulator.reset(seed=seed)
        self._goals = 0
        self._draw_goal(state)
        view, self._turns = look(state, self.goal)
        return view.astype(np.float32), {"goals": 0}

    def step(self, action: np.ndarray):
        noise = ACTION_NOISE * self.np_random.standard_normal(8)
        state, *_ = self.simulator.step(turn_back(np.clip(action + noise, -1.0, 1.0), self._turns))
        distance = float(np.hypot(*(self.goal - state[:2])))
        speed = (self.distance - distance) / self._dt
        self.distance = distance
        effort = float(np.square(action).sum())
        turned = abs(heading_error(rotation_matrix(state[3:7])))
        reward = min(speed, TOP_SPEED) + UPRIGHT_REWARD - EFFORT_COST * effort - TURN_COST * turned
        if distance <= GOAL_RADIUS:
            reward += REACH_REWARD
            self._goals += 1
            self._draw_goal(state)
        view, self._turns = look(state, self.goal)
        return view.astype(np.float32), reward, has_fallen(state), False, {"goals": self._goals}

    def _draw_goal(self, state: np.ndarray) -> None:
        angle = self.np_random.uniform(-np.pi, np.pi)
        distance = self.np_random.uniform(*GOAL_DISTANCE)
        self.place_goal(state[:2] + distance * np.array([np.cos(angle), np.sin(angle)]), state)

    def place_goal(self, goal: np.ndarray, state: np.ndarray) -> None:
        """Make `goal` (x, y), in metres, the goal from a simulator's state on."""
        self.goal, self.distance = goal, float(np.hypot(*(goal - state[:2])))


def has_fallen(state: np.ndarray) -> bool:
    """Whether the torso is too low, too high or tipped over; state (29,) or longer, beginning with qpos."""
    upright = rotation_matrix(state[3:7])[2, 2]
    return not (HEALTHY_HEIGHT[0] <= state[2] <= HEALTHY_HEIGHT[1] and upright >= HEALTHY_TILT)
