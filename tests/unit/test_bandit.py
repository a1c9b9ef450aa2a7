"""A bandit with a known answer, for every method: two equally frequent modes of which one is rewarded.

A method that uses rewards must find the rewarded mode. One that clones must keep both, unless its policy has
one mode only: then its action lies between them, where no data are.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.interface import Batch
from gtp.config import TrainConfig
from gtp.randomness import generator
from gtp.studies.methods import load_methods
from gtp.training.learner import Learner
from gtp.training.samplers import Sampler, Steps, TransitionSampler, WindowSampler

METHODS = load_methods(Path(__file__).parents[2] / "config" / "methods.yaml")
RIVALS = list({method.algorithm: name for name, method in reversed(METHODS.items())}.values())
QUICK = ("gtp", "iql", "td3_bc", "fql")
"""Methods that learn the bandit in less than half a minute; the others are tests for make test-slow."""
SEED, SIZE, SAMPLES, CPU = 0, 4000, 400, torch.device("cpu")
MODES = torch.tensor([[-0.5, -0.5], [0.5, 0.5]])
CONFIG = TrainConfig(steps=800, batch_size=64, hidden_size=32, hidden_layers=2, learning_rate=3e-3)


def bandit() -> Batch:
    """One state, one step: the second mode is worth 10, the first 0."""
    rng = generator(SEED, "bandit")
    mode = torch.randint(2, (SIZE,), generator=rng)
    act = MODES[mode] + 0.05 * torch.randn(SIZE, 2, generator=rng)
    state, nothing = torch.zeros(SIZE, 1), torch.zeros(SIZE)
    return Batch(obs=state, act=act, rew=10.0 * mode, next_obs=state, discount=nothing)


def sampler_of(data: Batch, window: int) -> Sampler:
    """The bandit's episodes of one step, as transitions or as windows of that step."""
    if not window:
        return TransitionSampler(data)
    rows, ones = torch.arange(SIZE), torch.ones(SIZE)
    return WindowSampler(
        Steps(data.obs, data.next_obs, data.act, data.rew, ones, data.rew, rows, data.discount, rows)
    )


@cache
def actions(name: str) -> torch.Tensor:
    """Actions (SAMPLES, 2) of a method of config/methods.yaml after a short training."""
    method = METHODS[name]
    algorithm = algorithms.get(method.algorithm)(**method.set)
    if algorithm.window:
        algorithm = replace(algorithm, horizon=1)
    learner = Learner(algorithm, CONFIG, 1, 2, [SEED], CPU, compiled=False)
    sampler = sampler_of(bandit(), algorithm.window)
    inputs = learner.inputs(sampler)
    for _ in range(CONFIG.steps):
        learner.update(sampler, *next(inputs))
    shape = algorithm.noise_shape(SAMPLES, 2, 5)
    with torch.inference_mode():
        networks, states = learner.networks(), torch.zeros(SAMPLES, 1)
        return algorithm.act(networks, states, torch.randn(shape, generator=generator(SEED, "acting")), 5)


def share_of_good_mode(name: str) -> float:
    """Share of a method's actions that are nearer to the rewarded mode."""
    return (torch.cdist(actions(name), MODES).argmin(dim=1) == 1).float().mean().item()


def test_every_algorithm_has_an_entry():
    assert {METHODS[name].algorithm for name in RIVALS} == set(algorithms.names())


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in RIVALS
        if METHODS[name].group == "rl"
    ],
)
def test_methods_that_use_rewards_find_the_good_mode(name):
    assert share_of_good_mode(name) > 0.6


@pytest.mark.parametrize(
    "name", [name for name in RIVALS if METHODS[name].group == "cloning" and METHODS[name].choosable_nfe]
)
def test_generative_cloning_keeps_both_modes(name):
    assert 0.25 < share_of_good_mode(name) < 0.75


@pytest.mark.parametrize(
    "name", [name for name in RIVALS if METHODS[name].group == "cloning" and not METHODS[name].choosable_nfe]
)
def test_gaussian_cloning_acts_where_no_data_are(name):
    assert torch.cdist(actions(name), MODES).min() > 0.5
