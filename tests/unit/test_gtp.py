"""GTP's losses against values computed by hand, where gradients go, and what each ablation leaves out."""

import math
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call

from gtp.algorithms.gtp import GTP
from gtp.generative.solution_map import (
    heun,
    identity_target,
    solution_map,
    steps_of_ode,
    two_jumps_target,
)
from gtp.networks import time_features

from .one_step import START, B, receivers
from .one_step import make as one_step


def make(seed: int = 0, **settings):
    """GTP with these settings, and networks, batch, draws and progress of its first step."""
    algorithm = GTP(**settings)
    return algorithm, *one_step(algorithm, seed), START


def test_actor_loss_is_the_papers_formula():
    algorithm, networks, batch, draws, progress = make(eta=2.0, lambda_flow=0.7, grid_points=3)
    t, u, tau = algorithm.times(draws["times"], progress)
    online, teacher = (algorithm.phi(networks[name], batch.obs) for name in ("actor", "actor_ema"))
    a_t = batch.act + t[:, None] * draws["noise"]
    a_u = batch.act + u[:, None] * draws["noise"]
    advantage = networks["critic"](batch.obs, batch.act).min(dim=0).values - networks["value"](batch.obs)
    weight = torch.exp(2.0 * advantage / (advantage.std(correction=0) + 1e-6)).clamp(max=100.0)
    target = solution_map(teacher, a_u, u, tau)
    assert (u == 0).any()
    target[u == 0] = batch.act[u == 0]  # the trajectory has arrived
    consistency = (solution_map(online, a_t, t, tau) - target).square().sum(dim=1)
    flow = (online(a_t, t, t) - batch.act).square().sum(dim=1)
    scale = (t**2 + 0.01) / (t * 0.1) ** 2  # EDM's lambda(t) with sigma_data = 0.1
    expected = (weight * scale * consistency).mean() + 0.7 * (weight * scale * flow).mean()
    torch.testing.assert_close(algorithm.actor_loss(networks, batch, draws, progress)[0], expected)


def test_the_network_is_told_both_times_by_a_quarter_of_their_logarithms():
    asked = []

    def actor(obs, x, *features):
        asked.extend(features)
        return torch.zeros_like(x)

    algorithm = GTP()
    t, s = torch.tensor([9.0, 0.3, 2.0]), torch.tensor([1.7, 0.0, 2.0])
    algorithm.phi(actor, torch.zeros(3, 1))(torch.zeros(3, 2), t, s)
    for features, times in zip(asked, (t, s), strict=True):
        logarithms = [math.log(max(time, algorithm.t_min)) for time in times.tolist()]
        torch.testing.assert_close(features, time_features(torch.tensor(logarithms) / 4.0))


def test_the_online_teacher_is_the_actor_without_gradient():
    algorithm, networks, batch, draws, progress = make(teacher="online", lambda_flow=0.0)
    twin = {**networks, "actor_ema": networks["actor"]}
    expected = GTP(lambda_flow=0.0).actor_loss(twin, batch, draws, progress)[0]
    loss = algorithm.actor_loss(networks, batch, draws, progress)[0]
    torch.testing.assert_close(loss, expected)
    assert receivers(loss, networks) == {"actor"}


@pytest.mark.parametrize(
    "settings",
    [{}, {"score": "ode_solver"}, {"consistency": "shortcut"}, {"consistency": "mean_flow"}],
    ids=str,
)
def test_no_gradient_flows_through_what_an_online_teacher_wants(settings):
    """Its slope is that under a teacher of the same parameters that no optimiser moves."""
    slopes = []
    for teacher in ("online", "ema"):
        algorithm, networks, batch, draws, progress = make(teacher=teacher, **settings)
        networks["actor_ema"] = deepcopy(networks["actor"])
        loss, _ = algorithm.actor_loss(networks, batch, draws, progress)
        slopes.append(torch.autograd.grad(loss, list(networks["actor"].parameters())))
    torch.testing.assert_close(*slopes)


