"""MBDPO in an environment: act by the planner, store whole episodes, one update for each step.

A run is determined by its method, settings, seed, files and code; their digest names the folder of its
checkpoint. Checkpoints are taken between two episodes, where an environment has no state: its next reset is
a function of (seed, episode), and all noise of (seed, stream, step). A run that was killed ends in the same
bytes.
"""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gtp import algorithms
from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import Transitions, observation_statistics, save_transitions
from gtp.errors import UserError, resuming, shorten
from gtp.files import write_text
from gtp.online.agent import Agent
from gtp.online.evaluation import Examiner
from gtp.online.origin import Origin
from gtp.online.settings import ModelBasedConfig
from gtp.online.world import make_world
from gtp.plain import build
from gtp.policy import Frame, save_policy
from gtp.progress import Progress, say
from gtp.provenance import code_behind
from gtp.randomness import start_seed
from gtp.schema import Measurement, OnlineEpisode, column_values, write_rows
from gtp.training.checkpoint import CheckpointHeader, read_checkpoint, save_checkpoint
from gtp.training.learner import Learner
from gtp.training.loop import (
    Interval,
    check_room,
    choose_compiled,
    choose_device,
    measurements,
    rate,
    use_threads,
)
from gtp.training.replay import GrowingSampler
from gtp.training.run import CHECKPOINT, claimed, discard, exclusive, finished_before, publish

TABLES = ("online.csv", "training.csv")


