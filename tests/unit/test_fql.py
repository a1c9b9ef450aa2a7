"""FQL against its equations written out for one batch."""

import pytest
import torch

from gtp.algorithms.fql import FQL
from gtp.networks import time_features

from .one_step import START, make, receivers


def test_flow_learns_the_velocity_of_straight_lines():
    algorithm = FQL()
    networks, batch, draws = make(algorithm)
    z, t = draws["noise"], draws["times"]
    x = (1.0 - t)[:, None] * batch.act + t[:, None] * z
    predicted = networks["flow"](batch.obs, x, time_features(t))
    loss, _ = algorithm.flow_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, ((predicted - (z - batch.act)) ** 2).mean())
    assert receivers(loss, networks) == {"flow"}


def test_distillation_starts_flow_and_actor_from_the_same_noise():
    algorithm = FQL(alpha=3.0, flow_steps=4)
    networks, batch, draws = make(algorithm)
    with torch.no_grad():
        networks["actor"].output.weight *= 8.0  # some actions outside the box
    z = draws["own_actions"]
    x = z
    for i in range(4):
        t = torch.full((len(z),), 1.0 - i / 4)
        x = x - networks["flow"](batch.obs, x, time_features(t.double())) / 4
    act = networks["actor"](batch.obs, z)
    assert (act.abs() > 1.0).any()
    q = networks["critic"](batch.obs, act.clip(-1.0, 1.0))
    expected = 3.0 * ((act - x.clip(-1.0, 1.0)) ** 2).mean() - 0.5 * (q[0] + q[1]).mean()
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    assert "flow" not in receivers(loss, networks)  # the teacher stands still


@pytest.mark.parametrize("aggregate", ["mean", "min"])
def test_critic_target(aggregate):
    algorithm = FQL(aggregate=aggregate)
    networks, batch, draws = make(algorithm)
    act = networks["actor_ema"](batch.next_obs, draws["next_actions"]).clip(-1.0, 1.0)
    next_q = networks["critic_ema"](batch.next_obs, act)
    next_value = 0.5 * (next_q[0] + next_q[1]) if aggregate == "mean" else torch.minimum(*next_q)
    y = batch.rew + batch.discount * next_value
    q = networks["critic"](batch.obs, batch.act)
    expected = ((q[0] - y) ** 2).mean() + ((q[1] - y) ** 2).mean()
    loss, _ = algorithm.critic_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    assert receivers(loss, networks) == {"critic"}


def test_normalised_q_term_is_minus_one_where_q_is_positive():
    algorithm = FQL(alpha=0.0, normalize_q=True)
    networks, batch, draws = make(algorithm)
    with torch.no_grad():
        networks["critic"].bias[-1].fill_(50.0)
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    assert loss.item() == pytest.approx(-1.0)
    assert "actor" in receivers(loss, networks)  # the divisor has no gradient that would cancel Q's


def test_the_divisor_of_the_q_term_is_the_mean_magnitude_over_states():
    """Of the mean of both heads, which is above 0 in some states and below in others."""
    algorithm = FQL(alpha=0.0, normalize_q=True)
    networks, batch, draws = make(algorithm)
    with torch.no_grad():
        act = networks["actor"](batch.obs, draws["own_actions"]).clip(-1.0, 1.0)
        networks["critic"].bias[-1] -= networks["critic"](batch.obs, act).mean() - 0.02
        q = networks["critic"](batch.obs, act).mean(dim=0)
    assert q.min() < 0.0 < q.max()
    loss, _ = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, -q.mean() / q.abs().mean())


def test_acting_takes_one_evaluation_whatever_the_number_asked_for():
    algorithm = FQL()
    networks, batch, draws = make(algorithm)
    noise = 100.0 * draws["noise"]
    actions = [algorithm.act(networks, batch.obs, noise, nfe) for nfe in (1, 8)]
    assert torch.equal(*actions)
    assert actions[0].abs().max() <= 1.0


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"flow_steps": 0}])
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FQL(**wrong)