def test_two_jumps_make_one_by_hand():
    """Three grid points: from the first to the second, to the third over the second, and so on."""
    algorithm, networks, batch, draws, progress = make(
        eta=0.0, consistency="shortcut", teacher="online", lambda_flow=0.5, grid_points=3
    )
    t, u, tau = algorithm.times(draws["times"], progress)
    online = algorithm.phi(networks["actor"], batch.obs)
    a_t = batch.act + t[:, None] * draws["noise"]
    targets = []
    for i in range(B):
        x, here, half, end = a_t[i : i + 1], t[i : i + 1], u[i : i + 1], tau[i : i + 1]
        phi = algorithm.phi(networks["actor"], batch.obs[i : i + 1])
        if half == here:
            targets.append(solution_map(steps_of_ode(phi), x, here, end))
        else:
            targets.append(solution_map(phi, solution_map(phi, x, here, half), half, end))
    assert (u == t).any()
    assert (u < t).any()
    scale = (t**2 + 0.01) / (t * 0.1) ** 2
    shortcut = (solution_map(online, a_t, t, tau) - torch.cat(targets)).square().sum(dim=1)
    flow = (online(a_t, t, t) - batch.act).square().sum(dim=1)
    expected = (scale * shortcut).mean() + 0.5 * (scale * flow).mean()
    loss, logged = algorithm.actor_loss(networks, batch, draws, progress)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logged["loss/consistency"], shortcut.mean())
    assert receivers(loss, networks) == {"actor"}


def test_shortcuts_halve_the_jump_on_the_grid():
    algorithm = GTP(consistency="shortcut", grid_points=8)
    grid = algorithm.time_scale.on_grid(torch.arange(9.0), 8)
    uniform = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    place = [
        torch.cdist(time[:, None], grid[:, None]).argmin(dim=1)
        for time in algorithm.times(uniform, torch.tensor(0.0))
    ]
    start, middle, end = place
    assert torch.equal(middle, (start + end) // 2)
    jumps = {(int(a), int(b)) for a, b in zip(start, end, strict=True)}
    assert jumps == {(a, b) for a in range(8) for b in range(a + 1, 9)}
    last = torch.tensor([[0.0, 0.0, 0.999]])  # the second number is for pairs of other kinds
    assert algorithm.times(last, torch.tensor(0.0))[2].item() == 0.0


def test_the_mean_flow_loss_by_finite_differences():
    algorithm, networks, batch, draws, progress = make(
        eta=0.0, consistency="mean_flow", teacher="online", lambda_flow=0.0
    )
    t, _, tau = algorithm.times(draws["times"], progress)
    phi, z = algorithm.phi(networks["actor"], batch.obs), draws["noise"]
    a_t, tiny = batch.act + t[:, None] * z, 1e-5

    def mean_velocity(shift):
        x, time = a_t + shift * z, t + shift
        return (x - phi(x, time, tau)) / time[:, None]

    rate = (mean_velocity(tiny) - mean_velocity(-tiny)) / (2 * tiny)
    target = a_t - t[:, None] * (z - (t - tau)[:, None] * rate)
    scale = (t**2 + 0.01) / (t * 0.1) ** 2
    expected = (scale * (phi(a_t, t, tau) - target).square().sum(dim=1)).mean()
    loss, _ = algorithm.actor_loss(networks, batch, draws, progress)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0.0)
    assert receivers(loss, networks) == {"actor"}


def test_a_clone_with_a_critic_weighs_all_alike():
    algorithm, networks, batch, draws, _ = make(eta=0.0, train_critic=True)
    assert algorithm.critic == "critic_ema"
    assert [update.networks for update in algorithm.updates()] == ["critic", "actor"]
    assert torch.equal(algorithm.weights(networks, batch, draws), torch.ones(B, dtype=torch.float64))
    assert GTP(eta=0.0).critic is None


