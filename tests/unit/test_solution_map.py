"""Identities of the solution map, its grids and its samplers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp.algorithms.gtp import GTP
from gtp.generative.solution_map import (
    Preconditioning,
    TimeScale,
    heun,
    later_target,
    solution_map,
    steps_of_ode,
    steps_to_data,
    trajectory,
)
from gtp.networks import MLP, Sizes

SCALES = st.builds(
    TimeScale,
    t_min=st.floats(0.001, 0.5),
    t_max=st.floats(1.0, 100.0),
    rho=st.floats(1.0, 10.0),
    t_start=st.floats(100.0, 1000.0),
)


@pytest.fixture
def phi():
    """phi(x, t, s) of an untrained GTP network, float64, at random observations."""
    torch.manual_seed(0)
    algorithm = GTP()
    actor = algorithm.networks(Sizes(observation=3, action=2, hidden=16, layers=2))["actor"].double()
    return algorithm.phi(actor, torch.randn(8, 3, dtype=torch.float64))


def random_points(count: int = 8):
    return torch.randn(count, 2, dtype=torch.float64), torch.rand(count, dtype=torch.float64) * 9 + 0.5


def test_phi_at_equal_times_is_the_identity(phi):
    x, t = random_points()
    assert torch.equal(solution_map(phi, x, t, t), x)


def test_jump_to_zero_is_the_networks_clean_point(phi):
    x, t = random_points()
    assert torch.equal(solution_map(phi, x, t, torch.zeros_like(t)), phi(x, t, torch.zeros_like(t)))


def test_solution_map_of_the_exact_clean_point_stays_on_the_straight_path():
    act, noise = torch.randn(2, 8, 2, dtype=torch.float64)
    t, s = torch.full((8,), 5.0, dtype=torch.float64), torch.full((8,), 0.3, dtype=torch.float64)
    jumped = solution_map(lambda x, t, s: act, act + t[:, None] * noise, t, s)
    torch.testing.assert_close(jumped, act + s[:, None] * noise)


def test_preconditioning_at_both_ends():
    """At t -> 0 the denoiser returns its input; at t >> sigma_data the network's output, scaled."""
    edm = Preconditioning(sigma_data=0.5)
    x = torch.randn(4, 2, dtype=torch.float64)
    small, large = torch.full((4,), 1e-9, dtype=torch.float64), torch.full((4,), 1e6, dtype=torch.float64)
    torch.testing.assert_close(
        edm.denoise(lambda scaled: torch.ones_like(scaled), x, small), x, atol=1e-8, rtol=0
    )
    torch.testing.assert_close(
        edm.denoise(lambda scaled: torch.ones_like(scaled), x, large),
        torch.full_like(x, 0.5),
        atol=1e-5,
        rtol=0,
    )


def test_preconditioning_gives_unit_variance_inputs_and_targets():
    edm, generator = Preconditioning(sigma_data=0.5), torch.Generator().manual_seed(0)
    act = 0.5 * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    for level in (0.05, 0.5, 5.0):
        t = torch.full((len(act),), level, dtype=torch.float64)
        x = act + t[:, None] * torch.randn(act.shape, generator=generator, dtype=torch.float64)
        target = (act - edm.c_skip(t) * x) / edm.c_out(t)
        assert (edm.c_in(t) * x).std().item() == pytest.approx(1.0, abs=0.01)
        assert target.std().item() == pytest.approx(1.0, abs=0.01)


@given(SCALES, st.integers(1, 64))
def test_sampling_grid_runs_from_its_start_strictly_down_to_zero(scale, nfe):
    grid = scale.sampling_grid(nfe)
    assert len(grid) == nfe + 1
    assert grid[0] == pytest.approx(scale.t_start, rel=1e-5)
    assert grid[-1] == 0.0
    assert (grid.diff() < 0).all()
    assert (grid[1:] <= scale.t_max).all()
    torch.testing.assert_close(grid[1:-1], scale.at(torch.arange(1, nfe) / nfe))


@given(SCALES)
def test_positions_span_the_range_of_times(scale):
    times = scale.at(torch.linspace(0, 1, 50, dtype=torch.float64))
    assert times[0] == pytest.approx(scale.t_max)
    assert times[-1] == pytest.approx(scale.t_min)
    assert (times.diff() <= 0).all()


def test_sampling_grid_refuses_no_steps():
    with pytest.raises(ValueError, match="nfe"):
        TimeScale(0.02, 10.0, 7.0, 10.0).sampling_grid(0)


def test_a_trajectory_composes_jumps(phi):
    times = TimeScale(0.02, 10.0, 7.0, 10.0).sampling_grid(3).double()
    x = start = times[0] * torch.randn(8, 2, dtype=torch.float64)
    for t, s in ((times[0], times[1]), (times[1], times[2]), (times[2], times[3])):
        x = solution_map(phi, x, t.expand(8), s.expand(8))
    points = trajectory(phi, start, times)
    assert len(points) == 4
    torch.testing.assert_close(points[-1], x, rtol=0, atol=0)


def test_steps_of_the_ode_ask_the_diagonal_and_steps_to_data_the_end(phi):
    x, t = random_points()
    s, zero = 0.5 * t, torch.zeros_like(t)
    assert torch.equal(steps_of_ode(phi)(x, t, s), phi(x, t, t))
    assert torch.equal(steps_to_data(phi)(x, t, s), phi(x, t, zero))
    assert not torch.equal(phi(x, t, s), phi(x, t, t))


def test_a_target_at_its_own_time_is_the_point_itself_and_asks_nothing_there(phi):
    asked = []

    def spy(x, t, s):
        asked.append((t, s))
        return phi(x, t, s)

    x, t = random_points()
    u, tau = 0.5 * t, 0.25 * t
    u[:2] = tau[:3] = 0.0
    tau[2] = u[2]
    target = later_target(spy, x, u, tau, t)
    assert torch.equal(target[:3], x[:3])
    torch.testing.assert_close(target[3:], solution_map(phi, x, u, tau)[3:])
    (times, _), *others = asked
    assert not others
    assert torch.equal(times[:3], t[:3])


def test_heun_is_of_second_order():
    """dx/dt = -x from 1 to 0.2: halving the step divides the error by about four."""
    x, t, s = torch.ones(1, 1).double(), torch.ones(1).double(), torch.full((1,), 0.2).double()
    exact = torch.exp(torch.tensor(0.8, dtype=torch.float64))
    errors = [abs(heun(lambda x, t: -x, x, t, s, steps).item() - exact.item()) for steps in (8, 16, 32)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.1)


def test_mlp_concatenates_its_inputs():
    torch.manual_seed(0)
    network = MLP(3, 2, hidden=4, layers=1)
    first, second = torch.randn(5, 1), torch.randn(5, 2)
    assert torch.equal(network(first, second), network(torch.cat([first, second], dim=1)))
