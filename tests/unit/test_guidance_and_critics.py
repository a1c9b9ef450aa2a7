"""Weights, targets and expectiles against numbers worked out by hand."""

import math

import pytest
import torch

from gtp.algorithms.common.critics import expectile_loss, max_q_backup, td_target, twin_q_loss
from gtp.algorithms.common.guidance import advantage_weights, effective_sample_share, linear_q_loss
from gtp.networks import Sizes, TwinQ


def test_weights_by_hand():
    # mean 1, standard deviation sqrt((4 + 0 + 4) / 3)
    advantage = torch.tensor([-1.0, 1.0, 3.0], dtype=torch.float64)
    std = math.sqrt(8 / 3) + 1e-6
    kept = [math.exp(-2 / std), math.exp(2 / std), math.exp(6 / std)]
    torch.testing.assert_close(advantage_weights(advantage, 2.0, "keep", 1e9).tolist(), kept)
    truncated = [1.0, math.exp(2 / std), math.exp(6 / std)]
    torch.testing.assert_close(advantage_weights(advantage, 2.0, "truncate", 1e9).tolist(), truncated)
    assert advantage_weights(advantage, 2.0, "keep", 5.0).max() == 5.0


def test_weights_carry_no_gradient_and_survive_equal_advantages():
    advantage = torch.full((4,), 0.3, requires_grad=True)
    weights = advantage_weights(advantage - advantage.mean(), 3.0, "keep", 100.0)
    assert not weights.requires_grad
    assert torch.equal(weights, torch.ones(4))


def test_effective_share():
    assert effective_sample_share(torch.ones(5)).item() == pytest.approx(1.0)
    assert effective_sample_share(torch.tensor([1.0, 0.0, 0.0, 0.0])).item() == pytest.approx(0.25)


def test_td_target_bootstraps_through_timeouts_only():
    next_q = torch.tensor([[2.0, 2.0], [1.0, 3.0]])
    discount = torch.tensor([0.9, 0.0])  # the second transition terminated
    assert td_target(torch.tensor([0.5, 1.0]), discount, next_q).tolist() == pytest.approx([1.4, 1.0])


def test_twin_q_loss_sums_heads_and_max_backup_takes_the_best_of_each_head():
    q = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert twin_q_loss(q, torch.tensor([1.0, 1.0])).item() == pytest.approx(4 / 2 + 2 / 2)
    candidates = torch.tensor([[[1.0], [5.0]], [[4.0], [2.0]]])  # (2 heads, 2 actions, 1 state)
    assert max_q_backup(candidates).tolist() == [[5.0], [4.0]]


def test_expectile_loss_by_hand_and_its_minimiser():
    assert expectile_loss(torch.tensor([2.0, -1.0]), 0.9).item() == pytest.approx((0.9 * 4 + 0.1 * 1) / 2)
    assert expectile_loss(torch.tensor([2.0, -1.0]), 0.5).item() == pytest.approx((4 + 1) / 4)
    # minimiser of 0.9 (1 - v)^2 + 0.1 v^2 over samples {0, 1} is v = 0.9
    values = torch.linspace(0, 1, 1001)
    losses = torch.stack([expectile_loss(torch.tensor([0.0, 1.0]) - v, 0.9) for v in values])
    assert values[losses.argmin()].item() == pytest.approx(0.9, abs=1e-3)


def test_linear_q_loss_uses_the_first_head():
    assert linear_q_loss(torch.tensor([[1.0, 3.0], [9.0, 9.0]])).item() == -2.0


def test_twin_heads_are_independent_networks():
    torch.manual_seed(0)
    critic = TwinQ(Sizes(observation=3, action=2, hidden=8, layers=2))
    obs, act = torch.randn(4, 3), torch.randn(4, 2)
    before = critic(obs, act)
    with torch.no_grad():
        critic.weight[0][1] += 1.0
    after = critic(obs, act)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert not torch.equal(before[0], before[1])


def test_twin_q_equals_two_plain_networks():
    torch.manual_seed(0)
    critic = TwinQ(Sizes(observation=3, action=2, hidden=8, layers=2))
    obs, act = torch.randn(4, 3), torch.randn(4, 2)
    for head in range(2):
        x = torch.cat([obs, act], dim=1)
        for i in range(3):
            x = x @ critic.weight[i][head] + critic.bias[i][head]
            x = torch.nn.functional.mish(x) if i < 2 else x
        torch.testing.assert_close(critic(obs, act)[head], x.squeeze(1))