def test_target_at_tau_equal_u_is_the_point_itself():
    algorithm, networks, batch, draws, _ = make()
    teacher = algorithm.phi(networks["actor_ema"], batch.obs)
    u = torch.full((B,), 0.7, dtype=torch.float64)
    a_u = batch.act + u[:, None] * draws["noise"]
    assert torch.equal(solution_map(teacher, a_u, u, u), a_u)


def test_actor_loss_moves_the_actor_alone():
    algorithm, networks, batch, draws, progress = make()
    assert set(networks) == {"actor", "critic", "value", "actor_ema", "critic_ema"}
    assert receivers(algorithm.actor_loss(networks, batch, draws, progress)[0], networks) == {"actor"}


def test_critic_and_value_losses_move_their_own_network_alone():
    algorithm, networks, batch, draws, progress = make()
    for name, loss in (("critic", algorithm.critic_loss), ("value", algorithm.value_loss)):
        assert receivers(loss(networks, batch, draws, progress)[0], networks) == {name}


def test_linear_q_reaches_the_actor_through_the_critic():
    algorithm, networks, batch, draws, progress = make(guidance="linear_q", linear_q=1.0)
    loss, logged = algorithm.actor_loss(networks, batch, draws, progress)
    assert "actor" in receivers(loss, networks)
    own = algorithm.sample(networks["actor"], batch.obs, draws["own_actions"], algorithm.target_nfe)
    torch.testing.assert_close(logged["loss/linear_q"], -networks["critic"](batch.obs, own)[0].mean())


def test_critic_target_by_hand():
    algorithm, networks, batch, draws, progress = make()
    a = algorithm.sample(
        networks["actor_ema"], batch.next_obs, draws["next_actions"][0], algorithm.target_nfe
    )
    target = batch.rew + batch.discount * networks["critic_ema"](batch.next_obs, a).min(dim=0).values
    q = networks["critic"](batch.obs, batch.act)
    expected = ((q[0] - target) ** 2).mean() + ((q[1] - target) ** 2).mean()
    torch.testing.assert_close(algorithm.critic_loss(networks, batch, draws, progress)[0], expected)


def test_max_q_backup_never_lowers_the_target():
    algorithm, networks, batch, draws, _ = make(max_q_samples=5)
    actions = algorithm.sample(networks["actor_ema"], batch.next_obs, draws["next_actions"], 2)
    q = torch.stack([networks["critic_ema"](batch.next_obs, act) for act in actions], dim=1)
    assert (q.amax(dim=1) >= q[:, 0]).all()
    assert (q.amax(dim=1) > q[:, 0]).any()


def test_value_by_policy_samples_is_their_mean():
    algorithm, networks, batch, draws, _ = make(value="policy_samples", value_samples=3, eta=1.0)
    assert "value" not in networks
    actions = algorithm.sample(networks["actor_ema"], batch.obs, draws["value_actions"], algorithm.target_nfe)
    value = sum(networks["critic"](batch.obs, act).min(dim=0).values for act in actions) / 3
    advantage = networks["critic"](batch.obs, batch.act).min(dim=0).values - value
    expected = torch.exp(advantage / (advantage.std(correction=0) + 1e-6)).clamp(max=100.0)
    torch.testing.assert_close(algorithm.weights(networks, batch, draws), expected)


def test_ode_solver_integrates_the_ema_field():
    """With the exact denoiser of a single action, the field is linear and every solver is exact."""
    algorithm = GTP(score="ode_solver")
    act, noise = torch.randn(2, B, 2, dtype=torch.float64)
    t, u = torch.full((B,), 2.0, dtype=torch.float64), torch.full((B,), 0.5, dtype=torch.float64)
    t[0], u[0] = algorithm.t_start, 2.5
    u[1] = 0.0
    point = algorithm.earlier_point(lambda x, t, s: act, act + t[:, None] * noise, act, noise, t, u)
    torch.testing.assert_close(point, act + u[:, None] * noise)


