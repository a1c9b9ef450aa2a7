"""What a method may ask of the learner beside one network, one Adam and one minibatch of transitions."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm, Average, Batch, Optimizer, Update, bind
from gtp.config import TaskSpec
from gtp.networks import Sizes
from gtp.policy import Policy
from gtp.training.learner import Learner, initialise
from gtp.training.samplers import TransitionSampler, sampler_for

from .training_fixtures import CONFIG, small_method, tiny_transitions

CPU = torch.device("cpu")
NOTHING = TransitionSampler(
    Batch(*(torch.zeros(4, 1) for _ in range(2)), *(torch.zeros(4) for _ in range(3)))
)


class Number(nn.Module):
    """One trainable number, and how often it was counted."""

    def __init__(self, value: float = 0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.register_buffer("count", torch.zeros(()))

    def forward(self) -> torch.Tensor:
        return self.value


class Plain(Algorithm):
    """What the methods of this file have in common: no data, no noise, nothing to act with."""

    choosable_nfe: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    acting_networks: ClassVar[tuple[str, ...]] = ()
    averages: ClassVar[tuple[Average, ...]] = ()

    def networks(self, sizes):
        return {"near": Number(1.0), "far": Number(3.0)}

    def draws(self, batch_size, action_size):
        return {}

    def updates(self):
        return ()

    def act(self, networks, obs, noise, nfe):
        return noise


@dataclass(frozen=True, kw_only=True)
class Joint(Plain):
    """Both numbers descend towards 0 under one optimiser; the second by half the step."""

    clip: float = 0.0
    epsilon: float = 1e-8

    def updates(self):
        optimizer = Optimizer(
            learning_rate=0.1, factors={"far": 0.5}, gradient_clip=self.clip, epsilon=self.epsilon
        )
        return (Update(("near", "far"), self.loss, optimizer=optimizer, label="both"),)

    def loss(self, networks, batch, draws, progress):
        return networks["near"]().square() + networks["far"]().square(), {}


@dataclass(frozen=True, kw_only=True)
class Delayed(Plain):
    """One number moves in every step, the other and the average of the first in every third."""

    averages: ClassVar[tuple[Average, ...]] = (Average("near", 0.5, 3), Average("far", 0.25))

    def updates(self):
        return (Update("near", self.towards("near")), Update("far", self.towards("far"), every=3))

    def towards(self, name):
        return lambda networks, batch, draws, progress: ((networks[name]() - 5.0).square(), {})


@dataclass(frozen=True, kw_only=True)
class Counting(Plain):
    """A loss that writes a buffer of its own network, and one of another that nothing trains."""

    def updates(self):
        return (Update("near", self.loss),)

    def loss(self, networks, batch, draws, progress):
        near = networks["near"]()
        return near.square(), {}, {"near": {"count": draws["steps"] + 1.0}, "far": {"count": near.detach()}}


@dataclass(frozen=True, kw_only=True)
class Vertical(Plain):
    """`near` has a finite loss, but at 0 an infinite slope; `far` an infinite loss of slope 1."""

    moved: str

    def updates(self):
        return (Update(self.moved, self.loss),)

    def loss(self, networks, batch, draws, progress):
        near, far = (networks[name]() for name in ("near", "far"))
        return (near - draws["zero"]).sqrt() if self.moved == "near" else far + draws["infinity"], {}


def learner(algorithm: Algorithm, compiled: bool = False) -> Learner:
    config = replace(CONFIG, steps=12, snapshots=1, learning_rate=0.1, ema_decay=0.9)
    return Learner(algorithm, config, 1, 1, [0, 1], CPU, compiled)


def advance(run: Learner, count: int, **draws) -> list[dict[str, float]]:
    """Take steps on an empty batch; the first seed's numbers after each."""
    history = []
    for _ in range(count):
        run.update(NOTHING, torch.zeros(len(run.seeds), 3, dtype=torch.int64), draws)
        history.append({name: leaves["value"][0].item() for name, leaves in run.params.items()})
    return history


def by_torch(start: float, steps: int, goal: float, rate: float, **settings) -> list[float]:
    """A number that follows (x - goal)^2 with torch's Adam."""
    x = torch.tensor(start, requires_grad=True)
    adam, values = torch.optim.Adam([x], lr=rate, **settings), []
    for _ in range(steps):
        adam.zero_grad()
        (x - goal).square().backward()
        adam.step()
        values.append(x.item())
    return values


def test_one_optimiser_moves_several_networks_each_by_its_own_step():
    history = advance(learner(Joint(epsilon=0.5)), 6)
    near = by_torch(1.0, 6, 0.0, 0.1, eps=0.5)
    far = by_torch(3.0, 6, 0.0, 0.05, eps=0.5)
    assert [row["near"] for row in history] == pytest.approx(near, abs=1e-5)
    assert [row["far"] for row in history] == pytest.approx(far, abs=1e-5)


