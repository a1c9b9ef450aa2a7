"""Planning by reverse diffusion: its schedule, the identity behind it, and worlds whose optimum is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from gtp.algorithms.mbdpo import MBDPO
from gtp.world_model import planner
from gtp.world_model.model import WorldModel
from gtp.world_model.planner import Search
from gtp.world_model.regression import two_hot

SEARCH = Search(
    horizon=2, samples=256, elites=16, prior_sequences=0, temperature=0.5, discount=0.9, anchor=0.0
)


def logits(y: torch.Tensor) -> torch.Tensor:
    return two_hot(y, 101).clamp(min=1e-30).log()


def world(reward, value=lambda z: torch.zeros(z.shape[:-1]), end=lambda z: torch.full_like(z, -1.0)):
    """A world on a line: z' = z + a, with a reward of (z, a) and a value of z; its prior stands still."""
    return WorldModel(
        dynamics=lambda z, a: z + a,
        reward=lambda z, a: logits(reward(z.squeeze(-1), a.squeeze(-1))),
        values=lambda z, a: logits(value(z)).expand(2, *z.shape[:-1], 101),
        prior=lambda z: (torch.zeros_like(z), torch.full_like(z, -10.0)),
        anchor=lambda z, a: -((a - 0.7) ** 2),
        anchor_moments=lambda: (torch.tensor(0.0), torch.tensor(1.0)),
        termination=end,
    )


