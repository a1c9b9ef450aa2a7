"""Acting rules: what each does with a policy's samples, and a policy that counts its own steps."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gtp
from gtp import algorithms
from gtp.acting import DETERMINISTIC, ActingRule, applicable, choose_action, reason_against
from gtp.config import Execution, TaskSpec, TrainConfig
from gtp.envs.make import make_environment
from gtp.evaluation.rollouts import evaluate
from gtp.training.loop import train

from .test_evaluate import maze_transitions
from .training_fixtures import CONFIG, tiny_transitions

HOPPER = TaskSpec(name="hopper", environment="Hopper-v5", max_episode_steps=60)
B, M = 5, 3


class Echo:
    """A method whose action is its noise, and a critic that likes large first components."""

    stochastic, choosable_nfe, has_memory, critic = True, True, False, "critic_ema"

    def noise_shape(self, batch, size, nfe):
        return (batch, size)

    def evaluations(self, nfe):
        return nfe

    def act_with_memory(self, networks, obs, noise, nfe, memory):
        return noise, memory


def first_component(obs, act):
    """Heads of which the smaller is the action's first component."""
    return torch.stack([act[:, 0], act[:, 0] + 1.0])


def echoed(rule: str, noise: torch.Tensor, choice: torch.Tensor | None = None, unit: float = 1.0):
    """Actions (B, 2) of Echo for noise (B, M, 2)."""
    draws = {"samples": noise.flatten(end_dim=1), "choice": choice}
    networks = {"critic_ema": first_component}
    obs = torch.zeros(len(noise), 1)
    return choose_action(ActingRule.parse(rule), Echo(), networks, obs, draws, 1, unit)[0]


@pytest.mark.parametrize(
    ("name", "label", "samples", "evaluations"),
    [
        ("sample", "one sample", 1, 5),
        ("noise_0.5", "noise × 0.5", 1, 5),
        ("noise_0", "noise × 0", 1, 5),
        ("mean_of_2", "mean of 2", 2, 10),
        ("mean_of_16", "mean of 16", 16, 80),
        ("best_of_16", "best of 16", 16, 96),
        ("best_of_50_at_1", "softmax of 50 at 1", 50, 300),
        ("best_of_50_at_0.25", "softmax of 50 at 0.25", 50, 300),
        ("deterministic", "deterministic", 1, 5),
    ],
)
def test_names_and_costs(name, label, samples, evaluations):
    rule = ActingRule.parse(name)
    assert (rule.name, rule.label, rule.samples) == (name, label, samples)
    assert rule.evaluations(Echo(), 5) == evaluations


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "unknown acting rule 'best'; it is one of sample, noise_<factor>"),
        ("best_of_1", "needs at least 2 samples"),
        ("mean_of_0", "needs at least 2 samples"),
        ("noise_-1", "unknown acting rule"),
        ("best_of_4_at_0", "needs a positive temperature; 'best_of_4' has none"),
    ],
)
def test_names_of_no_rule(name, message):
    with pytest.raises(ValueError, match=message):
        ActingRule.parse(name)


def test_equal_rules_have_one_name():
    assert ActingRule.parse("noise_0.50") == ActingRule.parse("noise_0.5")


def test_one_sample_scaled_noise_mean_and_best():
    noise = torch.rand(B, M, 2) - 0.5  # within the box, to which actions are clamped
    assert torch.equal(echoed("sample", noise[:, :1]), noise[:, 0])
    assert torch.equal(echoed("noise_0.5", noise[:, :1]), 0.5 * noise[:, 0])
    torch.testing.assert_close(echoed("mean_of_3", noise), noise.mean(dim=1))
    best = noise[torch.arange(B), noise[..., 0].argmax(dim=1)]
    assert torch.equal(echoed("best_of_3", noise), best)


def test_samples_are_clipped_before_they_are_averaged_or_valued():
    noise = torch.tensor([[[5.0, 0.0], [0.0, -6.0], [-0.4, 0.0]]])
    assert echoed("mean_of_3", noise)[0].tolist() == pytest.approx([0.2, -1.0 / 3.0])
    assert echoed("best_of_3", noise)[0, 0].item() == 1.0


def test_a_temperature_draws_by_softmax_of_the_smaller_head_in_its_own_unit():
    count = 40_000
    values = torch.tensor([0.0, 0.5, -0.25])
    noise = values[None, :, None].expand(count, 3, 2)
    choice = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    for temperature, unit in ((1.0, 2.0), (0.25, 0.5)):
        chosen = echoed(f"best_of_3_at_{temperature:g}", noise, choice, unit)[:, 0]
        shares = [(chosen == value).float().mean().item() for value in values]
        assert shares == pytest.approx(torch.softmax(2.0 * values, dim=0).tolist(), abs=0.01)


