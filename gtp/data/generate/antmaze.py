"""Recipe "antmaze": an ant walked through a maze by a trained controller, as D4RL's AntMaze datasets.

A graph search lays waypoints from the start to the goal; a controller trained on open ground walks the ant to
one after another, with noise on every action. D4RL's variants differ in the cells of starts and goals.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp.data.generate.behaviour.ant import look, turn_back
from gtp.data.generate.behaviour.policy import BehaviourPolicy, load_policies, policies_file
from gtp.data.generate.recipe import Actor, Recipe, record_episode, split
from gtp.data.generate.route import Route
from gtp.envs.make import make_maze_simulator
from gtp.envs.mazes import cell_center, cell_size, environment_of, find_maze, maze_cells
from gtp.envs.wrappers import CenteredGoal

EPISODES_PER_CHUNK = 5  # of full length
Cells = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class AntMazeRecipe(Recipe):
    """All that decides the content of a generated AntMaze dataset.

    An episode goes from one of the start cells to one of the goal cells, and is truncated when it arrives.
    """

    name: ClassVar[str] = "antmaze"
    version: ClassVar[int] = 1
    algorithm: ClassVar[str] = "waypoints and a PPO ant controller"
    notice: ClassVar[str] = (
        "Generated here with the simulator and a trained ant, after D4RL's recipe; not the D4RL data."
    )

    maze: str
    """Name of the maze map (gtp.envs.mazes.MAZES)."""
    horizon: int = 700
    """Steps after which an episode is truncated; D4RL: 700 in the U-Maze, else 1000."""
    start_cells: Cells = ()
    """Cells (row, col) that starts are drawn from; none stands for every free cell."""
    goal_cells: Cells = ()
    """Cells (row, col) that goals are drawn from; none stands for every free cell."""
    action_noise: float = 0.2
    """Standard deviation of the Gaussian noise on every action (D4RL's), in the simulator's action units."""
    detour: float = 0.5
    """A step between two cells costs 1 + detour * uniform(0, 1); with 0 every path is a shortest one."""
    waypoint_spread: float = 0.5
    """Waypoints are drawn uniformly within this distance of the cell's centre, along each axis, in metres."""
    waypoint_radius: float = 1.0
    """A waypoint counts as passed within this distance, in metres."""

    def __post_init__(self):
        super().__post_init__()
        find_maze(self.maze)
        for name in ("action_noise", "detour", "waypoint_spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.waypoint_radius <= 0:
            raise ValueError(f"waypoint_radius must be positive, got {self.waypoint_radius}")
        for cell in (*self.start_cells, *self.goal_cells):
            cell_center(self.maze, cell)
        if not self.journeys():
            raise ValueError(f"start_cells and goal_cells are both {self.start_cells[0]}; choose two cells")

    def chunks(self) -> list[int]:
        return split(self.steps, EPISODES_PER_CHUNK * self.horizon)

    def make_collector(self) -> gym.Env:
        """The simulator that the data are recorded in, with 27 + 2 observations as D4RL's."""
        simulator = make_maze_simulator(
            environment_of("AntMaze", self.maze),
            find_maze(self.maze),
            max_episode_steps=self.horizon,
            continuing_task=True,
            reset_target=False,
        )
        return CenteredGoal(simulator)

    def record(self, environment: gym.Env, chunk: int, steps: int) -> list[EpisodeBuffer]:
        episodes: list[EpisodeBuffer] = []
        while steps > 0:
            seed, rng = self.random_stream(chunk, len(episodes))
            journeys = self.journeys()
            start, goal = journeys[rng.integers(len(journeys))]
            controller = AntController(self, load_policies("ant").expert, rng)
            episodes.append(
                record_episode(
                    environment,
                    controller.act,
                    seed=seed,
                    steps=steps,
                    options={"reset_cell": np.array(start), "goal_cell": np.array(goal)},
                    finished=lambda info: info["success"],
                )
            )
            steps -= len(episodes[-1].rewards)
        return episodes

    def expert(self, rng: np.random.Generator) -> Actor:
        noiseless = replace(self, action_noise=0.0, detour=0.0)
        return AntController(noiseless, load_policies("ant").expert, rng).act

    @property
    def behaviour_files(self) -> list[Path]:
        return [policies_file("ant")]

    def journeys(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Every pair of a start and another goal that an episode may have."""
        free = tuple((cell.row, cell.col) for cell in maze_cells(self.maze) if not cell.is_wall)
        starts, goals = self.start_cells or free, self.goal_cells or free
        return [(start, goal) for start in starts for goal in goals if start != goal]


class AntController:
    """Walks an ant along a route to its goal.

    Units: positions in metres; actions in the simulator's units, [-1, 1].
    """

    def __init__(self, recipe: AntMazeRecipe, policy: BehaviourPolicy, rng: np.random.Generator):
        self._noise, self._policy, self._rng = recipe.action_noise, policy, rng
        self.route = Route(
            recipe.maze,
            cell_size(environment_of("AntMaze", recipe.maze)),
            rng,
            detour=recipe.detour,
            spread=recipe.waypoint_spread,
            radius=recipe.waypoint_radius,
        )

    def act(self, observation: dict) -> np.ndarray:
        """Action (8,) float32 for an observation of the maze."""
        position = observation["achieved_goal"]
        waypoint = self.route.next_waypoint(position, observation["desired_goal"])
        view, turns = look(np.concatenate([position, observation["observation"]]), waypoint)
        action = turn_back(self._policy.act(view), turns)
        action = action + self._noise * self._rng.standard_normal(len(action))
        return np.clip(action, -1.0, 1.0).astype(np.float32)
