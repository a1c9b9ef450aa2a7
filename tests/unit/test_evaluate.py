"""Rollouts: every episode is counted, starts and noise repeat, divergence is a row."""

import csv
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from gtp import algorithms
from gtp.acting import ActingRule
from gtp.algorithms.gtp import GTP
from gtp.config import Execution, TaskSpec, TrainConfig
from gtp.errors import UserError
from gtp.evaluation import rollouts
from gtp.evaluation.cost import ROUNDS, measure, write_cost
from gtp.evaluation.rollouts import Episode, Rollouts, evaluate, settle
from gtp.evaluation.trajectories import divided_state, endpoints, trajectories
from gtp.files import read_tensors, write_tensors
from gtp.policy import load_policy
from gtp.schema import write_rows
from gtp.training.loop import train

from .training_fixtures import Still, tiny_transitions

SAMPLE = ActingRule.parse("sample")
MAZE = TaskSpec(
    name="pointmaze-umaze",
    environment="PointMaze_UMaze-v3",
    max_episode_steps=40,
    observation_keys=("observation",),
    maze="umaze",
    start_cell=(1, 1),
    goal_cell=(3, 1),
)


def maze_transitions():
    """Random transitions in the shape of the point maze's."""
    tiny = tiny_transitions()
    wide = np.concatenate([tiny.observations, tiny.observations[:, :1]], axis=1)
    return replace(
        tiny,
        observations=wide,
        next_observations=wide,
        observation_mean=wide.mean(axis=0),
        observation_std=wide.std(axis=0),
        task=MAZE,
    )