def test_the_networks_of_an_update_share_one_clip_and_one_name_in_logs():
    run = learner(Joint(clip=1.0, epsilon=1.0))
    advance(run, 1)
    assert run.quantities == ["loss/both", "gradient_norm/both"]
    gradient = torch.tensor([2.0, 6.0])
    clipped = gradient / (gradient.norm() + 1e-6)
    step = 0.1 * torch.tensor([1.0, 0.5]) * clipped / (clipped + 1.0)  # Adam's first, epsilon 1
    moved = [run.params[name]["value"][0].item() for name in ("near", "far")]
    assert moved == pytest.approx((torch.tensor([1.0, 3.0]) - step).tolist(), abs=1e-6)


def test_an_update_may_run_in_every_third_step_only():
    history = advance(learner(Delayed()), 12)
    assert [row["near"] for row in history] == pytest.approx(by_torch(1.0, 12, 5.0, 0.1), abs=1e-5)
    slow = by_torch(3.0, 4, 5.0, 0.1)
    expected = [3.0] * 2 + [value for value in slow for _ in range(3)][:10]
    assert [row["far"] for row in history] == pytest.approx(expected, abs=1e-5)


def test_averages_have_their_own_decay_and_rhythm():
    rare, often = 1.0, 3.0
    for i, row in enumerate(advance(learner(Delayed()), 12), start=1):
        rare = rare + 0.5 * (row["near"] - rare) if i % 3 == 0 else rare
        often = often + 0.75 * (row["far"] - often)
        assert (row["near_ema"], row["far_ema"]) == pytest.approx((rare, often), abs=1e-6)


@pytest.mark.unmutated
def test_phases_compile_to_the_same_numbers():
    eager, compiled = advance(learner(Delayed()), 12), advance(learner(Delayed(), compiled=True), 12)
    assert [pytest.approx(row, abs=1e-5) for row in eager] == compiled


@pytest.mark.parametrize("taken", [4, 5, 6])
def test_phases_resume_to_the_same_bits(taken):
    straight, before, after = learner(Delayed()), learner(Delayed()), learner(Delayed())
    advance(straight, 12)
    advance(before, taken)
    after.load_state({name: value.clone() for name, value in before.state().items()})
    advance(after, 12 - taken)
    assert all(torch.equal(value, after.state()[name]) for name, value in straight.state().items())


def test_only_what_ran_is_logged():
    run = learner(Delayed())
    logged = []
    for _ in range(3):
        advance(run, 1)
        logged.append(run.quantities)
    assert logged[0] == logged[1] == ["loss/near", "gradient_norm/near"]
    assert logged[2] == ["loss/near", "gradient_norm/near", "loss/far", "gradient_norm/far"]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.unmutated)])
def test_buffers_take_what_a_loss_returns_and_no_gradient_moves_them(compiled):
    run = learner(Counting(), compiled)
    before = run.params["near"]["value"].clone()
    advance(run, 1, steps=torch.tensor([4.0, 7.0]))
    assert run.params["near"]["count"].tolist() == [5.0, 8.0]
    assert torch.equal(run.params["far"]["count"], before)
    assert "first/near/count" not in run.state()
    assert "params/near/count" in run.state()


def test_a_captured_update_takes_its_rows_and_draws_as_tensors(monkeypatch):
    """With a device that is a GPU by its name alone, and a capture that calls the function."""
    monkeypatch.setattr("gtp.training.learner.Captured", lambda function, inputs, state: function)
    run = learner(Counting())
    run.device = torch.device("cuda")
    advance(run, 1, steps=torch.tensor([4.0, 7.0]))
    assert run.params["near"]["count"].tolist() == [5.0, 8.0]


@pytest.mark.parametrize("moved", ["near", "far"])
def test_a_seed_diverges_by_its_loss_or_by_its_gradient_alone(moved):
    run = learner(Vertical(moved=moved))
    sound, infinite = torch.tensor([0.0, 0.0]), torch.tensor([0.0, math.inf])
    vertical = torch.tensor([0.0, run.params["near"]["value"][1].item()])  # sqrt(0) is 0, its slope is not
    advance(run, 1, zero=vertical, infinity=infinite)
    assert run.diverged_at.tolist() == [-1, 1]
    advance(run, 1, zero=sound, infinity=sound)
    assert run.diverged_at.tolist() == [-1, 1]  # the first time counts


def test_td3s_actor_may_be_delayed():
    td3 = algorithms.get("td3_bc")
    run = Learner(td3(policy_delay=2), CONFIG, 3, 2, [0], CPU, compiled=False)
    sampler = sampler_for(run.algorithm, tiny_transitions(), CONFIG, CPU)
    watched = {"actor": "output.bias", "actor_ema": "output.bias", "critic": "bias.0", "critic_ema": "bias.0"}
    moved = []
    for _, inputs in zip(range(4), run.inputs(sampler), strict=False):
        before = {name: run.params[name][leaf].clone() for name, leaf in watched.items()}
        run.update(sampler, *inputs)
        moved.append(
            [name for name in watched if not torch.equal(before[name], run.params[name][watched[name]])]
        )
    assert moved == [["critic"], list(watched)] * 2