def test_rewards_have_the_temperatures_unit_unless_another_is_named():
    noise = torch.rand(200, 3, 2) - 0.5
    draws = {"samples": noise.flatten(end_dim=1), "choice": torch.randn(200, 3)}
    rule, obs = ActingRule.parse("best_of_3_at_0.2"), torch.zeros(200, 1)
    chosen, _ = choose_action(rule, Echo(), {"critic_ema": first_component}, obs, draws, 1)
    assert torch.equal(chosen, echoed(rule.name, noise, draws["choice"], 1.0))
    assert not torch.equal(chosen, echoed(rule.name, noise, draws["choice"], 2.0))


def test_noise_is_taken_for_each_sample_and_for_a_choice_by_temperature():
    shapes = [ActingRule.parse(name).noise_shapes(Echo(), 2, 1) for name in ("best_of_3", "best_of_3_at_2")]
    assert shapes == [{"samples": (3, 2)}, {"samples": (3, 2), "choice": (3,)}]


def test_memory_holds_one_sample_and_the_best_needs_a_critic():
    class Planning(Echo):
        has_memory = True

    class Clone(Echo):
        critic = None

    names = ("deterministic", "sample", "mean_of_2", "best_of_2")
    for method, refused in (
        (Echo(), ("deterministic",)),
        (Planning(), ("deterministic", "mean_of_2", "best_of_2")),
        (Clone(), ("deterministic", "best_of_2")),
    ):
        reasons = [reason_against(ActingRule.parse(name), method) for name in names]
        assert tuple(name for name, reason in zip(names, reasons, strict=True) if reason) == refused


def test_extreme_noise_still_chooses():
    choice = torch.full((1, 3), -40.0)
    choice[0, 1] = 40.0
    noise = torch.tensor([[[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]]])
    assert echoed("best_of_3_at_1", noise, choice)[0, 0].item() == pytest.approx(0.2)


