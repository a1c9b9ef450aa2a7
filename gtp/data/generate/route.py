"""Ways through a maze: waypoints along a path of free cells, planned anew when the body leaves the path."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from gtp.envs.mazes import cell_center, maze_cells


class Route:
    """The next waypoint of a body on its way to a goal that may change at any step.

    Units: all lengths in the simulator's. A step between two cells costs 1 + detour * uniform(0, 1), drawn
    anew for every plan; with detour 0 every path is a shortest one. Waypoints lie within `spread` of their
    cells' centres along each axis, and are passed within `radius`.
    """

    def __init__(
        self,
        maze: str,
        size: float,
        rng: np.random.Generator,
        *,
        detour: float,
        spread: float,
        radius: float,
    ):
        self._rng, self._detour, self._spread, self._radius = rng, detour, spread, radius
        self._cells = [(c.row, c.col) for c in maze_cells(maze) if not c.is_wall]
        self._centers = np.array([cell_center(maze, cell, size) for cell in self._cells])
        index = {cell: i for i, cell in enumerate(self._cells)}
        self._edges = np.array(
            [
                (i, index[neighbour])
                for (row, col), i in index.items()
                for neighbour in ((row + 1, col), (row, col + 1))
                if neighbour in index
            ]
        )
        self._goal = np.full(2, np.nan)  # equal to no goal, so that the first step plans

    @property
    def cells(self) -> list[tuple[int, int]]:
        """The planned path as cells (row, col)."""
        return [self._cells[i] for i in self._path]

    def next_waypoint(self, position: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Where to go now, (x, y), from position (2,) towards goal (2,)."""
        if not np.array_equal(goal, self._goal) or self._has_strayed(position):
            self._plan(position, goal)
        while self._next < len(self._path) - 1 and self._distance(position) <= self._radius:
            self._next += 1
        return self._waypoints[self._next]

    def _plan(self, position: np.ndarray, goal: np.ndarray) -> None:
        """Choose a path to the goal and a waypoint in each of its cells; the last waypoint is the goal."""
        cells = len(self._cells)
        costs = 1.0 + self._detour * self._rng.uniform(size=len(self._edges))
        graph = coo_array((costs, self._edges.T), shape=(cells, cells)).tocsr()
        _, towards_goal = dijkstra(
            graph, directed=False, indices=self._nearest_cell(goal), return_predecessors=True
        )
        self._path = [self._nearest_cell(position)]
        while towards_goal[self._path[-1]] >= 0:  # the goal's own entry is negative
            self._path.append(int(towards_goal[self._path[-1]]))
        offsets = self._rng.uniform(-self._spread, self._spread, size=(len(self._path), 2))
        self._waypoints = self._centers[self._path] + offsets
        self._waypoints[-1] = goal
        self._goal = goal.copy()
        # Leave at once for the second cell: going back to the middle of the first would be a stop.
        self._next = min(1, len(self._path) - 1)

    def _has_strayed(self, position: np.ndarray) -> bool:
        """Whether the body is outside the two cells of its leg, where a wall may be in the way."""
        return self._nearest_cell(position) not in self._path[max(self._next - 1, 0) : self._next + 1]

    def _distance(self, position: np.ndarray) -> float:
        return float(np.linalg.norm(self._waypoints[self._next] - position))

    def _nearest_cell(self, position: np.ndarray) -> int:
        """Index of the free cell whose centre is nearest."""
        return int(np.square(self._centers - position).sum(axis=1).argmin())
