"""Stable-Baselines3's SAC, with the steps, evaluation episodes and rows of the other online methods."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import stable_baselines3
import torch
from gymnasium import Env
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from gtp.acting import ActingRule
from gtp.config import TaskSpec
from gtp.errors import UserError
from gtp.files import write_text
from gtp.online.evaluation import Examiner
from gtp.online.settings import OnlineConfig
from gtp.online.world import make_world, task_of
from gtp.progress import Progress, say
from gtp.randomness import start_seed
from gtp.schema import OnlineEpisode, write_rows
from gtp.training.run import claimed, finished_before


class Actor:
    """The mean of SAC's actor, with what Rollouts asks of a policy."""

    diverged_at = None

    def __init__(self, model: SAC, seed: int, step: int):
        self.model, self.seed, self.step = model, seed, step

    def start_seed(self, episode: int) -> int:
        """As Policy.start_seed: the same starts as those of the other methods."""
        return start_seed(self.seed, "evaluation", episode)

    def reset(self, episodes) -> None:
        """Nothing is remembered."""

    def act(self, obs: np.ndarray, nfe: int, acting: ActingRule) -> np.ndarray:
        """Actions in the environment's units: (B, O) -> (B, A)."""
        return self.model.predict(obs, deterministic=True)[0]


class Evaluations(BaseCallback):
    """Evaluates whenever it is time, before the first step too."""

    def __init__(self, config: OnlineConfig, examiner: Examiner, seed: int, progress: Progress):
        super().__init__()
        self.config, self.examiner, self.seed_number, self.progress = config, examiner, seed, progress
        self.rows: list[OnlineEpisode] = []

    def _on_training_start(self) -> None:
        self.evaluate()

    def _on_step(self) -> bool:
        # It is called between a step and its update: what is evaluated had one update for each step before.
        if self.config.evaluated(self.num_timesteps):
            self.evaluate()
        self.progress.advance()
        return True

    def evaluate(self) -> None:
        """Episodes of the actor as it is now."""
        actor = Actor(self.model, self.seed_number, self.num_timesteps)
        self.rows += self.examiner.rows(actor, 1, "actor")


def train_sac(config: OnlineConfig, seed: int, *, output: Path, label: str, overwrite: bool = True) -> dict:
    """Train SAC with its defaults and write online.csv and run.json into `output`; begins anew when cut off.

    Without `overwrite` the very same run, if `output` holds it, is not trained again, and another one is
    refused. Raises UserError for an environment that does not fit and for a folder that cannot be written.
    """
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}")
    task = task_of(config)
    world, output = make_world(task), Path(output)
    settings = {
        "algorithm": "sac",
        "label": label,
        "config": asdict(config),
        "seed": seed,
        "task": asdict(task),
        "stable_baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
    }
    with claimed(output):
        if not overwrite and (record := finished_before(settings, [], output)):
            return record
        record = _train(config, seed, task, world, output, label, settings)
    say(f"wrote {output}/online.csv")
    return record


def _train(
    config: OnlineConfig, seed: int, task: TaskSpec, world: Env, output: Path, label: str, settings: dict
) -> dict:
    began = time.monotonic()
    progress = Progress(f"online {task.name} {label} seed {seed}", config.steps, "steps")
    model = SAC("MlpPolicy", world, seed=seed, device="cpu")
    model.set_logger(Logger(None, []))  # its own would leave a folder in the system's for temporary files
    callback = Evaluations(config, Examiner.of(task, config.evaluation_episodes, label), seed, progress)
    model.learn(config.steps, callback=callback)
    record = {
        **settings,
        "seconds": time.monotonic() - began,
        "parameters": sum(leaf.numel() for leaf in model.policy.parameters()),
    }
    for old in (output / "run.json", *output.glob("policy-*.safetensors")):  # of another run
        old.unlink(missing_ok=True)
    write_rows(output / "online.csv", OnlineEpisode, callback.rows)
    write_text(output / "run.json", json.dumps(record, indent=2))
    return record
