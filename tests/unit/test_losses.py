"""What holds of the losses of every method: numbers, draws that are used, critics asked inside the box."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm, bind
from gtp.networks import Sizes
from gtp.training.learner import initialise
from gtp.training.samplers import minibatch, sampler_for

from .training_fixtures import CONFIG, tiny_transitions

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
    "mbdpo": ({"size": "nano"}, {"size": "nano", "cloning": 0.5}),
}
"""Settings of which each has losses or draws of its own; of the other methods, the defaults alone."""
ACTING = ("consistency_ac", "ctm", "diffusion_ql", "fql", "gmpg", "gtp", "td3_bc")
"""Methods whose critic is asked about the policy's own actions; the others' values data alone."""


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


def first_step(algorithm: Algorithm, factor: float = 1.0):
    """Networks, batch and draws of a first step; the outputs of actors `factor` times as large."""
    generator = torch.Generator().manual_seed(0)
    modules, params = initialise(algorithm, Sizes(3, 2, 16, 2), [0], CPU)
    own = {name: {leaf: value[0] for leaf, value in leaves.items()} for name, leaves in params.items()}
    for name in {"actor", "actor_ema"} & set(own):
        own[name] |= {leaf: factor * value for leaf, value in own[name].items() if "output" in leaf}
    sampler = sampler_for(algorithm, tiny_transitions(), CONFIG, CPU)
    batch = minibatch(sampler.columns, torch.arange(16), algorithm.window)
    draws = {}
    for name, draw in algorithm.draws(16, 2).items():
        sample = torch.randn if draw.kind == "normal" else torch.rand
        draws[name] = sample(draw.shape, generator=generator)
    return bind(modules, own), batch, draws


@pytest.mark.parametrize("name", algorithms.names())
def test_losses_and_logs_are_numbers_and_every_draw_is_used(name):
    for algorithm in variants(name):
        networks, batch, draws = first_step(algorithm)
        recorded = Recorded(draws)
        for update in algorithm.updates():
            loss, logged, *_ = update.loss(networks, batch, recorded, START)
            for quantity, value in {"loss": loss, **logged}.items():
                assert value.shape == (), f"{quantity} of {algorithm}"
                assert value.isfinite(), f"{quantity} of {algorithm}"
        assert recorded.used == set(draws), algorithm


def asked_actions(algorithm: Algorithm, factor: float) -> list[torch.Tensor]:
    """The actions, other than the data's, that losses ask the critics about, call by call."""
    networks, batch, draws = first_step(algorithm, factor)
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
