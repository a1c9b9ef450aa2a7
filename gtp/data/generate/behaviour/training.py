"""Train behaviour policies with Stable-Baselines3's PPO; ship those that the training run passed through.

The simulators run in one process: stepping them costs less than talking to other processes would.
"""

import importlib.metadata
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from gtp.data.generate.behaviour.ant import AntGoals
from gtp.data.generate.behaviour.policy import save_policies
from gtp.data.generate.behaviour.robots import ROBOTS, Training
from gtp.data.generate.behaviour.state import load_state, save_state
from gtp.errors import resuming
from gtp.files import require_writable, write_atomically, write_text
from gtp.progress import Progress, say

PACKAGES = ("gtp", "stable-baselines3", "torch", "gymnasium", "mujoco", "numpy")
UNTIL_MEDIUM, AFTER_MEDIUM = 16, 8  # policies to ship at most, so that a file stays below a megabyte
CHECKPOINT_EVERY = 10  # snapshots
RECENT = 100  # episodes whose mean return stands for a policy's


def train_behaviour(robot: str, work: Path, output: Path, *, seed: int = 0, command: str = "") -> None:
    """Train a robot's behaviour policies and write <robot>.safetensors, .csv (learning curve) and .json.

    Goes on from the last state in the folder `work`, if there is one, with fresh episodes: an interrupted run
    is as good as an uninterrupted one, but not the same to the bit.
    Raises: ValueError when the robot is unknown, UserError when a folder cannot be written.
    """
    if robot not in ROBOTS:
        raise ValueError(f"no training is defined for the robot {robot!r}; choose one of {', '.join(ROBOTS)}")
    training = ROBOTS[robot].training
    for folder in (output, work):
        require_writable(folder)
    with resuming(lambda: any(work.glob("state-*.safetensors"))):
        run_ppo(robot, training, work, seed)
    ship(robot, training, work, output, seed=seed, command=command)


def run_ppo(robot: str, training: Training, work: Path, seed: int) -> None:
    """Train to the end, leaving snapshots in `work`."""
    torch.set_num_threads(1)
    simulators = DummyVecEnv([lambda: make_environment(training)] * training.simulators)
    simulators.seed(seed)
    model = PPO(
        "MlpPolicy",
        VecNormalize(simulators, gamma=0.99),
        n_steps=training.rollout,
        batch_size=training.batch_size,
        n_epochs=training.epochs,
        learning_rate=lambda remaining: training.learning_rate * remaining,
        policy_kwargs={"net_arch": [training.width] * 2, "log_std_init": training.log_std},
        seed=seed,
        device="cpu",
    )
    model.set_logger(Logger(None, []))  # its own would leave a folder in the system's for temporary files
    states = sorted(work.glob("state-*.safetensors"))
    if states:
        load_state(model, robot, states[-1])
        say(f"{robot}: going on from step {model.num_timesteps}")
    left = training.steps - model.num_timesteps
    if left > 0:
        progress = Progress(f"train {robot}", training.steps, "steps", done=model.num_timesteps, interval=30)
        snapshots = Snapshots(robot, training, work, progress)
        model.learn(left, callback=snapshots, reset_num_timesteps=not states)
        snapshots.keep()
        keep_state(model, robot, work)


def make_environment(training: Training) -> gym.Env:
    """One simulator, with its episodes' returns recorded."""
    if training.environment == "AntGoals":
        environment: gym.Env = gym.wrappers.TimeLimit(AntGoals(), training.horizon)
    else:
        environment = gym.make(
            training.environment, disable_env_checker=True, max_episode_steps=training.horizon
        )
    return Monitor(environment)


