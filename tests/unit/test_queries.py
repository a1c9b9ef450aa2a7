"""A policy acts only where it was trained: phi is asked for (t, s) among those that its losses fit."""

from pathlib import Path

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.common.interface import Batch
from gtp.algorithms.common.solution_map_policy import SolutionMapPolicy
from gtp.networks import Sizes
from gtp.studies.methods import load_methods

from .one_step import sample

METHODS = load_methods(Path(__file__).parents[2] / "config" / "methods.yaml")
SOLUTION_MAPS = [
    name for name, m in METHODS.items() if issubclass(algorithms.get(m.algorithm), SolutionMapPolicy)
]
SIZES, B = Sizes(observation=3, action=2, hidden=8, layers=1), 200_000


class Recorder:
    """Stands in for SolutionMapPolicy.phi: keeps the times that the maps of each network are asked for."""

    def __init__(self, algorithm, networks):
        self.original, self.algorithm = SolutionMapPolicy.phi, algorithm
        self.names = {id(network): name for name, network in networks.items()}
        self.asked = {"actor": [], "actor_ema": []}

    def phi(self, actor, obs):
        inner, record = self.original(self.algorithm, actor, obs), self.asked[self.names[id(actor)]]

        def phi(x, t, s):
            record.append(torch.stack([t, s], dim=1))
            return inner(x, t, s)

        return phi

    def coordinates(self, name):
        """Where a network's maps were asked, (N, 2): the logarithms of t and s, with a place for 0 apart."""
        floor = 0.5 * self.algorithm.t_min
        times = torch.cat(self.asked[name]).double().clamp(min=floor)
        return times.log().mul(100).round().unique(dim=0) / 100


def outside(name: str, monkeypatch, **changes) -> torch.Tensor:
    """The questions of targets and of acting that lie outside what training fits, as (log t, log s)."""
    method = METHODS[name]
    algorithm = algorithms.get(method.algorithm)(**{**method.set, **changes})
    torch.manual_seed(0)
    networks = algorithm.networks(SIZES)
    for average in algorithm.averages:
        networks[f"{average.network}_ema"] = algorithm.networks(SIZES)[average.network]
    recorder = Recorder(algorithm, networks)
    monkeypatch.setattr(SolutionMapPolicy, "phi", lambda self, actor, obs: recorder.phi(actor, obs))
    draws = {key: sample(draw) for key, draw in algorithm.draws(B, 2).items()}
    batch = bandit_batch()
    with torch.no_grad():
        algorithm.actor_loss(networks, batch, draws, torch.tensor(0.0))
        if algorithm.guided:
            algorithm.critic_loss(networks, batch, draws, torch.tensor(0.0))
        for nfe in range(1, 9):
            algorithm.act(networks, torch.zeros(4, 3), torch.randn(4, 2), nfe)
    fitted, asked = (recorder.coordinates(network) for network in ("actor", "actor_ema"))
    distance = torch.stack([(fitted - point).abs().amax(dim=1).min() for point in asked])
    return asked[distance > half_spacing(algorithm)]


def half_spacing(algorithm) -> float:
    """Half of the widest spacing of the training grid between T and 0, on a logarithmic scale."""
    points = algorithm.grid_points
    inner = algorithm.time_scale.on_grid(torch.arange(1, points, dtype=torch.float64), points)
    return 0.5 * float(inner.log().diff().abs().max()) + 0.02  # times are rounded to a hundredth


def bandit_batch():
    """Transitions that end at once, with random actions."""
    return Batch(
        obs=torch.zeros(B, 3),
        act=torch.rand(B, 2) * 2 - 1,
        rew=torch.rand(B),
        next_obs=torch.zeros(B, 3),
        discount=torch.zeros(B),
    )


@pytest.mark.parametrize("name", SOLUTION_MAPS)
def test_acting_and_targets_ask_only_for_what_training_fits(name, monkeypatch):
    unfitted = outside(name, monkeypatch)
    assert not len(unfitted), f"(log t, log s): {unfitted[:5].tolist()}"


@pytest.mark.parametrize("name", ["gtp-no_consistency", "gtp-tau_zero"])
def test_jumps_that_nothing_fits_would_be_noticed(name, monkeypatch):
    monkeypatch.setattr(algorithms.get("gtp"), "fitted", lambda self, phi: phi)
    assert len(outside(name, monkeypatch))
