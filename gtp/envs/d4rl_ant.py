"""AntMaze on D4RL's ant and in D4RL's coordinates, for policies trained on D4RL's own antmaze files.

Gymnasium id `gtp/D4RLAntMaze-v0`. D4RL's files were recorded with another ant than Gymnasium's: weaker
motors, a coarser time step, softer contacts. There the ant starts at (0, 0), the centre of cell (1, 1), x
grows with the map's column and y with its row, and an action lasts 0.1 s. This environment is Gymnasium's ant
with those values of D4RL's where the two model files differ:

| quantity | D4RL | Gymnasium |
|---|---|---|
| torque of a hip or ankle at action 1 | 30 | 150 |
| time step; an action lasts five of them | 0.02 s | 0.01 s |
| contact impedance (solimp) | 0.8 0.8 0.01 | 0.9 0.95 0.001 |

The files agree in bodies, joint ranges, armature, damping, density, friction, margin and integrator; walls
and the order of the observation are the same too. D4RL writes the torque as a control range of 30, to which
it rescales actions from [-1, 1]; a gear of 30 is the same.

What still differs from D4RL's evaluation:

- The physics run in today's MuJoCo, not in the MuJoCo 2 of mujoco-py, so that states drift apart over time.
- The goal is the same in every episode. D4RL draws it anew: beyond the centre of its cell, along x and along
  y, by a uniform number from [0, 1] plus one from [0, 0.5]. Its mean is the centre plus (0.75, 0.75), which
  the task's `goal_offset` says; the centre itself is a corner of what D4RL draws and out of the mean's reach.
- Starts have D4RL's distribution but come from other random numbers.
- Used alone, this environment keeps Gymnasium-Robotics' goal radius of 0.45 and ends no episode;
  `gtp.envs.make.make_environment` applies the task's goal_radius (0.5 in D4RL) and ends them.

Source: D4RL, d4rl/locomotion: assets/ant.xml, ant.py, maze_env.py, goal_reaching_env.py, wrappers.py.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import ClassVar

import mujoco
import numpy as np
from gymnasium.envs.mujoco.ant_v4 import AntEnv
from gymnasium_robotics.envs.maze import maps
from gymnasium_robotics.envs.maze.ant_maze_v4 import AntMazeEnv
from gymnasium_robotics.envs.maze.maze_v4 import Maze

from gtp.envs.mazes import LAYOUTS

LAYOUT = LAYOUTS["gtp/D4RLAntMaze"]
TIMESTEP = 0.02  # seconds
TORQUE = 30.0  # at action 1
SOLIMP = (0.8, 0.8, 0.01)
RESET_NOISE = 0.1


class D4RLMaze(Maze):
    """A map whose cells lie where D4RL puts them."""

    def cell_rowcol_to_xy(self, rowcol_pos: np.ndarray | Sequence[int]) -> np.ndarray:
        return np.array(LAYOUT.position(self.maze_map, *rowcol_pos))

    def cell_xy_to_rowcol(self, xy_pos: np.ndarray) -> np.ndarray:
        cells = np.floor(np.asarray(xy_pos)[::-1] / LAYOUT.cell_size + 0.5).astype(int)
        return cells + LAYOUT.origin


class D4RLAnt(AntEnv):
    """Gymnasium's ant, whose model file may have D4RL's time step."""

    # The rate of pictures must be that of actions.
    metadata: ClassVar[dict] = {**AntEnv.metadata, "render_fps": 10}  # type: ignore[misc]


class D4RLAntMaze(AntMazeEnv):
    """D4RL's ant in a maze.

    Observations: achieved_goal (2,), the position; observation (27,), the rest of D4RL's 29 numbers in D4RL's
    order: height, orientation (quaternion w x y z), 8 joint angles, velocity (3, world frame), angular
    velocity (3, body frame), 8 joint velocities; desired_goal (2,). Actions: (8,) in [-1, 1].
    Units: m, rad, s. An episode starts in the centre of its cell with D4RL's noise: every coordinate is off
    by up to 0.1, every velocity by a normal number of standard deviation 0.1.
    """

    metadata: ClassVar[dict] = {**AntMazeEnv.metadata, "render_fps": 10}
    ant_env: AntEnv
    maze: Maze

    def __init__(
        self,
        render_mode: str | None = None,
        maze_map: list[list] = maps.U_MAZE,
        reward_type: str = "sparse",
        continuing_task: bool = True,
        reset_target: bool = False,
        **options,
    ):
        super().__init__(render_mode, maze_map, reward_type, continuing_task, reset_target, **options)
        self.ant_env.close()  # Gymnasium's ant; its model file becomes D4RL's
        self.position_noise_range = 0.0
        self.maze = place_maze(self.maze)
        write_model(self.tmp_xml_file_path, self.maze)
        self.ant_env = D4RLAnt(
            xml_file=self.tmp_xml_file_path,
            exclude_current_positions_from_observation=False,
            render_mode=render_mode,
            reset_noise_scale=RESET_NOISE,
            **options,
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        _, info = super().reset(seed=seed, options=options)
        # D4RL's MuJoCo made the noisy orientation a unit quaternion at once, today's does so when it steps.
        position = self.data.qpos.copy()
        mujoco.mj_normalizeQuat(self.model, position)
        self.ant_env.set_state(position, self.data.qvel.copy())
        return self._get_obs(np.concatenate([self.data.qpos, self.data.qvel])), info


def place_maze(maze: Maze) -> D4RLMaze:
    """A maze of Gymnasium-Robotics with its cells, starts and goals in D4RL's places."""
    placed = D4RLMaze(maze.maze_map, maze.maze_size_scaling, maze.maze_height)
    for kind in ("unique_goal_locations", "unique_reset_locations", "combined_locations"):
        cells = [maze.cell_xy_to_rowcol(position) for position in getattr(maze, kind)]
        getattr(placed, kind).extend(placed.cell_rowcol_to_xy(cell) for cell in cells)
    return placed


def write_model(file: str, maze: D4RLMaze) -> None:
    """Change a model file of Gymnasium-Robotics' AntMaze into D4RL's ant between D4RL's walls."""
    tree = ElementTree.parse(file)
    tree.find("option").set("timestep", str(TIMESTEP))
    tree.find("default/geom").set("solimp", " ".join(map(str, SOLIMP)))
    for motor in tree.iterfind("actuator/motor"):
        motor.set("gear", str(TORQUE))
    for geom in tree.iterfind("worldbody/geom"):
        if geom.get("name").startswith("block_"):
            x, y = maze.cell_rowcol_to_xy([int(number) for number in geom.get("name").split("_")[1:]])
            geom.set("pos", f"{x} {y} {geom.get('pos').split()[2]}")
    tree.write(file)
