"""Consistency policies: the map's boundary, its grids, the training pair and the sampler, by hand."""

import math
from itertools import pairwise

import pytest
import torch

from gtp.algorithms.common.interface import Batch
from gtp.algorithms.consistency_bc import ConsistencyBC
from gtp.generative.consistency import (
    consistency_function,
    consistency_training_error,
    grid_size,
    multistep_sample,
    neighbouring_times,
    sampling_times,
)
from gtp.generative.solution_map import TimeScale

SCALE = TimeScale(0.002, 80.0, 7.0, 80.0)


def published_time(index: int, points: int) -> float:
    """t_index of a grid of `points` times, increasing from 0.002 to 80."""
    low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
    return (low + index / (points - 1) * (high - low)) ** 7


def test_the_map_at_the_least_time_is_the_identity():
    x = torch.randn(4, 2, dtype=torch.float64)
    for t in (torch.tensor(0.002, dtype=torch.float64), torch.full((4,), 0.002, dtype=torch.float64)):
        assert torch.equal(consistency_function(lambda x, t: 1e6 * x**2, x, t, 0.002, 0.5), x)


def test_the_map_by_hand():
    x, t = torch.tensor([[2.0, -1.0]], dtype=torch.float64), torch.tensor([1.202], dtype=torch.float64)
    skip, out = 0.25 / (1.2**2 + 0.25), 1.2 * 0.5 / math.sqrt(1.202**2 + 0.25)
    value = consistency_function(lambda x, t: x + t[:, None], x, t, 0.002, 0.5)
    assert value.flatten().tolist() == pytest.approx([skip * 2 + out * 3.202, -skip + out * 0.202], rel=1e-12)


def test_grid_grows_from_2_to_150_with_the_square_root_of_progress():
    sizes = [grid_size(torch.tensor(p), 2, 150).item() for p in (0.0, 1e-6, 0.25, 0.5, 1.0)]
    expected = [math.ceil(math.sqrt(p * (150**2 - 4) + 4) - 1) + 1 for p in (0.0, 1e-6, 0.25, 0.5, 1.0)]
    assert sizes == expected
    assert (sizes[0], sizes[1], sizes[-1]) == (2, 3, 150)
    assert [grid_size(torch.tensor(p), 5, 9).item() for p in (0.0, 0.25, 1.0)] == [5, 7, 9]


def test_times_are_neighbours_on_the_published_grid():
    for points in (2, 3, 18, 150):
        uniform = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
        lower, upper = neighbouring_times(uniform, torch.tensor(float(points), dtype=torch.float64), SCALE)
        grid = [published_time(i, points) for i in range(points)]
        pairs = {(round(a, 9), round(b, 9)) for a, b in zip(lower.tolist(), upper.tolist(), strict=True)}
        assert pairs == {(round(a, 9), round(b, 9)) for a, b in pairwise(grid)}


def test_both_ends_of_a_pair_carry_the_same_noise():
    seen = {}

    def spy(name):
        return lambda x, t: seen.setdefault(name, (x, t))[0]

    act, noise = torch.randn(2, 6, 2, dtype=torch.float64)
    lower, upper = torch.rand(2, 6, dtype=torch.float64) + torch.tensor([[0.1], [2.0]])
    error = consistency_training_error(spy("online"), spy("teacher"), act, noise, lower, upper)
    assert torch.equal(seen["online"][1], upper)
    assert torch.equal(seen["teacher"][1], lower)
    for x, t in seen.values():
        torch.testing.assert_close((x - act) / t[:, None], noise)
    torch.testing.assert_close(error, ((upper - lower)[:, None] * noise).square().mean(dim=1))


def test_the_teacher_gets_no_gradient():
    online, teacher = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    act, noise, times = torch.randn(3, 2), torch.randn(3, 2), torch.rand(2, 3) + 0.1
    error = consistency_training_error(
        lambda x, t: online * x, lambda x, t: teacher * x, act, noise, times[0], times[0] + times[1]
    )
    error.mean().backward()
    assert teacher.grad is None
    assert online.grad.abs().sum() > 0