def train_online(
    algorithm: MBDPO,
    config: ModelBasedConfig,
    seed: int,
    *,
    output: Path,
    checkpoints: Path,
    execution: Execution,
    start: Path | None = None,
    data: Path | None = None,
    label: str = "",
    overwrite: bool = True,
) -> dict:
    """Train one seed in an environment and write the results into the folder `output`.

    Results: policy-<steps>.safetensors, online.csv (an OnlineEpisode for each evaluation episode),
    training.csv (step, seed, quantity, value: means over the updates of an episode) and run.json, which is
    returned; with `save_data` also transitions.safetensors. Without `overwrite` the very same run, if
    `output` holds it, is not trained again, and another one is refused.
    Raises UserError for an environment that does not fit, files that cannot be read or written or do not fit,
    and a checkpoint that is damaged.
    """
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}")
    use_threads(execution.threads)
    device = choose_device(execution.device)
    label = label or algorithms.name_of(algorithm)
    origin = Origin.read(start, data, seed)
    task = origin.task(config)
    algorithm = origin.algorithm(algorithm, task)
    frame = origin.frame(make_world(task), task)
    if config.seed_steps is None:
        phase = 0 if origin.policy else max(1000, 5 * task.max_episode_steps)
        config = replace(config, seed_steps=phase)
    compiled = choose_compiled(execution.compile, device)
    settings = {
        "algorithm": algorithms.name_of(algorithm),
        "label": label,
        "hyperparameters": asdict(algorithm),
        "config": asdict(config),
        "seed": seed,
        "task": asdict(task),
        **origin.settings,
        "code": code_behind(__name__, type(algorithm).__module__),
        "device": device.type,
        "compiled": compiled,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    output, scratch = Path(output), Path(checkpoints) / digest[:16]
    with exclusive(scratch), claimed(output), resuming((scratch / CHECKPOINT).exists):
        if not overwrite and (record := finished_before(settings, [config.steps], output, scratch)):
            discard(scratch)  # left by a kill after publishing
            return record
        agent = new_agent(algorithm, config, frame, origin, seed, device, compiled, label)
        check_room(agent.learner, agent.learner.config, scratch, output)
        run = OnlineRun(agent, scratch, digest, execution)
        record = {**settings, **run.complete()}
        write_text(scratch / "run.json", json.dumps(record, indent=2))
        tables = (*TABLES, "transitions.safetensors") if config.save_data else TABLES
        publish(scratch, output, tables)
        discard(scratch)
    say(f"wrote {output}: load_policy('{output}/policy-{config.steps}.safetensors')")
    return record


def new_agent(
    algorithm: MBDPO,
    config: ModelBasedConfig,
    frame: Frame,
    origin: Origin,
    seed: int,
    device: torch.device,
    compiled: bool,
    label: str,
) -> Agent:
    """The agent before its first step."""
    assert algorithm.discount is not None  # Origin.algorithm has set it
    training = TrainConfig(
        steps=config.steps,
        batch_size=config.batch_size,
        discount=algorithm.discount,
        normalize_observations=False,
    )
    observations, actions = len(frame.observation_mean), len(frame.action_low)
    learner = Learner(algorithm, training, observations, actions, [seed], device, compiled)
    origin.enter(learner)
    stored = 0 if origin.transitions is None else len(origin.transitions)
    capacity = stored + config.steps
    replay = GrowingSampler(capacity, observations, actions, algorithm.window, algorithm.discount, device)
    if origin.transitions is not None:
        replay.extend(origin.transitions, frame.observation_mean, frame.observation_std)
    return Agent(learner, replay, frame, config, label)


@dataclass(frozen=True, kw_only=True)
class OnlineHeader(CheckpointHeader):
    """What a checkpoint says beside its tensors."""

    episodes: list[int]
    """Lengths of the episodes so far."""
    rows: list[Any]
    """Rows of online.csv so far."""

    def __post_init__(self):
        super().__post_init__()
        if min(self.episodes, default=1) < 1 or sum(self.episodes) != self.step:
            raise ValueError(f"its episodes have {shorten(sum(self.episodes))} steps and it {self.step}")
        self.evaluations()

    def evaluations(self) -> list[OnlineEpisode]:
        """The rows as what they stand for. Raises ValueError when one is something else."""
        names = [field.name for field in fields(OnlineEpisode)]
        for row in self.rows:
            if not isinstance(row, list) or len(row) != len(names):
                raise ValueError(f"its rows have the entry {shorten(row)}")
        return [build(OnlineEpisode, dict(zip(names, row, strict=True)), "a row") for row in self.rows]


class OnlineRun:
    """One run from its first step, or from its last checkpoint, to its end."""

    def __init__(self, agent: Agent, scratch: Path, digest: str, execution: Execution):
        self.agent, self.config, self.task = agent, agent.config, agent.frame.task
        assert self.config.seed_steps is not None  # train_online has chosen them
        self.seed_steps = self.config.seed_steps
        self.scratch, self.digest, self.execution = scratch, digest, execution
        self.checkpoint = scratch / CHECKPOINT
        self.world = make_world(self.task)
        self.examiner = Examiner.of(self.task, self.config.evaluation_episodes, agent.label)
        self.recorded = agent.replay.steps
        """Steps of recorded data in the replay before the first of the run."""
        self.step = self.episode = 0
        self.seconds, self.began = 0.0, time.monotonic()
        self.progress = Progress(
            f"online {self.task.name} {agent.label} seed {agent.seed}",
            self.config.steps,
            "steps",
            interval=execution.progress_seconds,
        )
        self.rows: list[OnlineEpisode] = []
        self.log: list = []
        self.episodes: list[int] = []
        """Steps of each episode that is stored."""

    def complete(self) -> dict:
        """Go on to the end and leave the results in the scratch folder; what the record says of it."""
        self.resume()
        first, updates = self.step, self.agent.learner.steps_done
        began = saved = time.monotonic()
        self.began = began - self.seconds
        steps = self.config.steps
        self.progress.done = first
        if self.step == 0:
            self.evaluate()
        while self.step < steps:
            self.play()
            if time.monotonic() - saved >= self.execution.checkpoint_seconds and self.step < steps:
                self.save()
                saved = time.monotonic()
        self.leave_results()
        learner = self.agent.learner
        on_gpu = learner.device.type == "cuda"
        return {
            "seconds": time.monotonic() - self.began,
            "updates": learner.steps_done,
            "seed_steps": self.config.seed_steps,
            "updates_per_second": rate(learner.steps_done - updates, time.monotonic() - began),
            "episodes": self.episode,
            "diverged_at": None if learner.diverged_at < 0 else int(learner.diverged_at),
            "resumed_at": first or None,
            "device_name": torch.cuda.get_device_name(learner.device) if on_gpu else "cpu",
        }

    def play(self) -> None:
        """One episode, or what the run's last steps hold of it, with its updates and evaluations."""
        agent, config, frame = self.agent, self.config, self.agent.frame
        agent.begin(self.episode)
        seed = start_seed(agent.seed, "episode", self.episode)
        obs = self.normalize(self.world.reset(seed=seed)[0])
        observations, actions, rewards = [obs], [], []
        interval, terminated, truncated = Interval(), False, False
        while not (terminated or truncated) and self.step < config.steps:
            if self.step < self.seed_steps or agent.learner.diverged_at >= 0:
                action = agent.act_at_random(self.step)
            else:
                action = agent.act(obs, self.step)
            low, high = frame.action_low.numpy(), frame.action_high.numpy()
            raw, reward, terminated, truncated, _ = self.world.step(low + 0.5 * (action + 1.0) * (high - low))
            obs = self.normalize(raw)
            observations.append(obs)
            actions.append(action)
            rewards.append(float(reward))
            self.step += 1
            if terminated or truncated:
                agent.replay.append(
                    np.stack(observations), np.stack(actions), self.training_rewards(rewards), terminated
                )
            for _ in range(self.due()):
                logged = agent.learn()
                interval.add(agent.learner.quantities, logged)
            if config.evaluated(self.step):
                self.evaluate()
            self.progress.advance()
        if terminated or truncated:
            self.episode += 1
            self.seconds = time.monotonic() - self.began
            self.episodes.append(len(actions))
            names, means = interval.means()
            self.log.append([self.step, self.seconds, ["return", *names], [[float(np.sum(rewards))], *means]])

    def due(self) -> int:
        """Updates after the present step: none during the random phase, as many at its end, then one each.

        None either while there is no window to learn from, nor once the seed has diverged.
        """
        learner, seed_steps = self.agent.learner, self.seed_steps
        if self.step < seed_steps or not self.agent.replay.size or learner.diverged_at >= 0:
            return 0
        return max(seed_steps, 1) if learner.steps_done == 0 else 1

    def evaluate(self) -> None:
        """Episodes by the planner and by the policy prior alone, with the policy as it is now."""
        algorithm, nfe = self.agent.learner.algorithm, self.config.nfe
        assert isinstance(algorithm, MBDPO)  # the only method that learns so
        policy = self.agent.policy(self.step)
        if algorithm.search and nfe > 1:
            self.rows += self.examiner.rows(policy, nfe, "search")
        self.rows += self.examiner.rows(policy, 1, "prior")

    def normalize(self, obs: np.ndarray) -> np.ndarray:
        """A raw observation as the networks see it: (O,)."""
        frame = self.agent.frame
        return (obs - frame.observation_mean.numpy()) / frame.observation_std.numpy()

    def training_rewards(self, rewards: list[float]) -> np.ndarray:
        """An episode's rewards after the task's transform: (T,)."""
        factor = self.config.reward_factor or 1.0
        return self.task.reward_scale * (factor * np.array(rewards) + self.task.reward_shift)

    def save(self) -> None:
        """Write what a resume needs, between two episodes."""
        replay = {f"replay/{name}": value for name, value in self.agent.replay.state().items()}
        save_checkpoint(
            self.checkpoint,
            self.agent.learner.state() | replay,
            run_digest=self.digest,
            step=self.step,
            seconds=self.seconds,
            log=self.log,
            episodes=self.episodes,
            rows=[column_values(row) for row in self.rows],
        )

    def resume(self) -> None:
        """Go back to the last checkpoint, if there is one. Raises UserError when it is damaged."""
        if not self.checkpoint.exists():
            return
        expected = self.agent.learner.state()
        state, header = read_checkpoint(self.checkpoint, self.digest, OnlineHeader, expected)
        try:
            self.agent.learner.load_state(state)
            self.agent.replay.load_state(
                {k.removeprefix("replay/"): v for k, v in state.items() if k.startswith("replay/")}
            )
            self.step, self.seconds, self.log = header.step, header.seconds, header.log
            self.episodes = header.episodes
            self.rows = header.evaluations()
        except (KeyError, RuntimeError) as error:
            raise UserError(
                f"{self.checkpoint} lacks a part of its run; delete it: rm {self.checkpoint}"
            ) from error
        self.episode = len(self.episodes)

    def leave_results(self) -> None:
        """The policy, the tables and, if asked for, the data of a run that is over."""
        learner = self.agent.learner
        save_policy(
            self.scratch / f"policy-{self.config.steps}.safetensors",
            learner.algorithm,
            learner.acting_params(),
            config=learner.config,
            frame=self.agent.frame,
            label=self.agent.label,
            seeds=learner.seeds,
            step=self.config.steps,
            diverged_at=learner.diverged_at.tolist(),
        )
        write_rows(self.scratch / "online.csv", OnlineEpisode, self.rows)
        write_rows(self.scratch / "training.csv", Measurement, measurements(self.log, tuple(learner.seeds)))
        if self.config.save_data:
            save_transitions(self.scratch / "transitions.safetensors", self.transitions())

    def transitions(self) -> Transitions:
        """The finished episodes of the run itself, as training offline reads them.

        Raises UserError when there are none.
        """
        frame, stored = self.agent.frame, self.agent.replay.state()
        own = {name: value[self.recorded :].cpu() for name, value in stored.items() if name != "starts"}
        mean, std = frame.observation_mean, frame.observation_std
        observations, arrived = ((mean + std * own[name]).numpy() for name in ("obs", "next_obs"))
        statistics = observation_statistics(observations) if self.episodes else (mean.numpy(), std.numpy())
        return Transitions(
            observations=observations,
            actions=own["act"].numpy(),
            rewards=own["rew"].numpy(),
            next_observations=arrived,
            terminations=own["terminated"].numpy(),
            episode_starts=np.cumsum([0, *self.episodes[:-1]]).astype(np.int64),
            observation_mean=statistics[0],
            observation_std=statistics[1],
            action_low=frame.action_low.numpy(),
            action_high=frame.action_high.numpy(),
            task=self.task,
            dataset_id=f"online/{self.agent.label}-{self.agent.seed}",
            dataset_digest=self.digest,
        )
