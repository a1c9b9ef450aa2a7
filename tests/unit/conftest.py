"""Small data for the unit tests: transitions made by hand, Minari datasets and results of studies."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

from gtp.config import TaskSpec
from gtp.data.generate.waypoint import WaypointRecipe
from gtp.data.sources import download
from gtp.data.sources import minari as minari_source
from gtp.data.sources.generate import generate_dataset
from gtp.data.store.build import Workshop
from gtp.data.store.minari_store import create_dataset
from gtp.data.transitions import Transitions
from gtp.errors import UserError

from .results_fixtures import ANTMAZE_TASKS, LOCOMOTION_TASKS, MAZE_TASKS, write_study


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A Minari root that does not exist yet."""
    return tmp_path / "root"


@pytest.fixture
def d4rl_folder(tmp_path: Path, monkeypatch) -> Path:
    """D4RL's folder, empty; no test may find the user's, or wait long for a server."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))
    return tmp_path / "d4rl"


@pytest.fixture
def maze_task() -> TaskSpec:
    """The U-shaped maze from end to end."""
    return TaskSpec(
        name="pointmaze-umaze",
        environment="PointMaze_UMaze-v3",
        max_episode_steps=300,
        observation_keys=("observation",),
        maze="umaze",
        start_cell=(3, 1),
        goal_cell=(1, 1),
    )


@pytest.fixture
def box_task() -> TaskSpec:
    """A task without a maze on plain vectors of observations."""
    return TaskSpec(name="pendulum", environment="Pendulum-v1", max_episode_steps=200)


@pytest.fixture
def tiny_transitions(maze_task: TaskSpec) -> Transitions:
    """Six transitions in two episodes, the first of which terminates."""
    rng = np.random.default_rng(0)
    return Transitions(
        observations=rng.normal(size=(6, 4)).astype(np.float32),
        actions=rng.uniform(-1, 1, size=(6, 2)).astype(np.float32),
        rewards=np.float32([0, 0, 1, 0, 0, 0]),
        next_observations=rng.normal(size=(6, 4)).astype(np.float32),
        terminations=np.float32([0, 0, 1, 0, 0, 0]),
        episode_starts=np.int64([0, 3]),
        observation_mean=np.zeros(4, np.float32),
        observation_std=np.ones(4, np.float32),
        action_low=-np.ones(2, np.float32),
        action_high=np.ones(2, np.float32),
        task=maze_task,
        dataset_id="generated/pointmaze/tiny-v0",
        dataset_digest="0" * 64,
    )


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> tuple[Path, str, dict]:
    """Root, id and card of a generated dataset of 1000 steps; shared by all tests, so leave it as it is."""
    root, dataset_id = tmp_path_factory.mktemp("minari"), "generated/pointmaze/umaze-1k-v0"
    recipe = WaypointRecipe(maze="umaze", steps=1000, horizon=300, seed=3)
    return root, dataset_id, generate_dataset(recipe, dataset_id=dataset_id, root=root, command="make it")


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    """A function that writes episodes (dicts of arrays) as a Minari dataset; returns its id and root."""

    def write(*episodes: dict, observation_space=None, action_space=None):
        create_dataset(
            tmp_path,
            "handmade/test-v0",
            buffer=[EpisodeBuffer(**episode) for episode in episodes],
            observation_space=observation_space or spaces.Box(-9, 9, (3,), np.float64),
            action_space=action_space or spaces.Box(-2, 2, (1,), np.float32),
        )
        return "handmade/test-v0", tmp_path

    return write


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A small study whose files no test changes."""
    tasks = {"pointmaze-umaze": "U-Maze", "pointmaze-medium": "Medium", "hopper-medium-replay": "Hopper"}
    return write_study(
        tmp_path_factory.mktemp("results") / "study",
        tasks=tasks,
        episodes=8,
        diverged=("pointmaze-medium", "gaussian_bc", 1),
    )


@pytest.fixture(scope="session")
def mixed(tmp_path_factory) -> Path:
    """A study of point mazes, robots and ant mazes, its suites not in the order of their names."""
    tasks = dict(reversed(MAZE_TASKS.items())) | LOCOMOTION_TASKS | ANTMAZE_TASKS
    return write_study(tmp_path_factory.mktemp("mixed") / "study", tasks=tasks, seeds=1, episodes=1)


@pytest.fixture
def own(tmp_path: Path, monkeypatch) -> Path:
    """The user's own Minari folder; what is not in it cannot be had."""

    def refuse(dataset_id: str, workshop: Workshop) -> None:
        raise UserError(f"cannot download {dataset_id}")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "own"))
    monkeypatch.setattr(minari_source, "download", refuse)
    return tmp_path / "own"
