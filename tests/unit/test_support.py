"""Where policies act beside their data, and Q beside returns: distances and returns known by hand."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from gtp import algorithms
from gtp.acting import ActingRule
from gtp.algorithms.common.interface import bind
from gtp.config import Execution, TaskSpec, TrainConfig
from gtp.errors import UserError
from gtp.evaluation.support import (
    Neighbourhood,
    environments_for,
    in_box,
    measure_support,
    q_values,
    returns_to_go,
    row,
    visit,
)
from gtp.policy import load_policy
from gtp.report.results import read_results, read_study
from gtp.training.loop import train
from workflow.scripts import figure_support

from .figure_fixtures import note_of
from .training_fixtures import tiny_transitions

SAMPLE = ActingRule.parse("sample")
TASK = TaskSpec(
    name="multigoal",
    environment="gtp/MultiGoal-v0",
    max_episode_steps=12,
    reward_scale=2.0,
    reward_shift=0.01,
)


def data(count: int = 400, **changes):
    """Random transitions of the task, more than once as wide in some coordinates as in others."""
    tiny = tiny_transitions(count)
    obs = tiny.observations[:, :2] * np.float32([3.0, 0.5])
    return replace(
        tiny,
        observations=obs,
        next_observations=obs,
        observation_mean=obs.mean(axis=0),
        observation_std=obs.std(axis=0),
        action_low=np.float32([-2.0, -1.0]),
        action_high=np.float32([2.0, 1.0]),
        task=TASK,
        **changes,
    )


@pytest.fixture(scope="module", params=["gtp", "gaussian_bc"])
def policy_file(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp(request.param)
    config = TrainConfig(steps=20, batch_size=16, hidden_size=16, snapshots=1)
    execution = Execution(device="cpu", compile="off")
    paths = {"output": folder / "run", "checkpoints": folder / "checkpoints"}
    train(algorithms.get(request.param)(), config, data(), (0, 1), execution=execution, **paths)
    return folder / "run/policy-20.safetensors"


def measured(path, **changes):
    settings = {"nfe": 2, "acting": ["sample", "best_of_4"], "pairs": 50, "episodes": 2, "discount": 0.9}
    return measure_support(path, data(), **(settings | changes))


def test_a_row_for_each_seed_and_rule(policy_file):
    rows = measured(policy_file)
    with_critic = load_policy(policy_file).algorithm.critic is not None
    rules = ["sample", "best_of_4"] if with_critic else ["deterministic"]
    assert [(r.seed, r.acting) for r in rows] == [(seed, rule) for seed in (0, 1) for rule in rules]
    for r in rows:
        assert (r.pairs, r.nfe, r.status) == (50, 2 if with_critic else 1, "ok")
        assert r.distance > 0
        assert 0 <= r.far_share <= 1
        assert (r.visited > 0) == with_critic
        assert (r.q is None) == (r.mc_return is None) == (not with_critic)
    assert measured(policy_file) == rows


def test_the_datas_own_actions_are_as_near_as_the_data():
    near = Neighbourhood.of(data(), pairs=100)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert len(near.states) == 100 == len(near.distances)
    assert near.tree.n == 300
    assert len(order) == 400
    own = np.stack([data().actions[(data().observations == state).all(axis=1)][0] for state in near.states])
    np.testing.assert_allclose(near.distance(own), near.distances)
    assert (near.distance(own) > np.quantile(near.distances, 0.95)).mean() == 0.05


def test_distances_are_in_standard_deviations_of_each_coordinate():
    table = data(4)
    obs = np.float32([[0, 0], [6, 0], [0, 8], [6, 8]])
    act = np.float32([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]])
    table = replace(table, observations=obs, actions=act, observation_std=obs.std(axis=0))
    near = Neighbourhood.of(table, pairs=2)  # two states, and two transitions in the tree
    kept = near.tree.data * np.array([3.0, 4.0, 0.5, 0.5])  # the standard deviations of what stands above
    assert {tuple(line) for line in kept} <= {(*o, *a) for o, a in zip(obs, act, strict=True)}
    far = near.distance(np.zeros((2, 2)))
    for state, distance in zip(near.states, far, strict=True):
        steps = np.concatenate([kept[:, :2] - state, kept[:, 2:]], axis=1) / np.array([3.0, 4.0, 0.5, 0.5])
        assert distance == pytest.approx(np.sqrt((steps**2).sum(axis=1)).min())


def test_returns_are_discounted_from_each_step_on():
    assert returns_to_go([1.0, 0.0, 4.0], 0.5) == [2.0, 2.0, 4.0]


class Counting(gym.Env):
    """Rewards 1, 2, 3, ... until the horizon; the observation is the step."""

    observation_space = gym.spaces.Box(-1e3, 1e3, (2,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (2,), np.float32)

    def __init__(self, horizon: int):
        self.horizon, self.step_done = horizon, 0

    def reset(self, *, seed=None, options=None):
        self.step_done = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.step_done += 1
        return (
            np.full(2, self.step_done, np.float32),
            self.step_done,
            False,
            self.step_done == self.horizon,
            {},
        )


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("visits")
    config = TrainConfig(steps=5, batch_size=8, hidden_size=8, snapshots=1)
    paths = {"output": folder / "run", "checkpoints": folder / "checkpoints"}
    train(algorithms.get("gtp")(), config, data(), (0,), execution=Execution(compile="off"), **paths)
    return load_policy(folder / "run/policy-5.safetensors")


def test_what_follows_counts_beyond_the_horizon_but_its_states_do_not(policy):
    visits = visit(policy, 1, SAMPLE, [Counting(15), Counting(13)], 0.5)
    assert len(visits.obs) == 2 * TASK.max_episode_steps
    rewards = [2.0 * (k + 0.01) for k in range(1, 16)]  # the task's scale and shift
    assert visits.returns[0] == pytest.approx(sum(0.5**k * r for k, r in enumerate(rewards)))
    last = visits.returns[TASK.max_episode_steps - 1]
    assert last == pytest.approx(sum(0.5**k * r for k, r in enumerate(rewards[11:])))
    assert visits.obs[:12, 0].tolist() == list(range(12))
    assert np.abs(visits.act).max() <= 1.0


def test_episodes_run_on_until_the_rest_weighs_a_hundredth(policy):
    (environment,) = environments_for(policy, 1, 0.9)
    more = environment.spec.max_episode_steps - TASK.max_episode_steps
    assert 0.9**more <= 0.01 < 0.9 ** (more - 1)
    assert environments_for(policy, 1, 1.0)[0].spec.max_episode_steps == TASK.max_episode_steps
    policy = replace(policy, task=replace(TASK, reward_normalization="return_range"))
    assert environments_for(policy, 1, 0.9) == []


def test_q_is_the_smaller_head_at_the_action_taken(policy):
    visits = visit(policy, 1, SAMPLE, [Counting(3)], 0.5)
    critic = bind(policy.modules, policy.params)["critic_ema"]
    obs = (torch.from_numpy(visits.obs) - policy.observation_mean) / policy.observation_std
    heads = critic(obs, torch.from_numpy(visits.act).float())
    np.testing.assert_allclose(q_values(policy, visits), heads.min(dim=0).values.detach().numpy(), rtol=1e-5)
    policy.reset(0)
    taken = policy.act(visits.obs[0], 1, SAMPLE)
    np.testing.assert_allclose(in_box(policy, taken[None]), visits.act[:1], rtol=1e-5)
    np.testing.assert_allclose(taken, visits.act[0] * [2.0, 1.0], rtol=1e-5)


def test_a_diverged_seed_is_a_row_that_says_so(policy):
    gone, near = replace(policy, diverged_at=3), Neighbourhood.of(data(), pairs=20)
    found = row(gone, 1, SAMPLE, near, [Counting(3)], 0.9)
    assert (found.status, found.distance, found.q, found.visited) == ("diverged@3", None, None, 0)
    ruined = replace(
        policy, params={n: {k: v * torch.nan for k, v in p.items()} for n, p in policy.params.items()}
    )
    assert row(ruined, 1, SAMPLE, near, [Counting(3)], 0.9).status == "diverged@5"


def test_what_makes_no_sense_is_refused(policy_file):
    other = replace(data(), task=replace(TASK, name="other"))
    with pytest.raises(UserError, match="the data are of other"):
        measure_support(policy_file, other, 1, ["sample"], 10, 1, 0.9)
    for changes in ({"discount": 0.0}, {"episodes": 0}, {"nfe": 0}, {"pairs": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            measured(policy_file, **changes)


def test_the_figure_shows_every_method_and_both_rules(results):
    study = read_study(results / "study.json")
    table = read_results(results / "support.csv", "support")
    figure = figure_support.draw(table, study, "support.csv")
    assert len(figure.axes) == 2 * len(study.tasks)
    far, values = figure.axes[0], figure.axes[len(study.tasks)]
    rules = sum(len(method.acting) for method in study.methods)
    assert len(far.lines) == 1 + 2 * rules
    first = table[(table["task"] == study.tasks[0].name) & (table["method"] == "gtp")]
    plain = first[first["acting"] == "sample"]
    assert far.lines[2].get_xdata()[0] == pytest.approx(100 * plain["far_share"].mean())
    assert values.lines[0].get_xdata() == pytest.approx([plain["mc_return"].mean(), plain["q"].mean()])
    with_critic = [m for m in study.methods if m.name in ("gtp", "gtp-no_consistency")]
    assert len(values.lines) == 3 * sum(len(method.acting) for method in with_critic)
    assert "Gaussian BC on Medium (1)" in note_of(figure)
    with pytest.raises(UserError, match="no rows for gtp on pointmaze-umaze"):
        figure_support.draw(table[table["method"] != "gtp"], study, "support.csv")
