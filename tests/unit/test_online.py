"""Training online: the order of actions and updates, killed runs, what a run starts from, one-line errors."""

import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from gtp import load_policy
from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import load_transitions
from gtp.envs.make import make_environment
from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors
from gtp.online.loop import OnlineRun, new_agent, train_online
from gtp.online.origin import Origin
from gtp.online.settings import ModelBasedConfig, OnlineConfig
from gtp.online.world import discount_of, make_world, task_of
from gtp.training.loop import train

from .killed import assert_killed, start

CPU = torch.device("cpu")
EAGER = Execution(device="cpu", compile="off", progress_seconds=60, checkpoint_seconds=60)
METHOD = MBDPO(size="nano", samples=8, elites=4, prior_sequences=2)
CONFIG = ModelBasedConfig(
    environment="Pendulum-v1", max_episode_steps=10, steps=45, seed_steps=15, batch_size=4, nfe=2,
    evaluate_every=20, evaluation_episodes=2,
)  # fmt: skip
FILES = ("online.csv", "policy-45.safetensors")


class Ending(gym.Env):
    """Six steps to a terminal state, or to the time limit when that is earlier; a step is worth 1."""

    observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.taken, self.began = 0, self.np_random.random()
        return np.array([self.began, 0.0], np.float32), {}

    def step(self, action):
        self.taken += 1
        obs = np.array([self.began, self.taken], np.float32)
        return obs, 1.0, self.taken == 6, False, {}


gym.register("test/Ending-v0", entry_point=Ending)


def run(folder: Path, config=CONFIG, method=METHOD, seed=0, **files):
    return train_online(
        method, config, seed, output=folder, checkpoints=folder / "checkpoints", execution=EAGER, **files
    )


def started(config=CONFIG, method=METHOD) -> OnlineRun:
    """A run that has done nothing yet."""
    task, origin = task_of(config), Origin()
    method = origin.algorithm(method, task)
    agent = new_agent(
        method, config, origin.frame(make_world(task), task), origin, 0, CPU, compiled=False, label="m"
    )
    return OnlineRun(agent, Path(), "", EAGER)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run to its end, with its data."""
    folder = tmp_path_factory.mktemp("online") / "run"
    record = run(folder, replace(CONFIG, save_data=True))
    assert (record["updates"], record["episodes"], record["seed_steps"]) == (45, 4, 15)
    return folder


def test_a_run_has_rows_of_its_search_and_of_its_prior(finished):
    with (finished / "online.csv").open() as file:
        rows = list(csv.DictReader(file))
    cells = [(int(row["step"]), row["way"], int(row["episode"])) for row in rows]
    assert cells == [
        (step, way, episode) for step in (0, 20, 40, 45) for way in ("search", "prior") for episode in (0, 1)
    ]
    assert {row["environment"] for row in rows} == {"Pendulum-v1"}
    assert {row["length"] for row in rows} == {"10"}
    by_way = [{row["return"] for row in rows if row["way"] == way} for way in ("search", "prior")]
    assert by_way[0] != by_way[1]
    assert not any((finished / "checkpoints").glob("*/"))


def test_a_policy_of_a_run_acts_as_it_was_evaluated(finished):
    policy = load_policy(finished / "policy-45.safetensors")
    environment = make_environment(policy.task)
    obs, _ = environment.reset(seed=policy.start_seed(0))
    policy.reset(range(2))
    total = 0.0
    for _ in range(10):
        obs, reward, *_ = environment.step(policy.act(np.stack([obs, obs]), nfe=1)[0])
        total += reward
    with (finished / "online.csv").open() as file:
        last = [
            r for r in csv.DictReader(file) if (r["step"], r["way"], r["episode"]) == ("45", "prior", "0")
        ]
    assert float(last[0]["return"]) == pytest.approx(total, rel=1e-5)
    assert policy.algorithm.discount == pytest.approx(0.95)


def test_updates_begin_with_a_burst_and_then_follow_each_step(monkeypatch):
    online = started()
    seen = []
    monkeypatch.setattr(online, "evaluate", lambda: None)
    monkeypatch.setattr(type(online.agent), "act", lambda self, obs, step: seen.append(step) or np.zeros(1))
    counts = {}
    original = online.due
    monkeypatch.setattr(online, "due", lambda: counts.setdefault(online.step, original()))
    for _ in range(3):
        online.play()
    assert {step: count for step, count in counts.items() if step < 15} == dict.fromkeys(range(1, 15), 0)
    assert [counts[step] for step in (15, 16, 17, 30)] == [15, 1, 1, 1]
    assert online.agent.learner.steps_done == 30
    assert seen == list(range(15, 30)), "random until the seed phase is over"


def test_an_update_waits_for_an_episode_that_is_whole(monkeypatch):
    online = started(replace(CONFIG, seed_steps=4))
    online.step = 6
    assert online.due() == 0
    online.agent.replay.append(np.zeros((11, 3)), np.zeros((10, 1)), np.zeros(10), False)
    assert online.due() == 4


@pytest.mark.parametrize(("limit", "last"), [(6, 1.0), (9, 1.0), (5, 0.0)])
def test_only_a_terminal_state_ends_the_bootstrap(monkeypatch, limit, last):
    online = started(replace(CONFIG, environment="test/Ending-v0", max_episode_steps=limit))
    monkeypatch.setattr(online, "evaluate", lambda: None)
    online.play()
    stored = online.agent.replay.state()
    assert stored["terminated"].tolist() == [0.0] * (len(stored["act"]) - 1) + [last]
    assert len(stored["act"]) == min(limit, 6)
    assert stored["obs"][1:].equal(stored["next_obs"][:-1])


KILLED = """
from dataclasses import replace
from pathlib import Path
from gtp.online import loop
from tests.unit.killed import die_after
from tests.unit.test_online import CONFIG, EAGER, METHOD
die_after(loop, {at})
loop.train_online(METHOD, CONFIG, 0, output=Path("out"), checkpoints=Path("out/checkpoints"),
                  execution=replace(EAGER, checkpoint_seconds=0))
