"""Maps of mazes, and where an environment places their cells, starts and goals."""

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gtp.config import TaskSpec
from gtp.errors import suggest

with contextlib.redirect_stderr(io.StringIO()):  # importing it prints a notice about its Adroit hands
    from gymnasium_robotics.envs.maze import maps

# Hyperparameters are chosen on these three maps, which no table of results uses: two rooms joined by a short
# and a long corridor, one corridor with four bends, and two equal ways around a pillar.
ROOMS = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 0, 0, 1, 0, 0, 0, 1],
    [1, 0, 0, 0, 0, 1, 0, 1],
    [1, 1, 0, 1, 1, 1, 0, 1],
    [1, 0, 0, 1, 0, 0, 0, 1],
    [1, 0, 1, 1, 0, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 0, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
]
ZIGZAG = [
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 0, 1],
    [1, 0, 0, 0, 1],
    [1, 0, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1],
]
RING = [
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 0, 1, 0, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1],
]
# A hall, and a pillar with two equal ways around it: a task of the results, unlike those three. The last
# column only moves the map, so that the fork does not lie symmetric about the origin.
FORK = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 0, 1, 1, 1, 0, 1, 1],
    [1, 0, 0, 0, 0, 0, 1, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
]

GOAL_MARK = maps.GOAL  # a free cell that goals are drawn from; without any, all free cells are

# 1 is a wall, 0 is free; Layout says where a cell lies. D4RL evaluates on the same three maps as
# Gymnasium-Robotics has under these names, row by row.
MAZES: dict[str, list[list[int]]] = {
    "umaze": maps.U_MAZE,
    "medium": maps.MEDIUM_MAZE,
    "large": maps.LARGE_MAZE,
    "rooms": ROOMS,
    "zigzag": ZIGZAG,
    "ring": RING,
    "fork": FORK,
}


VERSIONS = {"PointMaze": "v3", "AntMaze": "v4"}
"""Of Gymnasium-Robotics' maze environments, by what moves through them."""
BUILT_IN = {
    "umaze": "UMaze",
    "medium": "Medium",
    "large": "Large",
    "rooms": "Medium",
    "zigzag": "UMaze",
    "ring": "UMaze",
    "fork": "Medium",
}
"""Map -> which of these environments it is built in; our own maps replace that one's."""


class Cell(NamedTuple):
    """One cell of a maze; x and y are its centre in the simulator's units."""

    row: int
    col: int
    x: float
    y: float
    is_wall: bool


def find_maze(name: str) -> list[list[int]]:
    """The map of a maze. Raises ValueError with the nearest name when there is none."""
    if name not in MAZES:
        raise ValueError(f"unknown maze {name!r}; {suggest(name, MAZES)}")
    return MAZES[name]


def environment_of(family: str, maze: str) -> str:
    """Id of the environment that a map is built in; the family is PointMaze or AntMaze."""
    return f"{family}_{BUILT_IN[maze]}-{VERSIONS[family]}"


@dataclass(frozen=True)
class Layout:
    """Where an environment places the cells of a map in its plane; x always grows with the column."""

    cell_size: float = 1.0
    """Edge of a cell in the simulator's units."""
    origin: tuple[int, int] | None = None
    """Row and column of the cell whose centre is (0, 0); None stands for the middle of the map."""
    y_grows_with_row: bool = False
    """Whether y grows with the row, as in D4RL, instead of falling, as in Gymnasium-Robotics."""

    def position(self, grid: list[list], row: float, col: float) -> tuple[float, float]:
        """Centre (x, y) of a cell in the simulator's units."""
        middle = ((len(grid) - 1) / 2, (len(grid[0]) - 1) / 2)
        origin_row, origin_col = self.origin or middle
        x, y = (col - origin_col) * self.cell_size, (row - origin_row) * self.cell_size
        return (x, y) if self.y_grows_with_row else (x, 0.0 - y)

    def cells(self, maze: str) -> list[Cell]:
        """All cells of a maze, row by row. Raises ValueError for an unknown maze."""
        grid = find_maze(maze)
        return [
            Cell(row, col, *self.position(grid, row, col), mark == 1)
            for row, marks in enumerate(grid)
            for col, mark in enumerate(marks)
        ]

    def center(self, maze: str, cell: Sequence[int]) -> np.ndarray:
        """Centre (x, y) of a free cell (row, col).

        Shapes: (2,) float64. Units: the simulator's. Raises: ValueError naming the nearest free cell when
        this one is a wall or outside.
        """
        row, col = cell
        free = {(c.row, c.col): np.array([c.x, c.y]) for c in self.cells(maze) if not c.is_wall}
        if (row, col) not in free:
            nearest = min(free, key=lambda other: abs(other[0] - row) + abs(other[1] - col))
            raise ValueError(
                f"cell {(row, col)} of maze {maze!r} is a wall or outside the map; try {nearest}"
            )
        return free[row, col]


# By the first part of an environment's id. D4RL's ant starts at (0, 0), which is cell (1, 1) of all its maps.
LAYOUTS = {
    "PointMaze": Layout(),
    "AntMaze": Layout(cell_size=4.0),
    "gtp/D4RLAntMaze": Layout(cell_size=4.0, origin=(1, 1), y_grows_with_row=True),
}


def layout_of(environment: str) -> Layout:
    """The layout of a maze environment's id, say "AntMaze_UMaze-v4"; a point maze's for any other id."""
    return LAYOUTS.get(re.split("[_-]", environment)[0], Layout())


def cell_size(environment: str) -> float:
    """Edge of a maze cell in the simulator's units: 4 for the ant, 1 for the point."""
    return layout_of(environment).cell_size


def maze_cells(maze: str, size: float = 1.0) -> list[Cell]:
    """All cells of a maze, row by row, as Gymnasium-Robotics lays them out with cells of edge `size`."""
    return Layout(size).cells(maze)


def cell_center(maze: str, cell: Sequence[int], size: float = 1.0) -> np.ndarray:
    """Centre (x, y) of a free cell (row, col) in the layout of `maze_cells`; see `Layout.center`."""
    return Layout(size).center(maze, cell)


def goal_position(task: TaskSpec) -> np.ndarray:
    """The goal (x, y) of a maze task, shape (2,), in the environment's own frame and units.

    Raises: ValueError when the goal's cell is a wall or the goal is outside of it.
    """
    assert task.maze is not None
    assert task.goal_cell is not None  # TaskSpec asks it of a maze task
    layout = layout_of(task.environment)
    center = layout.center(task.maze, task.goal_cell)
    if not np.abs(task.goal_offset).max() < layout.cell_size / 2:
        raise ValueError(
            f"task {task.name!r}: goal_offset {task.goal_offset} leaves goal_cell, whose edge is"
            f" {layout.cell_size:g}; choose a smaller offset or another cell"
        )
    return center + task.goal_offset