def test_ode_solver_takes_heun_steps_inside_the_grid_and_one_euler_step_at_its_ends():
    algorithm, networks, batch, draws, _ = make(score="ode_solver", ode_steps=4)
    teacher = algorithm.phi(networks["actor_ema"], batch.obs)
    t, u = (torch.full((B,), value, dtype=torch.float64) for value in (2.0, 0.5))
    a_t = batch.act + t[:, None] * draws["noise"]
    inner = heun(lambda x, r: (x - teacher(x, r, r)) / r[:, None], a_t, t, u, 4)
    last = u.clone()
    last[0] = 0.0
    point = algorithm.earlier_point(teacher, a_t, batch.act, draws["noise"], t, last)
    torch.testing.assert_close(point[1:], inner[1:])
    torch.testing.assert_close(point[0], teacher(a_t, t, t)[0])


def test_no_guidance_needs_no_critic_and_weighs_all_alike():
    algorithm, networks, batch, draws, _ = make(eta=0.0)
    assert set(networks) == {"actor", "actor_ema"}
    assert [update.networks for update in algorithm.updates()] == ["actor"]
    assert torch.equal(algorithm.weights(networks, batch, draws), torch.ones(B, dtype=torch.float64))


def test_a_q_term_of_weight_0_needs_no_critic():
    assert not GTP(guidance="linear_q", linear_q=0.0).guided
    assert GTP(guidance="linear_q", linear_q=0.1).guided


def test_switched_off_losses_are_absent():
    for settings, absent in (
        ({"lambda_flow": 0.0}, "loss/flow"),
        ({"lambda_consistency": 0.0}, "loss/consistency"),
    ):
        algorithm, networks, batch, draws, progress = make(**settings)
        _, logged = algorithm.actor_loss(networks, batch, draws, progress)
        assert absent not in logged
        assert {"loss/flow", "loss/consistency"} - set(logged) == {absent}


@given(
    uniform=st.lists(st.floats(0, 0.9999), min_size=3, max_size=3),
    points=st.integers(1, 200),
    progress=st.floats(0, 1),
    pairs=st.sampled_from(["adjacent", "uniform"]),
    tau=st.sampled_from(["uniform", "zero"]),
    growth=st.sampled_from(["constant", "doubling"]),
)
def test_times_are_ordered(uniform, points, progress, pairs, tau, growth):
    algorithm = GTP(grid_points=points, pairs=pairs, tau=tau, grid_growth=growth)
    t, u, end = algorithm.times(torch.tensor([uniform]), torch.tensor(progress))
    assert algorithm.t_start >= t.item() > u.item() >= end.item() >= 0.0
    assert t.item() > algorithm.t_min  # the last time is 0, in training and in sampling
    if tau == "zero":
        assert end.item() == 0.0


def test_uniform_pairs_reach_every_later_point_from_every_time():
    algorithm = GTP(pairs="uniform", grid_points=4)
    grid = algorithm.time_scale.on_grid(torch.arange(5.0), 4)
    uniform = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    times = algorithm.times(uniform, torch.tensor(0.0))
    places = torch.stack([torch.cdist(time[:, None], grid[:, None]).argmin(dim=1) for time in times], dim=1)
    expected = {(a, b, c) for a in range(4) for b in range(a + 1, 5) for c in range(b, 5)}
    assert set(map(tuple, places.tolist())) == expected


def test_adjacent_times_are_one_interval_apart_and_doubling_halves_it():
    scale = GTP().time_scale
    uniform = torch.tensor([[0.5, 0.0, 0.0]])
    for progress, points in ((0.0, 10), (0.13, 20), (0.999, 1280)):
        algorithm = GTP(grid_points=10, grid_growth="doubling")
        t, u, _ = algorithm.times(uniform, torch.tensor(progress))
        torch.testing.assert_close(t, scale.at(torch.tensor([0.5])))
        torch.testing.assert_close(u, scale.at(torch.tensor([0.5 + 1 / points])))


