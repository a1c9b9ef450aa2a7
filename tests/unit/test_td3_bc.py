"""TD3+BC against its equations written out for one batch."""

import pytest
import torch

from gtp.algorithms.td3_bc import TD3BC

from .one_step import START, make, receivers


def test_next_actions_of_the_target_carry_clipped_noise():
    algorithm = TD3BC(target_noise=0.4, target_noise_clip=0.5)
    networks, batch, draws = make(algorithm)
    noise = 0.4 * draws["target_noise"]
    assert (noise.abs() > 0.5).any()
    act = (networks["actor_ema"](batch.next_obs) + noise.clip(-0.5, 0.5)).clip(-1.0, 1.0)
    y = batch.rew + batch.discount * networks["critic_ema"](batch.next_obs, act).min(dim=0).values
    q = networks["critic"](batch.obs, batch.act)
    expected = ((q[0] - y) ** 2).mean() + ((q[1] - y) ** 2).mean()
    loss, _ = algorithm.critic_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    assert receivers(loss, networks) == {"critic"}


def test_actor_loss_weighs_q_by_alpha_over_its_mean_magnitude():
    algorithm = TD3BC(alpha=3.0)
    networks, batch, draws = make(algorithm)
    act = networks["actor"](batch.obs)
    q = networks["critic"](batch.obs, act)[0]
    scale = 3.0 / q.abs().mean().item()
    expected = -scale * q.mean() + ((act - batch.act) ** 2).mean()
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["loss/q"] + logged["loss/cloning"], loss)
    # lambda is a number, not a function of the actor: the gradients agree as well.
    weight = networks["actor"].output.weight
    (slope,) = torch.autograd.grad(loss, weight, retain_graph=True)
    (by_hand,) = torch.autograd.grad(expected, weight)
    torch.testing.assert_close(slope, by_hand)


def test_alpha_0_is_regression_on_the_data():
    algorithm = TD3BC(alpha=0.0)
    networks, batch, draws = make(algorithm)
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, (networks["actor"](batch.obs) - batch.act).square().mean())
    torch.testing.assert_close(loss, logged["loss/cloning"])


def test_acting_is_deterministic_and_in_the_box():
    algorithm = TD3BC()
    networks, batch, _ = make(algorithm)
    act = algorithm.act(networks, 100.0 * batch.obs, torch.empty(0), 1)
    assert act.abs().max() <= 1.0
    assert torch.equal(act, networks["actor_ema"](100.0 * batch.obs))


def test_meaningless_settings_are_refused():
    with pytest.raises(ValueError, match="target_noise_clip"):
        TD3BC(target_noise_clip=-0.1)
