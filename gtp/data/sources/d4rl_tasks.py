"""D4RL's dataset ids: which robot and task one names, and where D4RL publishes its file.

URLs: DATASET_URLS in d4rl/infos.py of github.com/Farama-Foundation/D4RL; horizons: max_episode_steps in
d4rl/gym_mujoco/__init__.py and d4rl/locomotion/__init__.py there.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from gtp.errors import UserError

SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"
MAZES = {"umaze": "u-maze", "medium": "big-maze", "large": "hardest-maze"}
VARIANTS = ("umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse")
LEVELS = ("medium", "medium-replay", "medium-expert")


@dataclass(frozen=True, kw_only=True)
class D4RLTask:
    """What an id says of the data in its file."""

    id: str
    """D4RL's id, such as hopper-medium-v2."""
    observation_size: int
    action_size: int
    horizon: int
    """Steps after which D4RL's environment truncates an episode."""
    environment: str
    """Gymnasium's id of the environment with the same observations and dynamics."""
    url: str | None
    """Where D4RL publishes the file; None for the ids that are not in our table."""

    @property
    def antmaze(self) -> bool:
        return self.id.startswith("antmaze-")

    @property
    def maze(self) -> str | None:
        """Name of AntMaze's map (gtp.envs.mazes.MAZES)."""
        return self.id.split("-")[1] if self.antmaze else None

    @property
    def file_name(self) -> str | None:
        """Name under which D4RL keeps the file."""
        return None if self.url is None else PurePosixPath(self.url).name


ENVIRONMENTS = {  # sizes of observations and actions, horizon, environment
    "halfcheetah": (17, 6, 1000, "HalfCheetah-v4"),
    "hopper": (11, 3, 1000, "Hopper-v4"),
    "walker2d": (17, 6, 1000, "Walker2d-v4"),
    "antmaze-umaze": (29, 8, 700, "gtp/D4RLAntMaze-v0"),
    "antmaze-medium": (29, 8, 1000, "gtp/D4RLAntMaze-v0"),
    "antmaze-large": (29, 8, 1000, "gtp/D4RLAntMaze-v0"),
}


def list_urls() -> dict[str, str]:
    """URL of the file of each id that we know."""
    urls = {}
    for robot in (name for name in ENVIRONMENTS if not name.startswith("antmaze-")):
        for level in LEVELS:
            name = f"{robot}_{level.replace('-', '_')}-v2.hdf5"
            urls[f"{robot}-{level}-v2"] = f"{SERVER}/gym_mujoco_v2/{name}"
    for variant in VARIANTS:
        maze, _, kind = variant.partition("-")
        starts, goals = variant != "umaze", kind == "diverse"
        name = f"Ant_maze_{MAZES[maze]}_noisy_multistart_{starts}_multigoal_{goals}_sparse"
        urls[f"antmaze-{variant}-v0"] = f"{SERVER}/ant_maze_new/{name}.hdf5"
        urls[f"antmaze-{variant}-v2"] = f"{SERVER}/ant_maze_v2/{name}_fixed.hdf5"
    return urls


URLS = list_urls()


def find_task(d4rl_id: str) -> D4RLTask:
    """The task of an id. Raises UserError when the id is malformed or of another robot."""
    match = re.fullmatch(r"(antmaze-[a-z]+|[a-z0-9]+)-?[a-z-]*-v\d+", d4rl_id)
    if match is None or match[1] not in ENVIRONMENTS:
        raise UserError(
            f"unknown D4RL id {d4rl_id!r}; use one of {', '.join(sorted(URLS))}; of another robot, make"
            ' the data a Minari dataset of your own (docs/data.md, "Your own dataset as a task")'
        )
    observations, actions, horizon, environment = ENVIRONMENTS[match[1]]
    return D4RLTask(
        id=d4rl_id,
        observation_size=observations,
        action_size=actions,
        horizon=horizon,
        environment=environment,
        url=URLS.get(d4rl_id),
    )
