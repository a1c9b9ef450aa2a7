"""GMPO against its equations written out for one batch."""

import math

import pytest
import torch

from gtp.algorithms.common.flow_model import FlowModel
from gtp.algorithms.gmpo import GMPO
from gtp.generative.gaussian_paths import PATHS
from gtp.networks import time_features

from .one_step import START, B, make, receivers

each_path = pytest.mark.parametrize("path", PATHS)


def schedule(path: str, t: float) -> tuple[float, float, float, float]:
    """alpha, sigma and their slopes at one time."""
    if path == "linear":
        return 1.0 - t, t, -1.0, 1.0
    if path == "gvp":
        angle = math.pi * t / 2
        return math.cos(angle), math.sin(angle), -math.pi / 2 * math.sin(angle), math.pi / 2 * math.cos(angle)
    alpha = math.exp(-19.9 * t**2 / 4 - 0.1 * t / 2)
    slope = -(0.1 + 19.9 * t) / 2 * alpha
    return alpha, math.sqrt(1 - alpha**2), slope, -alpha * slope / math.sqrt(1 - alpha**2)


@each_path
def test_actor_loss_is_weighted_matching(path):
    algorithm = GMPO(path=path, beta=3.0, max_weight=1.05)
    networks, batch, draws = make(algorithm)
    with torch.no_grad():  # V amid the values of the actions: some weights are clipped, others are not
        q = networks["critic_ema"](batch.obs, batch.act).min(dim=0).values
        networks["value"].output.bias += (q - networks["value"](batch.obs)).median()
    expected, weights = 0.0, []
    for i in range(B):
        t = draws["times"][i].item()
        alpha, sigma, alpha_slope, sigma_slope = schedule(path, t)
        act, noise, obs = batch.act[i], draws["noise"][i], batch.obs[i : i + 1]
        features = time_features(draws["times"][i : i + 1])
        v = networks["actor"](obs, (alpha * act + sigma * noise)[None], features)[0]
        error = ((v - alpha_slope * act - sigma_slope * noise) ** 2).sum() / 2
        q = networks["critic_ema"](obs, act[None]).min()
        weights.append(min(math.exp(3.0 * (q - networks["value"](obs)[0]).item()), 1.05))
        expected += weights[-1] * error / B
    assert 1.05 in weights
    assert min(weights) < 1.0
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    assert logged["weight/mean"].item() == pytest.approx(sum(weights) / B)
    assert receivers(loss, networks) == {"actor"}


@each_path
def test_beta_0_is_plain_matching_to_the_bit(path):
    algorithm = GMPO(path=path, beta=0.0)
    networks, batch, draws = make(algorithm)
    plain = algorithm.model.matching_error(networks["actor"], batch.obs, batch.act, draws).mean()
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    assert torch.equal(loss, plain)
    weight = networks["actor"].output.weight
    slopes = [torch.autograd.grad(value, weight)[0] for value in (loss, plain)]
    assert torch.equal(*slopes)


@each_path
def test_one_point_data(path):
    """With a single action the exact velocity is known: its loss is 0, and the sampler returns the action."""
    action = torch.tensor([[0.4, -0.7]], dtype=torch.float64)
    probability_path = PATHS[path]

    class Exact(FlowModel):
        def velocity(self, network, obs):
            def field(x, t):
                act = action.expand_as(x)
                return probability_path.velocity(act, probability_path.noise_from_act(x, act, t), t)

            return field

    class ExactGMPO(GMPO):
        @property
        def model(self):
            return Exact(self.path, self.solver)

    algorithm = ExactGMPO(path=path)
    networks, batch, draws = make(algorithm)
    batch = batch._replace(act=action.expand(B, 2))
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    assert loss.item() == pytest.approx(0.0, abs=1e-20)
    for nfe in (1, 2, 5):
        act = algorithm.act(networks, batch.obs, draws["noise"], nfe)
        torch.testing.assert_close(act, batch.act)


@pytest.mark.parametrize("solver", ["ddim", "euler"])
def test_acting_takes_as_many_evaluations_as_asked_for(solver):
    algorithm = GMPO(solver=solver)
    networks, batch, draws = make(algorithm)
    calls, actor = [], networks["actor_ema"]
    counting = {"actor_ema": lambda *inputs: calls.append(1) or actor(*inputs)}
    actions = {}
    for nfe in (1, 2, 5):
        calls.clear()
        actions[nfe] = algorithm.act(counting, batch.obs, 3.0 * draws["noise"], nfe)
        assert len(calls) == nfe
        assert actions[nfe].abs().max() <= 1.0
    assert not torch.equal(actions[2], actions[5])


def test_an_euler_step_by_hand():
    algorithm = GMPO(path="gvp", solver="euler")
    networks, batch, draws = make(algorithm)
    z, one = draws["noise"], torch.ones(B, dtype=torch.float64)
    x = z - 0.5 * networks["actor_ema"](batch.obs, z, time_features(one))
    x = x - 0.5 * networks["actor_ema"](batch.obs, x, time_features(0.5 * one))
    torch.testing.assert_close(algorithm.act(networks, batch.obs, z, 2), x.clip(-1.0, 1.0))


@pytest.mark.parametrize("wrong", [{"expectile": 1.0}, {"beta": -1.0}, {"max_weight": 0.0}])
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GMPO(**wrong)