class Snapshots(BaseCallback):
    """Keeps the actor, with the mean return of the latest episodes, at even intervals."""

    def __init__(self, robot: str, training: Training, work: Path, progress: Progress):
        super().__init__()
        self.robot, self.work, self.progress = robot, work, progress
        self.every = training.snapshot_rollouts * training.rollout * training.simulators
        self.recent: deque[dict] = deque(maxlen=RECENT)

    def _on_step(self) -> bool:
        self.recent.extend(info["episode"] for info in self.locals["infos"] if "episode" in info)
        return True

    def _on_rollout_start(self) -> None:
        self.progress.advance(self.num_timesteps - self.progress.done)
        if self.num_timesteps % self.every == 0:
            self.keep()

    def keep(self) -> None:
        """Write the policy as it is now, and from time to time the state to resume from."""
        returns = [episode["r"] for episode in self.recent]
        lengths = [episode["l"] for episode in self.recent]
        row = {
            "step": self.num_timesteps,
            "episode_return": float(np.mean(returns)) if returns else None,
            "episode_length": float(np.mean(lengths)) if lengths else None,
        }
        arrays: dict[str, Any] = actor_arrays(self.model)

        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:  # given a name, numpy would append .npz to it
                np.savez(file, row=json.dumps(row), **arrays)

        write_atomically(self.work / f"snapshot-{self.num_timesteps:08d}.npz", write)
        if self.num_timesteps and self.num_timesteps % (CHECKPOINT_EVERY * self.every) == 0:
            keep_state(self.model, self.robot, self.work)


def actor_arrays(model: PPO) -> dict[str, np.ndarray]:
    """What BehaviourPolicy needs of a model, float32; weights are (in, out)."""
    policy, normalize = model.policy, model.get_vec_normalize_env()
    hidden = [layer for layer in policy.mlp_extractor.policy_net if isinstance(layer, torch.nn.Linear)]
    arrays = {}
    for i, layer in enumerate([*hidden, policy.action_net]):
        arrays[f"weight.{i}"] = layer.weight.detach().numpy().T.copy()
        arrays[f"bias.{i}"] = layer.bias.detach().numpy().copy()
    arrays["log_std"] = policy.log_std.detach().numpy().copy()
    arrays["mean"] = normalize.obs_rms.mean.astype(np.float32)
    arrays["std"] = np.sqrt(normalize.obs_rms.var + normalize.epsilon).astype(np.float32)
    return arrays


def keep_state(model: PPO, robot: str, work: Path) -> None:
    """Write what a run resumes from in place of what was there."""
    path = work / f"state-{model.num_timesteps:08d}.safetensors"
    save_state(model, robot, path)
    for other in work.glob("state-*"):
        if other != path:
            other.unlink()


def ship(
    robot: str, training: Training, work: Path, output: Path, *, seed: int = 0, command: str = ""
) -> None:
    """Write a finished run's policies, learning curve and record into `output`."""
    paths = sorted(work.glob("snapshot-*.npz"))
    snapshots = [dict(np.load(path)) for path in paths]
    curve = [json.loads(str(snapshot.pop("row"))) for snapshot in snapshots]
    last = len(snapshots) - 1
    medium = find_medium([row["episode_return"] for row in curve])
    shipped = [last]
    if training.tiers:
        before, after = evenly_spaced(0, medium, UNTIL_MEDIUM), evenly_spaced(medium, last, AFTER_MEDIUM + 1)
        shipped = [*before, *after[1:]]
    save_policies(
        output / f"{robot}.safetensors",
        robot,
        [curve[i]["step"] for i in shipped],
        [snapshots[i] for i in shipped],
        medium=shipped.index(medium) if training.tiers else 0,
    )
    lines = [",".join(curve[0])] + [
        ",".join(
            "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
            for value in row.values()
        )
        for row in curve
    ]
    write_text(output / f"{robot}.csv", "\n".join(lines) + "\n")
    record = {
        "robot": robot,
        "command": command,
        "seed": seed,
        "training": asdict(training),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "shipped": [curve[i] for i in shipped],
    }
    write_text(output / f"{robot}.json", json.dumps(record, indent=2) + "\n")
    say(f"wrote {output / robot}.safetensors, .csv and .json")


def find_medium(returns: Sequence[float | None]) -> int:
    """The first snapshot whose return is at least a third of the last one's, D4RL's medium policy."""
    last = returns[-1]
    assert last is not None  # by then episodes have ended
    return next(i for i, value in enumerate(returns) if value is not None and value >= last / 3)


def evenly_spaced(first: int, last: int, count: int) -> list[int]:
    """At most `count` different whole numbers from `first` to `last`, both included, evenly spaced."""
    return np.linspace(first, last, min(count, last - first + 1)).round().astype(int).tolist()