def test_loss_by_hand():
    """Networks F = c: online 1, teacher 3; of three times, the interval from the middle one to 80."""
    act, noise, lower, upper = 0.5, 0.1, published_time(1, 3), 80.0
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    batch = Batch(zeros, zeros + act, zeros[0], zeros, zeros[0])
    networks = {
        "actor": lambda obs, x, features: torch.ones_like(x),
        "actor_ema": lambda obs, x, features: 3 * torch.ones_like(x),
    }
    draws = {"noise": zeros + noise, "times": zeros[0] + 0.2}
    algorithm = ConsistencyBC(first_grid=3)
    loss, logged = algorithm.actor_loss(networks, batch, draws, torch.zeros((), dtype=torch.float64))

    def f(t, network):
        skip, out = 0.25 / ((t - 0.002) ** 2 + 0.25), 0.5 * (t - 0.002) / math.sqrt(t**2 + 0.25)
        return skip * (act + t * noise) + out * network

    error = (f(upper, 1) - f(lower, 3)) ** 2
    assert logged["loss/consistency"].item() == pytest.approx(error, rel=1e-9)
    assert loss.item() == pytest.approx(100 / (upper - lower) * error, rel=1e-9)


def test_the_grid_follows_the_progress_of_the_whole_run():
    seen = []

    def actor(obs, x, features):
        seen.append(x)
        return torch.zeros_like(x)

    batch = Batch(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1), torch.zeros(1, 1), torch.zeros(1))
    draws = {"noise": torch.ones(1, 1), "times": torch.tensor([0.0])}
    for progress, points in ((0.0, 2), (0.25, 76), (1.0, 150)):
        seen.clear()
        ConsistencyBC().actor_loss({"actor": actor, "actor_ema": actor}, batch, draws, torch.tensor(progress))
        lower, upper = sorted(x.item() for x in seen)
        assert upper == pytest.approx(80.0, rel=1e-5)
        assert lower == pytest.approx(published_time(points - 2, points), rel=1e-4)


def test_sampling_times():
    assert sampling_times(1, 2.0, 80.0) == [80.0]
    assert sampling_times(2, 2.0, 80.0) == [80.0, 2.0]
    assert sampling_times(4, 2.0, 80.0) == pytest.approx([80.0, 54.0, 28.0, 2.0])
    with pytest.raises(ValueError, match="nfe"):
        sampling_times(0, 2.0, 80.0)


def test_sampler_by_hand():
    def f(x, t):
        return x / (10 * t) + 0.1

    noise = torch.tensor([[[0.5]], [[-1.0]], [[2.0]]], dtype=torch.float64)
    first = 0.5 / 10 + 0.1
    second = (first - math.sqrt(4 - 0.002**2)) / 20 + 0.1
    for nfe, expected in ((1, first), (2, second)):
        act = multistep_sample(f, noise, sampling_times(nfe, 2.0, 80.0), 0.002)
        assert act.item() == pytest.approx(expected, rel=1e-12)
    act = multistep_sample(f, noise, [79.93, 2.13], 0.002)  # no numbers of single precision
    first = 0.5 / 10 + 0.1
    assert act.item() == pytest.approx((first - math.sqrt(2.13**2 - 0.002**2)) / 21.3 + 0.1, rel=1e-12)
    for outside, edge in ((5.0, 1.0), (-5.0, -1.0)):
        act = multistep_sample(lambda x, t, outside=outside: 0.0 * x + outside, noise, [80.0], 0.002)
        assert act.item() == edge
    with pytest.raises(ValueError, match="nfe = 4 .*got 3"):
        multistep_sample(f, noise, sampling_times(4, 2.0, 80.0), 0.002)


def test_with_the_exact_map_of_a_gaussian_samples_have_its_mean_and_spread():
    """For N(m, s^2) the flow scales distances to m by std(t): f(x, t) = m + (x - m) std(t_min) / std(t)."""

    def f(x, t):
        return 0.2 + (x - 0.2) * ((0.1**2 + 0.002**2) / (0.1**2 + t**2)).sqrt()

    noise = torch.randn(5, 40_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for nfe in (1, 2, 5):
        act = multistep_sample(f, noise, sampling_times(nfe, 2.0, 80.0), 0.002)
        assert float(act.mean()) == pytest.approx(0.2, abs=0.003)
        assert float(act.std()) == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"t_last": 0.001}, "0 < t_min < t_last <= t_max is required, got t_min=0.002, t_last=0.001"),
        ({"t_max": 1.0}, "0 < t_min < t_last <= t_max is required"),
        ({"first_grid": 1}, "2 <= first_grid <= last_grid is required, got 1 and 150"),
        ({"sigma_data": 0.0}, "sigma_data must be finite and positive, got 0.0"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ConsistencyBC(**settings)
