"""Recipe "waypoint": a point mass driven through a maze by a noisy waypoint controller.

Follows the recipe of D4RL's maze2d and Minari's pointmaze datasets: shortest paths between cells, a PD law
towards the next waypoint, Gaussian noise on every action, a new random goal whenever one is reached.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp.data.generate.recipe import Actor, Recipe, record_episode, split
from gtp.data.generate.route import Route
from gtp.envs.make import make_maze_simulator
from gtp.envs.mazes import GOAL_MARK, cell_center, environment_of, find_maze

POSITION_GAIN = 10.0  # per metre; D4RL's controller
VELOCITY_GAIN = 1.0  # seconds per metre; D4RL's controller


@dataclass(frozen=True, kw_only=True)
class WaypointRecipe(Recipe):
    """All that decides the content of a generated point-maze dataset; a chunk is one episode."""

    name: ClassVar[str] = "waypoint"
    planar: ClassVar[bool] = True
    version: ClassVar[int] = 1
    algorithm: ClassVar[str] = "waypoint controller"
    notice: ClassVar[str] = (
        "Generated here with the simulator, following D4RL's recipe for mazes; these are not the D4RL data."
    )

    maze: str
    """Name of the maze map (gtp.envs.mazes.MAZES)."""
    horizon: int = 600
    """Steps after which an episode is truncated; the last episode is cut so that `steps` is met."""
    action_repeat: int = 1
    """Simulator steps for which each action is held; all other steps here count actions."""
    action_noise: float = 0.5
    """Standard deviation of the Gaussian noise on every action, in the simulator's action units."""
    noise_correlation: float = 0.0
    """Correlation of the noise of successive actions, in [0, 1). Lasting noise pushes the mass into walls, so
    that the data show how to get away from them."""
    goal_cells: tuple[tuple[int, int], ...] = ()
    """Cells (row, col) that goals are drawn from; none stands for every free cell."""
    detour: float = 0.5
    """A step between two cells costs 1 + detour * uniform(0, 1), drawn anew for every goal; with 0 every
    path is a shortest one."""
    waypoint_spread: float = 0.1
    """Waypoints are drawn uniformly within this distance of the cell's centre, along each axis, in metres."""
    waypoint_radius: float = 0.2
    """A waypoint counts as passed within this distance, in metres."""

    def __post_init__(self):
        super().__post_init__()
        if self.action_repeat < 1:
            raise ValueError(f"action_repeat must be at least 1, got {self.action_repeat}")
        for name in ("action_noise", "detour", "waypoint_spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.noise_correlation < 1.0:
            raise ValueError(f"noise_correlation must lie in [0, 1), got {self.noise_correlation}")
        if self.waypoint_radius <= 0:
            raise ValueError(f"waypoint_radius must be positive, got {self.waypoint_radius}")
        for cell in self.goal_cells:
            cell_center(self.maze, cell)
        if len(set(self.goal_cells)) == 1:  # the simulator never moves a goal that has nowhere to go
            raise ValueError(f"goal_cells must name two different cells or none, got {self.goal_cells}")
        find_maze(self.maze)

    def chunks(self) -> list[int]:
        return split(self.steps, self.horizon)

    def make_collector(self) -> gym.Env:
        """The simulator that the data are recorded in: it moves the goal whenever the mass reaches it."""
        return make_maze_simulator(
            environment_of("PointMaze", self.maze),
            self.maze_map(),
            self.action_repeat,
            max_episode_steps=self.horizon * self.action_repeat,
            continuing_task=True,
            reset_target=True,
        )

    def record(self, environment: gym.Env, chunk: int, steps: int) -> list[EpisodeBuffer]:
        seed, rng = self.random_stream(chunk)
        return [record_episode(environment, WaypointController(self, rng).steer, seed=seed, steps=steps)]

    def expert(self, rng: np.random.Generator) -> Actor:
        return WaypointController(replace(self, action_noise=0.0, detour=0.0), rng).steer

    def maze_map(self) -> list[list]:
        """The maze with its goal cells marked as Gymnasium-Robotics marks them."""
        grid = [list(row) for row in find_maze(self.maze)]
        for row, col in self.goal_cells:
            grid[row][col] = GOAL_MARK
        return grid


class WaypointController:
    """Drives a point mass towards a goal that may change at any step.

    Units: positions in metres, velocities in metres per second, actions in the simulator's units, [-1, 1].
    """

    def __init__(self, recipe: WaypointRecipe, rng: np.random.Generator):
        self._recipe = recipe
        self._rng = rng
        self._noise = rng.standard_normal(2)
        self.route = Route(
            recipe.maze,
            1.0,
            rng,
            detour=recipe.detour,
            spread=recipe.waypoint_spread,
            radius=recipe.waypoint_radius,
        )

    def steer(self, observation: dict) -> np.ndarray:
        """`act` on an observation of the maze."""
        state = observation["observation"]
        return self.act(state[:2], state[2:], observation["desired_goal"])

    def act(self, position: np.ndarray, velocity: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Action (2,) float32 for position (2,), velocity (2,), goal (2,)."""
        waypoint = self.route.next_waypoint(position, goal)
        action = POSITION_GAIN * (waypoint - position) - VELOCITY_GAIN * velocity
        correlation = self._recipe.noise_correlation
        self._noise *= correlation
        self._noise += np.sqrt(1.0 - correlation**2) * self._rng.standard_normal(2)
        action = np.clip(action, -1.0, 1.0) + self._recipe.action_noise * self._noise
        return np.clip(action, -1.0, 1.0).astype(np.float32)
