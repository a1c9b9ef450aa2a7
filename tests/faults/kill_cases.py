"""What is killed: commands of every kind that writes results, as small as they can be."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STRAIGHT = "straight"
"""Folder of the undisturbed runs below the working folder; what later cases read is their output."""


@dataclass(frozen=True)
class Case:
    """One command and how often it is killed."""

    kind: str
    """Row of the table."""
    name: str
    kills: int
    words: Callable[[Path], list[str]]
    """Words after `gtp`, or `snakemake`, given the working folder; outputs are relative."""
    fresh: bool = False
    """Whether the process imports everything itself; others are forked from one that has."""
    workflow: bool = False
    """Whether it is snakemake in a copy of the repository."""


DATASET = "generated/pointmaze/umaze-1k-v0"
TASK = [
    *("--task.name", "umaze", "--task.environment", "PointMaze_UMaze-v3", "--task.max_episode_steps", "60"),
    *("--task.observation_keys", "observation", "--task.maze", "umaze", "--task.action_repeat", "5"),
    *("--task.start_cell", "1", "1", "--task.goal_cell", "3", "1"),
]
BUDGET = [
    *("--train.steps", "40", "--train.batch_size", "8", "--train.hidden_size", "8"),
    *("--train.hidden_layers", "1", "--train.snapshots", "2"),
]
EXECUTION = ["--execution.device", "cpu", "--execution.checkpoint_seconds", "0"]
EAGER = [*EXECUTION, "--execution.compile", "off"]
ONLINE = [
    *("--environment", "Pendulum-v1", "--max_episode_steps", "10", "--steps", "40", "--seed_steps", "20"),
    *("--evaluate_every", "20", "--evaluation_episodes", "1", "--batch_size", "4", "--save_data", "True"),
    *("--size", "nano", "--nfe", "2", "--samples", "8", "--elites", "4", "--prior_sequences", "2"),
]


def generation(work: Path) -> list[str]:
    recipe = ["--maze", "umaze", "--steps", "1000", "--goal_cells", "1", "1", "3", "1", "2", "3"]
    place = ["--id", DATASET, "--root", "minari"]
    return ["dataset", "generate", "waypoint", *place, *recipe, "--action_repeat", "5"]


def preparation(work: Path) -> list[str]:
    place = ["--id", DATASET, "--root", str(work / STRAIGHT / "generation" / "minari")]
    files = ["--output", "data.safetensors", "--episodes", "episodes.csv", "--coverage", "coverage.csv"]
    return ["dataset", "prepare", *place, *files, *TASK]


def training(method: str, *options: str) -> Callable[[Path], list[str]]:
    def words(work: Path) -> list[str]:
        data = str(work / STRAIGHT / "preparation" / "data.safetensors")
        files = ["--data", data, "--output", "run"]
        return ["train", method, *files, "--seeds", "0", "1", *BUDGET, *(options or EAGER)]

    return words


def evaluation(work: Path) -> list[str]:
    policy = work / STRAIGHT / "training gtp" / "run" / "policy-40.safetensors"
    files = ["--policy", str(policy), "--output", "scores.csv", "--rollouts", "rollouts.csv"]
    ways = ["--nfe", "1", "2", "--acting", "sample", "best_of_4"]
    return ["evaluate", *files, *ways, "--episodes", "2", "--rollout_episodes", "2"]


def online(work: Path) -> list[str]:
    return ["online", "mbdpo", *ONLINE, "--output", "run", *EAGER]


def study(work: Path) -> list[str]:
    """The smoke study on one task, up to its tables and a figure."""
    changes = ['tasks=["pointmaze-umaze"]', 'methods=["gtp","gaussian_bc"]']
    targets = ["tables", "figures/smoke/nfe.pdf"]
    return [*targets, "--cores", "2", "--configfile", "config/smoke.yaml", "--config", *changes]


CASES = (
    Case("dataset generation", "generation", 10, generation),
    Case("preparation", "preparation", 8, preparation),
    *(
        Case("training, eager", f"training {method}", 8, training(method))
        for method in ("gtp", "diffusion_ql", "iql", "fql", "mbdpo", "gmpg")
    ),
    Case("training, compiled", "training gtp, compiled", 4, training("gtp", *EXECUTION), fresh=True),
    Case("evaluation", "evaluation", 10, evaluation),
    Case("training online", "online mbdpo", 12, online),
    Case("workflow", "smoke study", 8, study, workflow=True),
)