def test_tau_reaches_both_of_its_ends():
    """tau = u makes the target fully supervised, tau = 0 is consistency training; both must occur."""
    algorithm = GTP(grid_points=8)
    uniform = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    _, u, tau = algorithm.times(uniform, torch.tensor(0.0))
    assert (tau == u).any()
    assert (tau == 0.0).any()
    assert ((tau > 0.0) & (tau < u)).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": -1.0}, "eta must be finite and not negative, got -1.0"),
        ({"eta": math.inf}, "eta must be finite"),
        ({"lambda_flow": 0.0, "lambda_consistency": 0.0}, "must not both be 0"),
        ({"consistency": "mean_flow", "score": "ode_solver"}, "'mean_flow' has no later point"),
        ({"consistency": "shortcut", "tau": "zero"}, "leave tau at 'uniform'"),
        ({"consistency": "shortcut", "lambda_flow": 0.0}, "nothing else knows the data"),
        ({"t_min": 2.0, "t_max": 1.0}, "0 < t_min < t_max <= t_start is required"),
        ({"expectile": 1.0}, r"expectile must lie in \(0, 1\), got 1.0"),
        ({"grid_points": 0}, "grid_points must be at least 1, got 0"),
        ({"max_weight": 0.0}, "max_weight must be finite and positive"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GTP(**settings)


def test_act_depends_on_state_noise_and_nfe():
    algorithm, networks, batch, _, _ = make()
    leaves = dict(networks["actor_ema"].named_parameters())
    bound = {"actor_ema": lambda *inputs: functional_call(networks["actor_ema"], leaves, inputs)}
    noise = torch.randn(B, 2, dtype=torch.float64)
    actions = algorithm.act(bound, batch.obs, noise, 2)
    assert actions.shape == (B, 2)
    assert actions.abs().max() <= 1.0
    assert not torch.equal(actions, algorithm.act(bound, batch.next_obs, noise, 2))
    assert not torch.equal(actions, algorithm.act(bound, batch.obs, -noise, 2))
    assert not torch.equal(actions, algorithm.act(bound, batch.obs, noise, 3))


def gaussian_map(mean: float, std: float):
    """phi of one Gaussian's exact solution map away from the diagonal, and the field of its ODE."""

    def spread(time):
        return (std**2 + time**2).sqrt()[:, None]

    def phi(x, t, s):
        ratio = (s / t)[:, None]
        return (mean + (x - mean) * spread(s) / spread(t) - ratio * x) / (1.0 - ratio)

    return phi, lambda x, t: t[:, None] * (x - mean) / spread(t) ** 2


def test_the_exact_map_is_what_two_jumps_and_the_identity_want():
    phi, field = gaussian_map(mean=0.5, std=0.3)
    x = torch.randn(B, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t, u, tau = (torch.full((B,), value, dtype=torch.float64) for value in (2.0, 0.7, 0.1))
    torch.testing.assert_close(two_jumps_target(phi, x, t, u, tau), solution_map(phi, x, t, tau))
    torch.testing.assert_close(identity_target(phi, x, field(x, t), t, tau), phi(x, t, tau))


@pytest.mark.parametrize("nfe", [1, 2, 5])
def test_the_exact_map_gives_the_datas_mean_and_deviation(nfe, monkeypatch):
    """Of one Gaussian away from 0: sampling must begin where training ends, at a + T z, not at T z."""
    mean, std = 0.5, 0.45
    monkeypatch.setattr(GTP, "phi", lambda self, actor, obs: gaussian_map(mean, std)[0])
    noise = torch.randn(100_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    obs = torch.zeros(len(noise), 1)
    _, points = GTP().trajectory(None, obs, noise, nfe)
    assert points[-1].mean().item() == pytest.approx(mean, abs=0.005)
    assert points[-1].std().item() == pytest.approx(std, abs=0.005)
    assert torch.equal(GTP().sample(None, obs, noise, nfe), points[-1].clamp(-1.0, 1.0))
