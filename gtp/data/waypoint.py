"""Recipe "waypoint": a point mass driven through a maze by a noisy waypoint controller.

Follows the recipe of D4RL's maze2d and Minari's pointmaze datasets: shortest paths between cells, a PD law
towards the next waypoint, Gaussian noise on every action, a new random goal whenever one is reached.
"""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from gtp.environments import GOAL_MARK, cell_center, find_maze, make_maze_simulator, maze_cells

VERSION = 1
"""Raised whenever the same recipe would give other data."""

POSITION_GAIN = 10.0  # per metre; D4RL's controller
VELOCITY_GAIN = 1.0  # seconds per metre; D4RL's controller
ENVIRONMENTS = {
    "umaze": "PointMaze_UMaze-v3",
    "medium": "PointMaze_Medium-v3",
    "large": "PointMaze_Large-v3",
    "rooms": "PointMaze_Medium-v3",  # on our own map
}


@dataclass(frozen=True, kw_only=True)
class WaypointRecipe:
    """All that decides the content of a generated maze dataset."""

    maze: str
    """Name of the maze map (gtp.environments.MAZES)."""
    steps: int = 100_000
    """Transitions to record, in all episodes together."""
    seed: int = 0
    """Seed; episode i depends on (seed, i) alone."""
    action_repeat: int = 1
    """Simulator steps for which each action is held; all other steps here count actions."""
    horizon: int = 600
    """Steps after which an episode is truncated; the last episode is cut so that `steps` is met."""
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
        for name in ("steps", "horizon", "action_repeat"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seed", "action_noise", "detour", "waypoint_spread"):
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

    def maze_map(self) -> list[list]:
        """The maze with its goal cells marked as Gymnasium-Robotics marks them."""
        grid = [list(row) for row in find_maze(self.maze)]
        for row, col in self.goal_cells:
            grid[row][col] = GOAL_MARK
        return grid

    def episode_lengths(self) -> list[int]:
        """Steps of each episode: full horizons, then what is left."""
        full, rest = divmod(self.steps, self.horizon)
        return [self.horizon] * full + ([rest] if rest else [])


class WaypointController:
    """Drives a point mass towards a goal that may change at any step.

    Units: positions in metres, velocities in metres per second, actions in the simulator's units, [-1, 1].
    """

    def __init__(self, recipe: WaypointRecipe, rng: np.random.Generator):
        self._recipe = recipe
        self._rng = rng
        self._cells = [(c.row, c.col) for c in maze_cells(recipe.maze) if not c.is_wall]
        self._centers = np.array([cell_center(recipe.maze, cell) for cell in self._cells])
        index = {cell: i for i, cell in enumerate(self._cells)}
        self._edges = np.array(
            [
                (i, index[neighbour])
                for (row, col), i in index.items()
                for neighbour in ((row + 1, col), (row, col + 1))
                if neighbour in index
            ]
        )
        self._noise = rng.standard_normal(2)
        self._goal = np.full(2, np.nan)  # equal to no goal, so that the first step plans

    def act(self, position: np.ndarray, velocity: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Action (2,) float32 for position (2,), velocity (2,), goal (2,)."""
        if not np.array_equal(goal, self._goal) or self._has_strayed(position):
            self._plan(position, goal)
        while self._next < len(self._path) - 1 and self._distance(position) <= self._recipe.waypoint_radius:
            self._next += 1
        action = POSITION_GAIN * (self._waypoints[self._next] - position) - VELOCITY_GAIN * velocity
        correlation = self._recipe.noise_correlation
        self._noise *= correlation
        self._noise += np.sqrt(1.0 - correlation**2) * self._rng.standard_normal(2)
        action = np.clip(action, -1.0, 1.0) + self._recipe.action_noise * self._noise
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _plan(self, position: np.ndarray, goal: np.ndarray) -> None:
        """Choose a route to the goal and a waypoint in each of its cells; the last waypoint is the goal."""
        cells = len(self._cells)
        costs = 1.0 + self._recipe.detour * self._rng.uniform(size=len(self._edges))
        graph = coo_array((costs, self._edges.T), shape=(cells, cells)).tocsr()
        _, towards_goal = dijkstra(
            graph, directed=False, indices=self._nearest_cell(goal), return_predecessors=True
        )
        self._path = [self._nearest_cell(position)]
        while towards_goal[self._path[-1]] >= 0:  # the goal's own entry is negative
            self._path.append(int(towards_goal[self._path[-1]]))
        spread = self._recipe.waypoint_spread
        self._waypoints = self._centers[self._path] + self._rng.uniform(
            -spread, spread, size=(len(self._path), 2)
        )
        self._waypoints[-1] = goal
        self._goal = goal.copy()
        # Leave at once for the second cell: going back to the middle of the first would be a stop.
        self._next = min(1, len(self._path) - 1)

    def _has_strayed(self, position: np.ndarray) -> bool:
        """Whether the mass is outside the two cells of its leg, where a wall may be in the way."""
        return self._nearest_cell(position) not in self._path[max(self._next - 1, 0) : self._next + 1]

    def _distance(self, position: np.ndarray) -> float:
        return float(np.linalg.norm(self._waypoints[self._next] - position))

    def _nearest_cell(self, position: np.ndarray) -> int:
        """Index of the free cell whose centre is nearest."""
        return int(np.square(self._centers - position).sum(axis=1).argmin())


def make_collector(recipe: WaypointRecipe) -> gym.Env:
    """The simulator that the data are recorded in: it moves the goal whenever the mass reaches it."""
    return make_maze_simulator(
        ENVIRONMENTS[recipe.maze],
        recipe.maze_map(),
        recipe.action_repeat,
        max_episode_steps=recipe.horizon * recipe.action_repeat,
        continuing_task=True,
        reset_target=True,
    )


def record_episode(environment: gym.Env, recipe: WaypointRecipe, index: int, length: int) -> EpisodeBuffer:
    """Episode `index` of a recipe, `length` steps long; the last step is truncated.

    Shapes: observations are a dict of (length + 1, .) float64; actions (length, 2) float32;
    rewards, terminations and truncations (length,). The reward is 1 at each step that reaches a goal.
    """
    reset_sequence, controller_sequence = np.random.SeedSequence((recipe.seed, index)).spawn(2)
    environment_seed = int(reset_sequence.generate_state(1)[0])
    controller = WaypointController(recipe, np.random.default_rng(controller_sequence))
    observation, info = environment.reset(seed=environment_seed)
    observations, actions, rewards, successes = [observation], [], [], [info["success"]]
    for _ in range(length):
        position, velocity = observation["observation"][:2], observation["observation"][2:]
        action = controller.act(position, velocity, observation["desired_goal"])
        observation, reward, _, _, info = environment.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
        successes.append(info["success"])
    truncations = np.zeros(length, dtype=bool)
    truncations[-1] = True
    return EpisodeBuffer(
        id=index,
        seed=environment_seed,
        observations={key: np.stack([o[key] for o in observations]) for key in observation},
        actions=np.stack(actions),
        rewards=np.array(rewards, dtype=np.float64),
        terminations=np.zeros(length, dtype=bool),
        truncations=truncations,
        infos={"success": np.array(successes, dtype=bool)},
    )