@pytest.fixture(scope="module", params=["gtp", "gaussian_bc"])
def folder(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp(request.param)
    train(
        algorithms.get(request.param)(),
        TrainConfig(steps=20, batch_size=16, hidden_size=16, snapshots=2),
        maze_transitions(),
        (0, 1),
        output=folder,
        checkpoints=folder / "checkpoints",
        execution=Execution(device="cpu", compile="off"),
    )
    return folder


def test_every_seed_nfe_and_episode_has_a_row(folder):
    policy = load_policy(folder / "policy-20.safetensors")
    rows, positions = evaluate([folder / "policy-20.safetensors"], [1, 3], 2, rollout_episodes=1)
    steps = [1, 3] if policy.algorithm.choosable_nfe else [1]
    assert [(r.seed, r.nfe, r.episode) for r in rows] == [
        (s, k, e) for s in (0, 1) for k in steps for e in (0, 1)
    ]
    assert all(r.status == "ok" and r.step == 20 and 1 <= r.length <= 40 for r in rows)
    assert all(r.normalized_score == 100.0 * r.episode_return for r in rows)
    assert {(p.seed, p.episode) for p in positions} == {(0, 0), (1, 0)}
    again, _ = evaluate([folder / "policy-20.safetensors"], [1, 3], 2)
    assert again == rows


def test_snapshots_are_told_apart_by_their_step(folder):
    rows, _ = evaluate([folder / "policy-10.safetensors", folder / "policy-20.safetensors"], [2], 1)
    assert [r.step for r in rows] == [10, 10, 20, 20]


def test_progress_counts_every_episode(folder, monkeypatch):
    counted = []

    class Counter:
        def __init__(self, what, total, unit):
            counted[:] = [total, 0]

        def advance(self):
            counted[1] += 1

    monkeypatch.setattr(rollouts, "Progress", Counter)
    rules = ["sample", "mean_of_2"]
    rows, _ = evaluate([folder / f"policy-{step}.safetensors" for step in (10, 20)], [1, 2], 2, rules)
    assert counted == [len(rows), len(rows)]


def test_positions_are_those_of_the_last_file_by_the_first_rule_at_one_nfe(folder):
    files, rules = [folder / f"policy-{step}.safetensors" for step in (10, 20)], ["sample", "mean_of_2"]
    _, positions = evaluate(files, [2, 1], 2, rules, rollout_episodes=1)
    assert positions == evaluate(files[1:], [2], 2, ["sample"], rollout_episodes=1)[1]


def test_files_of_different_methods_are_named(folder, tmp_path):
    tensors, header = read_tensors(folder / "policy-20.safetensors", "gtp-policy", "")
    first, second, other = (
        folder / "policy-20.safetensors",
        folder / "policy-10.safetensors",
        tmp_path / "other",
    )
    write_tensors(other, tensors, header | {"label": "other"})
    with pytest.raises(UserError) as error:
        evaluate([first, other, second], [1], 1)
    assert str(error.value) == f"{other} and {first} differ in task or method; evaluate them apart"


def test_by_default_one_sample_acts_and_nothing_is_drawn(folder):
    policy = load_policy(folder / "policy-20.safetensors")
    steps = [2] if policy.algorithm.choosable_nfe else [1]
    assert settle(policy, [2], 1) == (steps, [policy.rule("sample")], steps[0])


def test_returns_are_sums_of_the_environments_rewards():
    """A policy that stands on the goal's doorstep: one reward, one step, success."""

    near = replace(MAZE, goal_cell=(1, 2), goal_radius=0.99)
    rows, _ = Rollouts(near, 8).run(Still(2), 1, SAMPLE)
    for row in rows:
        assert row.episode_return in (0.0, 1.0)
        assert row.success == int(row.episode_return)
        assert row.length == (1 if row.success and row.length == 1 else row.length)
    assert any(row.success for row in rows)
    far, _ = Rollouts(MAZE, 2).run(Still(2), 1, SAMPLE)
    assert [(r.episode_return, r.success, r.length) for r in far] == [(0.0, 0, 40)] * 2


def test_a_diverged_policy_is_a_row_of_its_own(folder):
    policy = load_policy(folder / "policy-20.safetensors")
    policy.diverged_at = 13
    rows, positions = Rollouts(MAZE, 2).run(policy, 5, SAMPLE)
    assert rows == [Episode(0, 20, 5, "sample", -1, None, None, None, None, "diverged@13")]
    assert positions == []


def test_acting_costs_the_same_after_a_divergence(folder, tmp_path):
    tensors, header = read_tensors(folder / "policy-20.safetensors", "gtp-policy", "")
    write_tensors(tmp_path / "policy-20.safetensors", tensors, header | {"diverged_at": [13, 14]})
    (rows,) = measure([(tmp_path / "policy-20.safetensors", folder / "run.json")], [1], [1])
    assert [row.value > 0 for row in rows if row.quantity == "seconds_per_action"] == [True] * ROUNDS


def test_csv_has_the_documented_columns(folder, tmp_path):
    rows, _ = evaluate([folder / "policy-20.safetensors"], [1], 1)
    write_rows(tmp_path / "scores.csv", Episode, rows)
    table = list(csv.reader((tmp_path / "scores.csv").open()))
    assert table[0] == [
        "seed",
        "step",
        "nfe",
        "acting",
        "episode",
        "return",
        "normalized_score",
        "success",
        "length",
        "status",
    ]
    assert len(table) == 3


def test_bad_requests(folder):
    policy = folder / "policy-20.safetensors"
    for nfe, episodes in (([0], 1), ([1], 0), ([], 1)):
        with pytest.raises(ValueError, match="episodes.*nfe"):
            evaluate([policy], nfe, episodes)
    with pytest.raises(UserError, match="none does not exist"):
        evaluate([policy.with_name("none")], [1], 1)
    with pytest.raises(ValueError, match="batch sizes"):
        measure([(policy, folder / "run.json")], [1], [0])
    with pytest.raises(ValueError, match="rollout episodes.*got 2"):
        evaluate([policy], [1], 1, rollout_episodes=2)
    assert evaluate([policy], [1], 1, rollout_episodes=1)[1]
    with pytest.raises(TypeError, match="positional"):
        evaluate([policy], [1], 1, None, 1)


def test_cost_rows(folder, tmp_path):
    rules = ["sample", "best_of_3"]
    subject = folder / "policy-20.safetensors", folder / "run.json"
    rows, again = measure([subject, subject], [1, 2], [1, 4], rules)
    assert [replace(row, value=0.0) for row in again] == [replace(row, value=0.0) for row in rows]
    generative = load_policy(folder / "policy-20.safetensors").algorithm.choosable_nfe
    ways = list(product([1, 2], rules)) if generative else [(1, "deterministic")]
    timed = [row for row in rows if row.quantity == "seconds_per_action"]
    assert [(row.nfe, row.acting, row.batch_size, row.repetition) for row in timed] == [
        (k, rule, b, r) for b in (1, 4) for k, rule in sorted(ways) for r in range(ROUNDS)
    ]
    evaluations = {(row.nfe, row.acting): row.value for row in rows if row.quantity == "network_evaluations"}
    if generative:
        expected = {(1, "sample"): 1, (2, "sample"): 2, (1, "best_of_3"): 6, (2, "best_of_3"): 9}
        assert evaluations == expected
    else:
        assert evaluations == {(1, "deterministic"): 1}
    assert all(row.value > 0 for row in timed)
    write_cost(tmp_path / "cost.csv", rows)
    assert (
        (tmp_path / "cost.csv")
        .read_text()
        .startswith("quantity,nfe,acting,batch_size,repetition,device,value\nparameters,,,,,cpu,")
    )
    with pytest.raises(UserError, match="training.csv.*train it again"):
        measure([(folder / "policy-20.safetensors", folder / "training.csv")], [1], [1])


def test_policies_are_timed_in_turn(folder, monkeypatch):
    """In every round each setting of the one stands beside that of the other."""
    seen = []

    def in_rounds(calls, rounds):
        seen.extend((call.func.__self__, *call.args[1:], len(call.args[0])) for call in calls)
        return [[1.0] * len(calls)] * rounds

    monkeypatch.setattr("gtp.evaluation.cost.seconds_in_rounds", in_rounds)
    subject = folder / "policy-20.safetensors", folder / "run.json"
    measure([subject, subject], [1, 2], [1, 4], ["sample", "best_of_3"])
    assert len({id(policy) for policy, *_ in seen}) == 2
    for (first, *setting), (second, *other) in zip(seen[::2], seen[1::2], strict=True):
        assert first is not second
        assert setting == other


def test_trajectories_of_a_gtp_policy_and_refusal_of_others(folder):
    policy, data = load_policy(folder / "policy-20.safetensors"), maze_transitions()
    if not isinstance(policy.algorithm, GTP):
        with pytest.raises(ValueError, match="choose a GTP method"):
            trajectories(policy, data, 4, 3)
        return
    points = trajectories(policy, data, samples=4, nfe=3)
    path = [p for p in points if p.kind == "path"]
    assert len(path) == 4 * (3 + 1)
    assert path[0].t == pytest.approx(policy.algorithm.t_start)
    assert path[-1].t == 0.0
    assert len({p.state for p in points}) == 1
    ends = endpoints(policy, data, samples=4, evaluations=(1, 3))
    assert [p.nfe for p in ends if p.kind == "action"] == [1] * 4 + [3] * 4
    last = [(p.a0, p.a1) for p in path[-4:]]
    assert [(p.x, p.y) for p in ends if p.nfe == 3] == last  # of the same noise
    (state,) = [p for p in ends if p.kind == "state"]
    assert (state.x, state.y) == tuple(data.observations[points[0].state, :2].tolist())


def test_divided_state_finds_the_junction():
    """Two clusters of states: in one all actions agree, in the other they go two ways."""
    data = maze_transitions()
    observations = np.zeros_like(data.observations)
    observations[100:, 0] = 5.0
    actions = np.full_like(data.actions, 0.5)
    actions[100::2] = -0.5
    data = replace(data, observations=observations, actions=actions, observation_std=np.ones(4, np.float32))
    row, near = divided_state(data)
    assert row >= 100
    assert (near >= 100).all()
    assert torch.from_numpy(actions[near]).std() > 0.4


@pytest.mark.parametrize(
    "change",
    [
        {"task": MAZE},  # three observations, not four
        {"action_high": np.float32([1, 2])},
    ],
)
def test_a_policy_for_another_environment_is_refused_before_any_episode(tmp_path, change):
    transitions = replace(maze_transitions() if "task" not in change else tiny_transitions(), **change)
    settings = {"output": tmp_path, "checkpoints": tmp_path / "checkpoints"}
    config = TrainConfig(steps=1, batch_size=16, hidden_size=16)
    execution = Execution(device="cpu", compile="off")
    train(algorithms.get("gaussian_bc")(), config, transitions, (0,), execution=execution, **settings)
    box = r"actions from \[-1.0, -1.0\] to \[1.0, [12].0\]"
    with pytest.raises(
        UserError, match=rf"was trained for .* {box}, and PointMaze_UMaze-v3 has observations Box"
    ) as e:
        evaluate([tmp_path / "policy-1.safetensors"], [1], 1)
    assert "\n" not in str(e.value)
