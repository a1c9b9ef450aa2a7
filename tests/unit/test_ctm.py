"""CTM's losses against its equations written out for one batch."""

import pytest
import torch

from gtp.algorithms.ctm import CTM
from gtp.algorithms.gtp import GTP
from gtp.generative.solution_map import heun, solution_map

from .one_step import START, B, make, receivers


def test_positions_are_ordered_and_reach_both_ends_with_intervals_in_proportion_to_their_number():
    algorithm = CTM(grid_points=4)
    uniform = torch.rand(40_000, 3, generator=torch.Generator().manual_seed(0))
    uniform[0] = 0.0
    uniform[1] = 1 - 2**-24
    uniform[2, 0] = 1.0  # never drawn, but what rounding may make of a draw
    start, middle, end = algorithm.positions(uniform)
    assert (start < middle).all()
    assert (middle <= end).all()
    assert [set(p.tolist()) for p in (start, middle, end)] == [{0, 1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}]
    places = {tuple(row) for row in torch.stack([start, middle, end], dim=1).tolist()}
    assert places == {(a, b, c) for a in range(4) for b in range(a + 1, 5) for c in range(b, 5)}
    shares = [(middle - start == h).float().mean().item() for h in (1, 2, 3, 4)]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)
    for h in (1, 2, 3):
        begins = start[middle - start == h]
        assert begins.mean().item() == pytest.approx((4 - h) / 2, abs=0.05)


def test_the_solver_takes_one_step_per_interval_and_follows_the_exact_field():
    """From any time to any later one a Gaussian's deviation, 0.3 at time 0, comes out right."""
    algorithm, std = CTM(), 0.3

    def exact(x, t, s):
        return x * (std**2 / (std**2 + t**2))[:, None]

    count = 1000
    for first, last in ((1, 16), (0, 16), (0, 17), (5, 12), (16, 17)):
        positions = torch.full((2, count), 0.0, dtype=torch.float64)
        positions[0], positions[1] = first, last
        t, u = (algorithm.time_scale.on_grid(p, 17.0) for p in positions)
        x = torch.linspace(-2.0, 2.0, count, dtype=torch.float64)[:, None] * (std**2 + t**2).sqrt()[:, None]
        solved = algorithm.solve(exact, x, *positions)
        expected = x * ((std**2 + u**2) / (std**2 + t**2)).sqrt()[:, None]
        torch.testing.assert_close(solved, expected, rtol=0.05, atol=1e-3)


def test_rows_are_solved_over_their_own_intervals_alone():
    algorithm, networks, batch, draws = CTM(grid_points=5), *make(CTM(grid_points=5))
    teacher = algorithm.phi(networks["actor_ema"], batch.obs)
    start = torch.tensor([0, 0, 1, 2, 3, 4, 1, 0], dtype=torch.float64)
    middle = torch.tensor([1, 5, 3, 3, 5, 5, 4, 2], dtype=torch.float64)
    t = algorithm.time_scale.on_grid(start, 5.0)
    x = batch.act + t[:, None] * draws["noise"]
    solved = algorithm.solve(teacher, x, start, middle)
    for row in range(B):
        point = x
        for position in range(int(start[row]), int(middle[row])):
            places = (torch.full((B,), float(p), dtype=torch.float64) for p in (position, position + 1))
            r, s = (algorithm.time_scale.on_grid(place, 5.0) for place in places)
            if 0 < position < 4:
                point = heun(lambda y, v: (y - teacher(y, v, v)) / v[:, None], point, r, s, 1)
            else:
                point = solution_map(lambda y, v, _: teacher(y, v, v), point, r, s)
        torch.testing.assert_close(solved[row], point[row])


def test_levels_are_half_lognormal_half_from_the_grid():
    algorithm = CTM()
    generator = torch.Generator().manual_seed(0)
    normal, uniform = torch.randn(10_000, generator=generator), torch.rand(10_000, 2, generator=generator)
    levels = algorithm.levels(normal, uniform)
    first = uniform[:, 0] < 0.5
    inside = first & (levels > algorithm.t_min) & (levels < algorithm.t_max)
    torch.testing.assert_close(levels[inside].log(), -1.2 + 1.2 * normal[inside])
    assert levels[~first].min() >= algorithm.time_scale.at(torch.tensor(0.7))
    at_start = (levels[~first] == algorithm.t_start).float().mean().item()
    assert at_start == pytest.approx(1 / 17 / 0.7, abs=0.02)
    assert 0.45 < first.float().mean() < 0.55


def test_actor_loss_is_the_papers_formula():
    algorithm = CTM(eta=2.0, lambda_dsm=0.3, grid_points=6, sigma_data=0.4)
    networks, batch, draws = make(algorithm)
    online = algorithm.phi(networks["actor"], batch.obs)
    teacher = algorithm.phi(networks["actor_ema"], batch.obs)
    positions = algorithm.positions(draws["times"])
    t, u, tau = (algorithm.time_scale.on_grid(position, 6.0) for position in positions)
    assert (u == 0).any()
    assert (tau == 0).any()
    assert (tau > 0).any()
    a_t = batch.act + t[:, None] * draws["noise"]
    a_u = algorithm.solve(teacher, a_t, *positions[:2])
    left, right = solution_map(online, a_t, t, tau), solution_map(teacher, a_u, u, tau)
    right[u == 0] = a_u[u == 0]
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


@pytest.mark.parametrize("wrong", [{"lambda_dsm": -1.0}, {"eta": float("inf")}])
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CTM(**wrong)
