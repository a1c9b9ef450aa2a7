"""Every method that has code of its own compiles into one graph, and the graph computes what Python does.

A part that torch.compile cannot trace would otherwise run eagerly, silently and several times slower.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.interface import Batch
from gtp.config import TrainConfig
from gtp.randomness import draw_block
from gtp.studies.methods import load_methods
from gtp.training.learner import Learner
from gtp.training.samplers import Sampler, Steps, TransitionSampler, WindowSampler

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(steps=10, batch_size=8, hidden_size=8, hidden_layers=1)
METHODS = {
    name: method
    for name, method in load_methods(ROOT / "config/methods.yaml").items()
    if not method.weights_of and not method.size_of  # these run the code of another
}


def random_sampler(window: int, generator: torch.Generator) -> Sampler:
    """Twenty rows of noise, as transitions or as one episode to cut windows from."""

    def noise(*shape):
        return torch.rand(20, *shape, generator=generator)

    if not window:
        return TransitionSampler(Batch(noise(3), noise(2), noise(), noise(3), noise()))
    starts = torch.arange(21 - window)
    return WindowSampler(
        Steps(
            *(noise(3), noise(3), noise(2), noise(), torch.zeros(20)),
            *(noise(), torch.arange(20), noise(), starts),
        )
    )


def assert_update_stays_the_same(name: str) -> None:
    """Of each stage of a method, compiled as torch.compile is set to."""
    method = METHODS[name]
    algorithm = algorithms.get(method.algorithm)(**method.settings("locomotion"))
    generator = torch.Generator().manual_seed(0)
    sampler = random_sampler(algorithm.window, generator)
    rows = torch.randint(sampler.size, (2, CONFIG.batch_size), generator=generator)
    noise = draw_block(algorithm.draws(CONFIG.batch_size, 2), [0, 1], 0, torch.device("cpu"))
    draws = {name: values[0] for name, values in noise.items()}
    torch.compiler.reset()
    plain, traced = (
        Learner(algorithm, CONFIG, 3, 2, [0, 1], torch.device("cpu"), compiled=compiled)
        for compiled in (False, True)
    )
    for stage in plain.stages:
        for learner in (plain, traced):
            learner.start_at(stage)
        expected = plain.update(sampler, rows, draws)
        torch.testing.assert_close(traced.update(sampler, rows, draws), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(traced.state(), plain.state(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        name if name == method.algorithm else pytest.param(name, marks=pytest.mark.slow)  # a variant
        for name, method in METHODS.items()
    ],
)
def test_the_traced_update_is_the_update(name, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    assert_update_stays_the_same(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_compiled_update_is_the_update(name):
    """In a process of its own, for code that a compiler got wrong may end it."""
    command = f"from tests.unit.test_tracing import *; assert_update_stays_the_same({name!r})"
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)