def test_applicable_rules_depend_on_noise_and_critic():
    rules = [ActingRule.parse(name) for name in ("sample", "best_of_4", "mean_of_4")]
    for name, expected in (
        ("gtp", ["sample", "best_of_4", "mean_of_4"]),
        ("diffusion_bc", ["sample", "mean_of_4"]),
        ("fql", ["sample", "best_of_4", "mean_of_4"]),
        ("iql", ["deterministic"]),
        ("gaussian_bc", ["deterministic"]),
    ):
        assert [rule.name for rule in applicable(rules, algorithms.get(name)())] == expected
    assert applicable([DETERMINISTIC], algorithms.get("gtp")()) == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Policy files of short trainings, by method."""
    files = {}
    for method in ("gtp", "diffusion_bc", "consistency_ac", "iql"):
        folder = tmp_path_factory.mktemp(method)
        execution = Execution(device="cpu", compile="off")
        arguments = {"output": folder, "checkpoints": folder / "checkpoints", "execution": execution}
        train(algorithms.get(method)(), CONFIG, tiny_transitions(), (0,), **arguments)
        files[method] = folder / "policy-120.safetensors"
    return files


def test_a_policy_file_carries_the_critic_where_there_is_one(runs):
    for method, networks in (
        ("gtp", {"actor_ema", "critic_ema"}),
        ("consistency_ac", {"actor_ema", "critic_ema"}),
        ("diffusion_bc", {"actor_ema"}),
    ):
        assert set(gtp.load_policy(runs[method]).params) == networks


def test_the_best_of_several_samples_is_the_one_that_the_critic_values_most(runs):
    policy = gtp.load_policy(runs["gtp"])
    obs = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    network = gtp.policy.bind(policy.modules, policy.params)["critic_ema"]

    def value(action):
        return network(policy.normalize(torch.from_numpy(obs)), torch.from_numpy(action)).amin(dim=0)

    with torch.inference_mode():
        best, one = (value(policy.act(obs, acting=rule)) for rule in ("best_of_32", "sample"))
    assert (best > one).all()


@pytest.mark.parametrize("method", ["gtp", "consistency_ac"])
def test_the_noise_of_an_episode_does_not_depend_on_its_neighbours(runs, method):
    policy = gtp.load_policy(runs[method])
    obs = np.zeros((3, 3), dtype=np.float32)
    for rule in ("sample", "mean_of_4", "best_of_4_at_1"):
        policy.reset([5, 6, 7])
        together = [policy.act(obs, nfe=2, acting=rule)[1] for _ in range(3)]
        policy.reset(6)
        alone = [policy.act(obs[0], nfe=2, acting=rule) for _ in range(3)]
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_each_call_takes_noise_of_its_own_and_reset_begins_anew(runs):
    policy = gtp.load_policy(runs["gtp"])
    first, second = policy.act(np.zeros(3)), policy.act(np.zeros(3))
    assert not np.array_equal(first, second)
    policy.reset()
    assert np.array_equal(policy.act(np.zeros(3)), first)
    policy.reset(1)
    assert not np.array_equal(policy.act(np.zeros(3)), first)


def test_rules_that_a_method_cannot_follow_are_refused_or_replaced(runs):
    clone, deterministic = gtp.load_policy(runs["diffusion_bc"]), gtp.load_policy(runs["iql"])
    with pytest.raises(ValueError, match="'best_of_4'.*take 'sample'"):
        clone.act(np.zeros(3), acting="best_of_4")
    actions = [deterministic.act(np.zeros(3), acting=rule) for rule in ("sample", "best_of_4")]
    assert np.array_equal(*actions)


@pytest.fixture(scope="module")
def hopper_policy(tmp_path_factory):
    """A policy for the real hopper, hardly trained: what it does depends on every draw of noise."""
    folder, data = tmp_path_factory.mktemp("hopper"), maze_transitions()
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((len(data), 11)).astype(np.float32)
    actions = rng.uniform(-1, 1, (len(data), 3)).astype(np.float32)
    data = replace(
        data,
        observations=observations,
        next_observations=observations,
        actions=actions,
        observation_mean=observations.mean(axis=0),
        observation_std=observations.std(axis=0),
        action_low=-np.ones(3, np.float32),
        action_high=np.ones(3, np.float32),
        task=HOPPER,
    )
    config = TrainConfig(steps=20, batch_size=16, hidden_size=16)
    execution = Execution(device="cpu", compile="off")
    arguments = {"output": folder, "checkpoints": folder / "checkpoints", "execution": execution}
    train(algorithms.get("gtp")(), config, data, (3,), **arguments)
    return folder / "policy-20.safetensors"


@pytest.mark.parametrize("rule", ["sample", "best_of_4"])
def test_a_control_loop_reproduces_the_evaluation_to_the_digit(hopper_policy, rule):
    """The loop that a user would write; one environment at a time, as it is evaluated with one episode."""
    (row,), _ = evaluate([hopper_policy], [2], 1, [rule])
    policy = gtp.load_policy(hopper_policy, seed=3)
    environment = make_environment(policy.task)
    obs, _ = environment.reset(seed=policy.start_seed(0))
    policy.reset(0)
    total, over = 0.0, False
    while not over:
        obs, reward, terminated, truncated, _ = environment.step(policy.act(obs, nfe=2, acting=rule))
        total, over = total + reward, terminated or truncated
    assert total == row.episode_return
    assert policy.actions_taken == row.length


def test_the_loop_of_the_readme_runs_as_printed_and_gives_the_score_of_the_table(
    hopper_policy, capsys, monkeypatch, tmp_path
):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (loop,) = [part.partition("```")[0] for part in readme.split("```python\n")[1:] if "policy.act(" in part]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    shutil.copy(hopper_policy, "run/policy-2000.safetensors")
    assert "seed=1)" in loop
    exec(loop.replace("seed=1)", "seed=3)").replace("range(20)", "range(1)"), {})
    (row,), _ = evaluate([hopper_policy], [2], 1, ["sample"])
    assert capsys.readouterr().out == f"score {row.normalized_score:.1f} over 1 episodes\n"


def test_every_rule_is_a_row_of_its_own(hopper_policy):
    rows, _ = evaluate([hopper_policy], [1, 2], 2, ["sample", "best_of_4"])
    ways = [(k, rule, i) for k in (1, 2) for rule in ("sample", "best_of_4") for i in (0, 1)]
    assert [(r.nfe, r.acting, r.episode) for r in rows] == ways
    assert len({r.episode_return for r in rows}) == len(rows)
    for rules, message in (
        (["sample", "sample"], "acting names a rule twice"),
        (["deterministic"], "can act by none of deterministic; add 'sample'"),
        (["greedy"], "unknown acting rule 'greedy'"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate([hopper_policy], [1], 1, rules)
