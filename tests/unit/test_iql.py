"""IQL against its equations written out for one batch."""

import math

import pytest
import torch

from gtp.algorithms.common.critics import value_target
from gtp.algorithms.iql import IQL

from .one_step import START, make, receivers


def make_with_both_signs(algorithm):
    """A step in which V lies amid the values of the actions, so that advantages have both signs."""
    networks, batch, draws = make(algorithm)
    with torch.no_grad():
        q = networks["critic_ema"](batch.obs, batch.act).amin(dim=0)
        networks["value"].output.bias += (q - networks["value"](batch.obs)).median()
    return networks, batch, draws


def test_value_target_bootstraps_where_the_episode_goes_on():
    target = value_target(torch.tensor([1.0, 2.0]), torch.tensor([0.9, 0.0]), torch.tensor([10.0, 10.0]))
    assert target.tolist() == [10.0, 2.0]


def test_value_follows_the_target_critic_by_expectile_regression():
    algorithm = IQL(expectile=0.8)
    networks, batch, draws = make_with_both_signs(algorithm)
    q = networks["critic_ema"](batch.obs, batch.act).amin(dim=0)
    u = q - networks["value"](batch.obs)
    assert (u > 0).any()
    assert (u < 0).any()
    expected = sum((0.8 if x > 0 else 0.2) * x**2 for x in u.tolist()) / len(u)
    loss, _ = algorithm.value_loss(networks, batch, draws, START)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert receivers(loss, networks) == {"value"}


def test_critic_target_asks_for_no_action_at_the_next_state():
    algorithm = IQL()
    networks, batch, draws = make(algorithm)
    y = batch.rew + batch.discount * networks["value"](batch.next_obs)
    q = networks["critic"](batch.obs, batch.act)
    expected = ((q[0] - y) ** 2).mean() + ((q[1] - y) ** 2).mean()
    loss, _ = algorithm.critic_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    assert receivers(loss, networks) == {"critic"}


def test_policy_loss_is_weighted_likelihood():
    algorithm = IQL(beta=2.0)
    networks, batch, draws = make(algorithm)
    with torch.no_grad():
        networks["actor"].log_std.copy_(torch.tensor([0.5, -9.0]))  # the second below its bound
    std = torch.tensor([0.5, -5.0], dtype=torch.float64).exp()
    q, value = networks["critic_ema"](batch.obs, batch.act), networks["value"](batch.obs)
    mean = networks["actor"].mean(batch.obs).tanh()
    expected = 0.0
    for i in range(len(batch.rew)):
        weight = min(math.exp(2.0 * (q[:, i].min() - value[i]).item()), 100.0)
        normal = torch.distributions.Normal(mean[i], std)
        expected -= weight * normal.log_prob(batch.act[i]).sum().item() / len(batch.rew)
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert 0.0 < float(logged["weight/effective_share"]) <= 1.0
    assert receivers(loss, networks) == {"actor"}


def test_weights_are_capped_and_beta_0_clones():
    networks, batch, _ = make_with_both_signs(IQL())
    assert IQL(beta=1e6).weights(networks, batch).max() == 100.0
    assert torch.equal(IQL(beta=0.0).weights(networks, batch), torch.ones_like(batch.rew))


@pytest.mark.parametrize("wrong", [{"expectile": 1.0}, {"beta": -1.0}, {"max_weight": 0.0}])
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        IQL(**wrong)
