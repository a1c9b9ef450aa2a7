"""CTM's losses against its equations written out for one batch."""

import pytest
import torch

from gtp.algorithms.ctm import CTM
from gtp.algorithms.gtp import GTP
from gtp.solution_map import heun, solution_map

from .one_step import START, B, make, receivers


def test_times_are_ordered_and_reach_both_ends():
    algorithm = CTM(grid_points=4)
    uniform = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    t, u, tau = algorithm.times(uniform)
    grid = algorithm.time_scale.at(torch.arange(5) / 4)
    assert (t > u).all()
    assert ((u > tau) | (u == tau)).all()
    assert set(t.tolist()) == set(grid[:4].tolist())
    assert set(u.tolist()) == set(grid[1:].tolist())
    assert set(tau.tolist()) == {*grid[1:4].tolist(), 0.0}


def test_levels_are_half_lognormal_half_from_the_grid():
    algorithm = CTM()
    generator = torch.Generator().manual_seed(0)
    normal, uniform = torch.randn(10_000, generator=generator), torch.rand(10_000, 2, generator=generator)
    levels = algorithm.levels(normal, uniform)
    first = uniform[:, 0] < 0.5
    inside = first & (levels > algorithm.t_min) & (levels < algorithm.t_max)
    torch.testing.assert_close(levels[inside].log(), -1.2 + 1.2 * normal[inside])
    assert levels[~first].min() >= algorithm.time_scale.at(torch.tensor(0.7))
    assert 0.45 < first.float().mean() < 0.55


def test_actor_loss_is_the_papers_formula():
    algorithm = CTM(eta=2.0, lambda_dsm=0.3, solver_steps=3, sigma_data=0.4)
    networks, batch, draws = make(algorithm)
    online = algorithm.phi(networks["actor"], batch.obs)
    teacher = algorithm.phi(networks["actor_ema"], batch.obs)
    t, u, tau = algorithm.times(draws["times"])
    assert (tau == 0).any()
    assert (tau > 0).any()
    a_t = batch.act + t[:, None] * draws["noise"]
    a_u = heun(lambda x, r: (x - teacher(x, r, r)) / r[:, None], a_t, t, u, 3)
    left, right = solution_map(online, a_t, t, tau), solution_map(teacher, a_u, u, tau)
    consistency = torch.zeros(B, dtype=torch.float64)
    for i in range(B):
        ends = [left[i], right[i]]
        if tau[i] > 0:  # Phi_ema(x, tau, 0) = phi_ema(x, tau, 0)
            at = tau[i].expand(B)
            ends = [teacher(x, at, 0 * at)[i] for x in (left, right)]
        consistency[i] = (ends[0] - ends[1].detach()).square().sum() * (t[i] ** 2 + 0.16) / (0.4 * t[i]) ** 2
    level = algorithm.levels(draws["dsm_levels"], draws["dsm_positions"])
    predicted = online(batch.act + level[:, None] * draws["dsm_noise"], level, level)
    matching = (predicted - batch.act).square().sum(dim=1) * (level**2 + 0.16) / (0.4 * level) ** 2
    weight = algorithm.weights(networks, batch, draws)
    assert weight.std() > 0.1
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    torch.testing.assert_close(loss, (weight * (consistency + 0.3 * matching)).mean())
    assert "weight/mean" in logged
    assert receivers(loss, networks) >= {"actor"}


def test_weights_critic_and_sampler_are_gtps():
    ctm, gtp = CTM(eta=1.5), GTP(eta=1.5)
    networks, batch, draws = make(ctm)
    torch.testing.assert_close(ctm.weights(networks, batch, draws), gtp.weights(networks, batch, draws))
    for loss in ("critic_loss", "value_loss"):
        ours, theirs = (getattr(a, loss)(networks, batch, draws, START)[0] for a in (ctm, gtp))
        torch.testing.assert_close(ours, theirs)
    actions = [a.act(networks, batch.obs, draws["noise"], 3) for a in (ctm, gtp)]
    assert torch.equal(*actions)


def test_without_weights_there_is_no_critic():
    algorithm = CTM(eta=0.0)
    networks, batch, draws = make(algorithm)
    assert set(networks) == {"actor", "actor_ema"}
    loss, logged = algorithm.actor_loss(networks, batch, draws, START)
    assert loss.isfinite()
    assert "weight/mean" not in logged


@pytest.mark.parametrize("wrong", [{"lambda_dsm": -1.0}, {"solver_steps": 0}, {"eta": float("inf")}])
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CTM(**wrong)