def noise(levels: int, search: Search, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(levels - 1, search.noise_rows(2), batch, 1, generator=generator)


def planned(model, levels=20, search=SEARCH, start=0.0) -> torch.Tensor:
    latent = torch.tensor([[start]])
    return planner.plan(model, latent, torch.zeros(search.horizon, 1, 1), noise(levels, search), search)[
        :, 0, 0
    ]


def test_twenty_levels_are_the_published_ones():
    levels = planner.schedule(20)
    assert len(levels) == 19
    assert levels[0].std == pytest.approx(0.327, abs=5e-4)
    assert levels[-1].std == pytest.approx(0.027, abs=5e-4)
    betas = np.linspace(1e-4, 1e-2, 20)
    cumulative = np.cumprod(1.0 - betas)
    assert [level.cumulative for level in levels] == pytest.approx(cumulative[:0:-1].tolist())


@pytest.mark.parametrize("count", [2, 5, 10, 40])
def test_fewer_levels_span_the_same_noise(count):
    assert planner.schedule(count)[0].std == pytest.approx(0.33, abs=0.01)


def test_there_is_nothing_to_denoise_at_one_level():
    assert planner.schedule(1) == []


def test_a_step_arrives_at_the_weighted_mean():
    """x / sqrt(cumulative) after a step is the mean itself: the search is MPPI with a shrinking deviation."""
    generator = torch.Generator().manual_seed(0)
    x, mean = (torch.randn(3, 2, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    levels = planner.schedule(20)
    for level, following in pairwise(levels):
        reached = planner.denoise(x, planner.score(x, mean, level), level)
        torch.testing.assert_close(
            reached / math.sqrt(following.cumulative), mean, rtol=1e-4, atol=1e-5
        )  # 1e-8 in the score


def test_the_score_of_a_gaussian_is_exact():
    """For actions N(m, v), E[a | x] is linear, and Tweedie's formula must give the marginal's score."""
    m, v, level = 0.3, 0.04, planner.schedule(20)[5]
    c = level.cumulative
    x = torch.linspace(-1.0, 1.0, 9, dtype=torch.float64)
    spread = c * v + 1.0 - c
    posterior = m + math.sqrt(c) * v / spread * (x - math.sqrt(c) * m)
    torch.testing.assert_close(
        planner.score(x, posterior, level), -(x - math.sqrt(c) * m) / spread, rtol=1e-5, atol=1e-5
    )


def test_the_optimum_of_a_line_is_found():
    """Each step pays 2 - (a - 0.4)^2; the value asks for nothing."""
    found = planned(world(lambda z, a: 2.0 - (a - 0.4) ** 2))
    assert found.tolist() == pytest.approx([0.4, 0.4], abs=0.05)


def test_the_value_at_the_end_counts():
    """Nothing is paid on the way; the value is best at z = 1.1, which both steps share."""
    found = planned(world(lambda z, a: torch.zeros_like(a), lambda z: 3.0 - (z.squeeze(-1) - 1.1) ** 2))
    assert found.sum().item() == pytest.approx(1.1, abs=0.05)


def test_the_anchor_pulls_towards_the_data():
    flat = world(lambda z, a: torch.zeros_like(a))
    assert planned(flat, search=SEARCH._replace(anchor=1.0)).tolist() == pytest.approx([0.7, 0.7], abs=0.06)
    torn = world(lambda z, a: 2.0 - (a + 0.5) ** 2)
    free, held = (planned(torn, search=SEARCH._replace(anchor=eta))[0].item() for eta in (0.0, 1.0))
    assert free == pytest.approx(-0.5, abs=0.05)
    assert held == pytest.approx(0.1, abs=0.06)  # the middle of -0.5 and 0.7: both pull by the same square


def test_returns_are_those_of_the_specification():
    """Two steps by hand: r + gamma r' + gamma^2 Q, and nothing after the model says that it is over."""
    actions = torch.tensor([0.5, 0.25]).reshape(1, 2, 1, 1)
    zeros, heads = torch.zeros(1, 3, 1, 1), torch.zeros(0, 1)
    latent = torch.tensor([[1.0]])
    pays = world(lambda z, a: z + a, lambda z: 10.0 * z.squeeze(-1))
    _, returns = planner.imagine(pays, latent, actions, zeros, heads, SEARCH)
    assert returns.item() == pytest.approx(1.5 + 0.9 * 1.75 + 0.81 * 17.5, rel=1e-4)
    over = pays._replace(termination=lambda z: z - 1.4)  # the first step arrives at 1.5
    _, returns = planner.imagine(over, latent, actions, zeros, heads, SEARCH)
    assert returns.item() == pytest.approx(1.5, rel=1e-4)


def test_a_return_that_is_no_number_counts_as_nothing():
    broken = world(lambda z, a: torch.where(a > 0.0, torch.nan, 2.0 + 0.0 * a))
    act = torch.tensor([0.5, -0.5]).reshape(2, 1, 1, 1)
    search = SEARCH._replace(horizon=1)
    _, returns = planner.imagine(
        broken, torch.zeros(1, 1), act, torch.zeros(2, 2, 1, 1), torch.zeros(0, 1), search
    )
    assert returns.flatten().tolist() == pytest.approx([0.0, 2.0], abs=1e-4)


def test_a_level_takes_noise_for_each_step_and_for_the_choice_among_more_than_two_heads():
    assert [SEARCH.noise_rows(heads) for heads in (1, 2, 3, 5)] == [768, 768, 771, 773]


def test_the_first_sequences_follow_the_prior():
    moving = world(lambda z, a: torch.zeros_like(a))._replace(
        prior=lambda z: (z, torch.full_like(z, -10.0))  # tanh of the latent itself
    )
    search = SEARCH._replace(prior_sequences=2)
    act = torch.full((4, 2, 1, 1), -0.3)
    taken, _ = planner.imagine(
        moving, torch.tensor([[0.5]]), act, torch.zeros(4, 3, 1, 1), torch.zeros(0, 1), search
    )
    first = math.tanh(0.5)
    assert taken[:2, :, 0, 0].tolist() == [pytest.approx([first, math.tanh(0.5 + first)], abs=1e-3)] * 2
    assert (taken[2:] == -0.3).all()


def test_elites_alone_count():
    returns = torch.tensor([0.0, 1.0, 2.0, 10.0])[:, None]
    act = torch.tensor([9.0, 5.0, 1.0, 2.0]).reshape(4, 1, 1, 1)
    search = SEARCH._replace(elites=2)
    spread = 8.0 / returns.std().item() / 0.5
    weight = 1.0 / (1.0 + math.exp(-spread))
    assert planner.weighted_mean(act, returns, search).item() == pytest.approx(
        2.0 * weight + 1.0 * (1.0 - weight)
    )
    far = planner.weighted_mean(act, returns + 10_000.0, search).item()
    assert far == pytest.approx(2.0 * weight + 1.0 * (1.0 - weight))  # by differences, to the same digits
    alike = planner.weighted_mean(act, torch.zeros(4, 1), SEARCH._replace(elites=0))
    assert alike.item() == pytest.approx(4.25)


def test_environments_are_planned_apart():
    """A batch of starts gives what each gives by itself."""
    model = world(lambda z, a: 2.0 - (z + a - 1.0) ** 2)
    both = noise(5, SEARCH, batch=2)
    starts = torch.tensor([[0.3], [0.8]])
    zeros = torch.zeros(2, 2, 1)
    joint = planner.plan(model, starts, zeros, both, SEARCH)
    for i in range(2):
        alone = planner.plan(model, starts[i : i + 1], zeros[:, i : i + 1], both[:, :, i : i + 1], SEARCH)
        torch.testing.assert_close(joint[:, i : i + 1], alone)


def test_a_plan_begins_where_the_last_one_left_off():
    """Without rewards the mean of many candidates stays near the start: the old plan, shifted."""
    algorithm = MBDPO(eta=0.0, samples=512, elites=0, prior_sequences=0, discount=0.9)
    model = world(lambda z, a: torch.zeros_like(a))
    networks = model._asdict() | {"encoder": lambda obs: obs}
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(algorithm.noise_shape(1, 1, 2), generator=generator)
    memory = {"plan": torch.tensor([[[0.9], [0.5], [-0.5]]])}
    action, kept = algorithm.act_with_memory(networks, torch.zeros(1, 1), draws, 2, memory)
    assert kept["plan"][0, :, 0].tolist() == pytest.approx([0.5, -0.5, 0.0], abs=0.05)
    assert action.item() == kept["plan"][0, 0, 0].item()


def test_one_level_acts_by_the_priors_mean():
    model = world(lambda z, a: torch.zeros_like(a))._replace(
        prior=lambda z: (torch.full_like(z, 0.6), torch.zeros_like(z))
    )
    networks = model._asdict() | {"encoder": lambda obs: obs}
    for algorithm, nfe in ((MBDPO(), 1), (MBDPO(search=False), 5)):
        draws = torch.randn(algorithm.noise_shape(2, 1, nfe))
        action = algorithm.act(networks, torch.zeros(2, 1), draws, nfe)
        assert action.flatten().tolist() == pytest.approx([math.tanh(0.6)] * 2)
