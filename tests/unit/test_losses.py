"""What holds of the losses of every method: numbers, draws that are used, critics asked inside the box."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm, bind
from gtp.networks import Sizes
from gtp.training.learner import initialise

from .one_step import tiny_step

CPU = torch.device("cpu")
START = torch.zeros(())
"""Progress at the first step."""
VARIANTS = {
    "consistency_ac": ({}, {"max_q_samples": 2, "q_norm": True}),
    "ctm": ({}, {"value": "policy_samples"}, {"eta": 0.0, "value": "policy_samples"}),
    "fql": ({}, {"normalize_q": True}),
    "gtp": (
        {},
        {"value": "policy_samples", "max_q_samples": 2},
        {"value": "policy_samples", "guidance": "linear_q"},
        {"eta": 0.0, "value": "policy_samples"},
        {"eta": 0.0, "train_critic": True},
        {"consistency": "shortcut"},
        {"score": "ode_solver", "pairs": "uniform"},
    ),
    "mbdpo": ({"size": "nano"}, {"size": "nano", "cloning": 0.5}, {"size": "small"}),
}
"""Settings of which each has losses or draws of its own; of the other methods, the defaults alone."""
ACTING = ("consistency_ac", "ctm", "diffusion_ql", "fql", "gmpg", "gtp", "td3_bc")
"""Methods whose critic is asked about the policy's own actions; the others' values data alone."""
THROUGH = {("ctm", "actor"), ("gmpg", "actor")}


@dataclass
class Recorded(Mapping):
    """Draws that remember which of them were looked at."""

    draws: dict[str, torch.Tensor]
    used: set[str] = field(default_factory=set)

    def __getitem__(self, name):
        self.used.add(name)
        return self.draws[name]

    def __iter__(self):
        return iter(self.draws)

    def __len__(self):
        return len(self.draws)


def variants(name: str) -> list[Algorithm]:
    return [algorithms.get(name)(**settings) for settings in VARIANTS.get(name, ({},))]


def first_step(algorithm: Algorithm, factor: float = 1.0, silent: str = ""):
    """Networks that are nowhere 0, batch and draws of a step.

    The outputs of actors are `factor` times as large; those of the network `silent` and its average are 0.
    """
    generator = torch.Generator().manual_seed(0)
    modules, params = initialise(algorithm, Sizes(3, 2, 16, 2), [0], CPU)
    own = {name: {leaf: value[0] for leaf, value in leaves.items()} for name, leaves in params.items()}
    for name, leaves in own.items():
        for leaf, _ in modules[name.removesuffix("_ema")].named_parameters():
            noise = 0.1 * torch.randn(leaves[leaf].shape, generator=generator)
            leaves[leaf] = (leaves[leaf] + noise) * (name.removesuffix("_ema") != silent)
    for name in {"actor", "actor_ema"} & set(own):
        own[name] |= {leaf: factor * value for leaf, value in own[name].items() if "output" in leaf}
    for leaves in own.values():
        for leaf in leaves.values():
            leaf.requires_grad_()
    batch, draws = tiny_step(algorithm, generator)
    return bind(modules, own), batch, draws, own


@pytest.mark.parametrize("name", algorithms.names())
def test_losses_and_logs_are_numbers_and_every_draw_is_used(name):
    for algorithm in variants(name):
        networks, batch, draws, _ = first_step(algorithm)
        recorded = Recorded(draws)
        for update in algorithm.updates():
            loss, logged, *_ = update.loss(networks, batch, recorded, START)
            for quantity, value in {"loss": loss, **logged}.items():
                assert value.shape == (), f"{quantity} of {algorithm}"
                assert value.isfinite(), f"{quantity} of {algorithm}"
        assert recorded.used == set(draws), algorithm


def outcome(algorithm: Algorithm, networks, batch, draws) -> list[float]:
    """The losses of a step, and what is logged beside them: a small term is lost in a large sum."""
    results = [update.loss(networks, batch, draws, START)[:2] for update in algorithm.updates()]
    return [value.item() for loss, logged in results for value in (loss, *logged.values())]


@pytest.mark.parametrize("name", algorithms.names())
def test_no_more_is_drawn_than_what_a_loss_depends_on(name):
    """For each row of a draw along its axes but the batch, in one of the variants at least."""
    counts = {}
    for algorithm in variants(name):
        networks, batch, draws, _ = first_step(algorithm)
        before = outcome(algorithm, networks, batch, draws)
        for draw, values in draws.items():
            axes = [axis for axis, size in enumerate(values.shape) if size != 16]
            for axis, i, other in product(axes, range(4), (0.0, 0.999)):
                if i >= values.shape[axis] or counts.get((draw, axis, i)):
                    continue
                changed = draws | {draw: values.index_fill(axis, torch.tensor(i), other)}
                counts[draw, axis, i] = outcome(algorithm, networks, batch, changed) != before
    assert not [row for row, counted in counts.items() if not counted]


@pytest.mark.parametrize("name", algorithms.names())
def test_no_loss_sends_a_gradient_into_an_average(name):
    """But for those in which an action of the actor's own goes on through one."""
    for algorithm in variants(name):
        networks, batch, draws, own = first_step(algorithm)
        averages = [leaf for network, leaves in own.items() if "_ema" in network for leaf in leaves.values()]
        for update in algorithm.updates():
            if (name, update.name) in THROUGH:
                continue
            loss = update.loss(networks, batch, draws, START)[0]
            slopes = torch.autograd.grad(loss, averages, allow_unused=True)
            assert not any(slope is not None and slope.any() for slope in slopes), update.name


@pytest.mark.parametrize("name", ACTING)
def test_a_critic_that_says_0_everywhere_divides_nothing(name):
    for algorithm in variants(name):
        networks, batch, draws, own = first_step(algorithm, silent="critic")
        for update in algorithm.updates():
            loss = update.loss(networks, batch, draws, START)[0]
            leaves = [leaf for network in update.moved for leaf in own[network].values()]
            slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
            for value in (loss, *slopes):
                assert value is None or value.isfinite().all(), update.name


def asked_actions(algorithm: Algorithm, factor: float) -> list[torch.Tensor]:
    """The actions, other than the data's, that losses ask the critics about, call by call."""
    networks, batch, draws, _ = first_step(algorithm, factor)
    asked = []

    def spy(critic):
        def ask(obs, act):
            if act is not batch.act:
                asked.append(act)
            return critic(obs, act)

        return ask

    for name in {"critic", "critic_ema"} & set(networks):
        networks[name] = spy(networks[name])
    for update in algorithm.updates():
        update.loss(networks, batch, draws, START)
    return asked


@pytest.mark.parametrize("name", ACTING)
def test_critics_are_asked_about_actions_inside_the_box(name):
    """Of actors that answer far outside on either side."""
    for algorithm in variants(name):
        sides = [asked_actions(algorithm, factor) for factor in (1e3, -1e3)]
        assert bool(sides[0]) == (algorithm.critic is not None)
        for act in map(torch.cat, zip(*sides, strict=True)):
            assert (act.min(), act.max()) == (-1.0, 1.0), algorithm