"""


@pytest.mark.parametrize("at", [10, 30])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path, at):
    """SIGKILL right after the checkpoint of `at` steps: in the random phase, and after it."""
    assert_killed(start(KILLED.format(at=at), tmp_path))
    assert not (tmp_path / "out/run.json").exists()
    assert run(tmp_path / "out")["resumed_at"] == at
    assert run(tmp_path / "straight")["resumed_at"] is None
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def lying(path: Path, tensors=None, **header) -> None:
    """Give a checkpoint other tensors or entries of its header, under a checksum that holds."""
    old_tensors, old = read_tensors(path, "gtp-checkpoint", "")
    write_tensors(path, old_tensors | (tensors or {}), old | header)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"rows": [[1, 2]]}, "its rows have the entry"),
        ({"rows": ["x" * 9]}, "its rows have the entry"),
        ({"rows": [["E-v0", "m", 0, 5, "prior", 0, [[]], 3, "ok"]]}, "a row.episode_return is"),
        ({"episodes": [10, 9]}, "have 19 steps and it 10"),
        ({"episodes": [0, 10]}, "have 10 steps and it 10"),
    ],
)
def test_a_checkpoint_that_lies_is_refused(tmp_path, header, message):
    online = started()
    online.checkpoint = tmp_path / "checkpoint.safetensors"
    online.play()
    online.save()
    lying(online.checkpoint, **header)
    with pytest.raises(UserError, match=message):
        online.resume()


@pytest.mark.parametrize("name", ["obs", "rew", "starts"])
def test_a_replay_of_another_type_is_refused(tmp_path, name):
    online = started()
    online.checkpoint = tmp_path / "checkpoint.safetensors"
    online.play()
    online.save()
    stored = online.agent.replay.state()[name]
    lying(online.checkpoint, {f"replay/{name}": stored.to(torch.float16)})
    with pytest.raises(UserError, match="lacks a part of its run"):
        online.resume()
    lying(online.checkpoint, {f"replay/{name}": stored[..., None]})
    with pytest.raises(UserError, match="lacks a part of its run"):
        online.resume()


def test_eta_0_and_a_single_level_are_other_ways_to_act(tmp_path):
    run(tmp_path / "prior", replace(CONFIG, nfe=1, steps=20))
    with (tmp_path / "prior/online.csv").open() as file:
        assert {row["way"] for row in csv.DictReader(file)} == {"prior"}


def test_the_data_of_a_run_train_offline_and_that_policy_goes_on_online(finished, tmp_path):
    data = load_transitions(finished / "transitions.safetensors")
    assert (len(data), data.episode_starts.tolist()) == (40, [0, 10, 20, 30])
    assert data.actions.std() > 0.1
    offline = replace(METHOD, eta=0.2)
    budget = TrainConfig(steps=5, batch_size=4, discount=0.93)
    train(offline, budget, data, (0,), output=tmp_path / "off", checkpoints=tmp_path / "c", execution=EAGER)
    policy = tmp_path / "off/policy-5.safetensors"
    short = replace(CONFIG, steps=20, seed_steps=None)
    record = run(tmp_path / "on", short, start=policy)
    known = load_policy(policy)
    # It acts from the first step on, and each step but those before the first whole episode has an update.
    assert (record["seed_steps"], record["updates"]) == (0, 11)
    assert record["hyperparameters"]["discount"] == 0.93
    assert record["hyperparameters"]["reward_unit"] == known.algorithm.reward_unit != 1.0
    later = load_policy(tmp_path / "on/policy-20.safetensors")
    assert torch.equal(later.observation_mean, known.observation_mean)
    assert torch.equal(later.observation_std, known.observation_std)

    kept = replace(short, steps=12)
    record = run(tmp_path / "kept", kept, start=policy, data=finished / "transitions.safetensors")
    assert record["updates"] == 12, "the recorded episodes are there from the first step on"


def test_a_start_is_the_policy_and_its_target_the_values(finished):
    origin = Origin.read(finished / "policy-45.safetensors", None, 0)
    task = origin.task(CONFIG)
    method = origin.algorithm(METHOD, task)
    agent = new_agent(method, CONFIG, origin.frame(make_world(task), task), origin, 3, CPU, False, "m")
    learner, policy = agent.learner, origin.policy
    for network, leaves in policy.params.items():
        for leaf, value in leaves.items():
            assert torch.equal(learner.params[network][leaf][0], value)
    for leaf, value in policy.params["values"].items():
        assert torch.equal(learner.params["values_ema"][leaf][0], value)
    assert not any(value.any() for leaves in learner.first.values() for value in leaves.values())


def test_a_start_that_does_not_fit_is_refused(finished, tmp_path):
    start = finished / "policy-45.safetensors"
    for method, config, message in (
        (MBDPO(size="tiny"), CONFIG, "has networks of size nano; add --size nano"),
        (METHOD, replace(CONFIG, environment="test/Ending-v0"), "--environment Pendulum-v1"),
    ):
        with pytest.raises(UserError, match=message):
            run(tmp_path / "out", config, method, start=start)
    assert not (tmp_path / "out/run.json").exists()


def test_rewards_are_transformed_as_the_data_were(finished, monkeypatch):
    online = started()
    online.task = replace(online.task, reward_scale=2.0, reward_shift=-1.0)
    assert online.training_rewards([0.5, 1.0]).tolist() == [-1.0, 0.0]
    online.config = replace(CONFIG, reward_factor=4.0)
    assert online.training_rewards([0.5, 1.0]).tolist() == [2.0, 6.0]
    data = load_transitions(finished / "transitions.safetensors")
    scaled = replace(data, task=replace(data.task, reward_normalization="return_range"))
    with pytest.raises(UserError, match="name the factor with --reward_factor"):
        Origin(data=Path("data"), transitions=scaled).task(CONFIG)


def test_the_discount_follows_from_the_length_of_episodes():
    assert [discount_of(steps) for steps in (10, 100, 500, 1000, 5000)] == pytest.approx(
        [0.95, 0.95, 0.99, 0.995, 0.995]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"environment": "Pendulum-v7"}, "Pendulum"),
        ({"environment": "CartPole-v1"}, "has the actions Discrete"),
        ({"environment": "PointMaze_UMaze-v3"}, "name some in observation_keys"),
        ({"environment": "FrozenLake-v1"}, "only vectors of numbers are supported"),
    ],
)
def test_an_environment_that_does_not_fit_is_one_line(settings, message):
    with pytest.raises(UserError, match=message) as caught:
        make_world(task_of(OnlineConfig(**settings)))
    assert len(str(caught.value).splitlines()) == 1


def test_an_environment_without_a_limit_needs_one():
    with pytest.raises(UserError, match="no time limit; name --max_episode_steps"):
        task_of(OnlineConfig(environment="test/Ending-v0"))


def test_sac_is_evaluated_on_the_same_steps_and_starts(tmp_path, monkeypatch):
    from gtp.online.sac import train_sac

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    config = OnlineConfig(
        environment="Pendulum-v1", max_episode_steps=10, steps=30, evaluate_every=20, evaluation_episodes=2
    )
    for folder in ("one", "two"):
        train_sac(config, 0, output=tmp_path / folder, label="sac")
    with (tmp_path / "one/online.csv").open() as file:
        rows = [(int(r["step"]), r["way"], int(r["episode"])) for r in csv.DictReader(file)]
    assert rows == [(step, "actor", episode) for step in (0, 20, 30) for episode in (0, 1)]
    assert (tmp_path / "one/online.csv").read_bytes() == (tmp_path / "two/online.csv").read_bytes()
    assert not list((tmp_path / "temporary").glob("SB3*"))  # nothing is left for the user to find