@dataclass(frozen=True, kw_only=True)
class Remembering(Plain):
    """Acts with a tenth of the sum of what it saw, in each environment for itself."""

    has_memory: ClassVar[bool] = True

    def first_memory(self, batch_size, action_size):
        return {"sum": torch.zeros(batch_size, action_size)}

    def act_with_memory(self, networks, obs, noise, nfe, memory):
        total = memory["sum"] + obs
        return 0.1 * total, {"sum": total}


def remembering() -> Policy:
    one = torch.ones(1)
    return Policy(
        algorithm=Remembering(),
        modules={},
        params={},
        observation_mean=0 * one,
        observation_std=one,
        action_low=-one,
        action_high=one,
        task=TaskSpec(name="tiny", environment="Tiny-v0", max_episode_steps=10),
        label="it",
        seed=0,
        seeds=[0],
        step=1,
        diverged_at=None,
        reward_unit=1.0,
    )


def test_a_policy_remembers_for_each_environment_until_it_is_reset():
    policy, obs = remembering(), np.array([[1.0], [2.0]])
    policy.reset([0, 1])
    assert policy.act(obs).ravel().tolist() == pytest.approx([0.1, 0.2])
    assert policy.act(obs).ravel().tolist() == pytest.approx([0.2, 0.4])
    policy.reset([0, 1])
    assert policy.act(obs).ravel().tolist() == pytest.approx([0.1, 0.2])


def test_a_batch_of_another_size_is_of_other_episodes():
    policy = remembering()
    for _ in range(2):
        policy.act(np.ones((1, 1)))
    assert policy.act(np.array([[1.0], [2.0]])).ravel().tolist() == pytest.approx([0.1, 0.2])


def test_a_plan_cannot_be_averaged_over_samples():
    with pytest.raises(ValueError, match="take 'sample'"):
        remembering().act(np.zeros((1, 1)), acting="mean_of_4")


@pytest.mark.parametrize("name", algorithms.names())
def test_actions_of_every_method_lie_in_the_box_and_reach_its_edge(name):
    """Whatever an untrained network says: its outputs are made a thousand times as large, on either side."""
    algorithm = small_method(name)
    modules, params = initialise(algorithm, Sizes(3, 2, 16, 2), [0], CPU)
    first = {network: {leaf: value[0] for leaf, value in own.items()} for network, own in params.items()}
    sides = []
    for factor in (1e3, -1e3):
        side = dict(first)
        for network in {"actor_ema", "prior"} & set(first):
            side[network] = {
                leaf: factor * value if "output" in leaf else value for leaf, value in first[network].items()
            }
        sides.append(bind(modules, side))
    source = torch.Generator().manual_seed(0)
    obs = torch.randn(64, 3, generator=source)
    for nfe in (1, 3):
        noise = torch.randn(algorithm.noise_shape(64, 2, nfe), generator=source)
        act = torch.cat([algorithm.act(side, obs, noise, nfe) for side in sides])
        assert (act.min().item(), act.max().item()) == pytest.approx((-1.0, 1.0), abs=0.01)
        assert act.abs().max() <= 1.0


@pytest.mark.parametrize("name", [name for name in algorithms.names() if name != "mbdpo"])
def test_an_action_costs_as_many_evaluations_as_the_method_says(name):
    algorithm, calls = algorithms.get(name)(), []
    modules, params = initialise(algorithm, Sizes(3, 2, 16, 2), [0], CPU)
    first = {network: {leaf: value[0] for leaf, value in own.items()} for network, own in params.items()}

    def counted(network):
        return lambda *inputs: calls.append(network) or network(*inputs)

    networks = {network: counted(own) for network, own in bind(modules, first).items()}
    for nfe in (1, 3):
        calls.clear()
        algorithm.act(networks, torch.zeros(4, 3), torch.zeros(algorithm.noise_shape(4, 2, nfe)), nfe)
        assert len(calls) == algorithm.evaluations(nfe)


def above(kind: type) -> set[type]:
    """All classes between a class and Algorithm."""
    return {base for base in kind.__mro__[1:] if base.__module__.startswith("gtp.")} - {Algorithm}


@pytest.mark.parametrize("name", algorithms.names())
def test_a_method_is_final_and_inherits_along_one_line(name):
    method, methods = algorithms.get(name), {algorithms.get(other) for other in algorithms.names()}
    assert not above(method) & methods
    lines = [above(base) | {base} for base in method.__bases__]
    assert sum(map(len, lines)) == len(set().union(*lines)), "its bases meet in a diamond"
