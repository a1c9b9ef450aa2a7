"""The world model's mathematics against numbers known in advance."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from gtp import networks
from gtp.algorithms.mbdpo import PRESETS
from gtp.world_model import losses
from gtp.world_model.model import WorldModel
from gtp.world_model.networks import (
    GaussianPrior,
    NormedMLP,
    RunningMoments,
    RunningScale,
    ValueHeads,
    mish,
    simplices,
)
from gtp.world_model.regression import cross_entropy, decode, symexp, symlog, two_hot


def still(**functions) -> WorldModel:
    """A model whose functions are given; those that are not must not be called."""
    return WorldModel(**dict.fromkeys(WorldModel._fields) | functions)


def test_symexp_undoes_symlog():
    x = torch.tensor([-2e4, -3.0, -1e-3, 0.0, 0.5, 7.0, 2e4], dtype=torch.float64)
    torch.testing.assert_close(symexp(symlog(x)), x)
    assert symlog(torch.tensor(math.e - 1.0)).item() == pytest.approx(1.0)


@pytest.mark.parametrize("bins", [51, 101])
def test_a_two_hot_number_decodes_to_itself(bins):
    y = torch.tensor([-2.0e4, -12.3, -0.4, 0.0, 0.07, 1.0, 55.5, 2.0e4], dtype=torch.float64)
    mass = two_hot(y, bins)
    assert ((mass > 0).sum(-1) <= 2).all()
    torch.testing.assert_close(mass.sum(-1), torch.ones_like(y))
    # Logits of a two-hot target: its logarithm; what is far off is as good as impossible.
    torch.testing.assert_close(decode(mass.clamp(min=1e-300).log()), y, rtol=1e-9, atol=1e-9)


def test_numbers_beyond_the_bins_count_as_the_last_bin():
    assert two_hot(torch.tensor(1e9), 51).argmax() == 50
    assert two_hot(torch.tensor(-1e9), 51).argmax() == 0


def test_the_cross_entropy_is_least_at_the_target():
    y = torch.tensor(3.7, dtype=torch.float64)
    logits = torch.zeros(51, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(500):
        optimizer.zero_grad()
        cross_entropy(logits, y).backward()
        optimizer.step()
    assert decode(logits.detach()).item() == pytest.approx(3.7, abs=0.01)


def test_latents_are_simplices_of_eight():
    x = torch.randn(5, 24)
    expected = torch.cat([group.softmax(-1) for group in x.split(8, dim=-1)], dim=-1)
    torch.testing.assert_close(simplices(x), expected)
    torch.testing.assert_close(simplices(x + 100.0), expected, rtol=1e-4, atol=1e-5)  # whose exp is inf


def test_the_fast_activation_is_mish():
    x = torch.linspace(-30.0, 50.0, 1001)
    with torch.inference_mode():
        torch.testing.assert_close(mish(x), nn.functional.mish(x))
    # Training and what is compiled take the differentiable one, to the bit.
    assert torch.equal(mish(x), networks.mish(x))


def test_weights_of_steps_have_the_precision_of_the_values():
    values = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    assert losses.discounted(values, 0.7).item() == pytest.approx((1.0 + 1.4 + 1.47) / 3, rel=1e-12)


def test_value_heads_are_independent_mlps():
    heads = ValueHeads((5, 8, 8, 11), 3)
    for parameter in heads.parameters():
        nn.init.normal_(parameter)
    latent, act = torch.randn(4, 7, 3), torch.randn(4, 7, 2)
    logits = heads(latent, act)
    assert logits.shape == (3, 4, 7, 11)
    for i in range(3):
        single = NormedMLP((5, 8, 8, 11))
        leaves = {"output.weight": heads.output_weight[i].T, "output.bias": heads.output_bias[i, 0]}
        for j in range(2):
            leaves |= {
                f"hidden.{j}.weight": heads.weight[j][i].T,
                f"hidden.{j}.bias": heads.bias[j][i, 0],
                f"norms.{j}.weight": heads.scale[j][i, 0],
                f"norms.{j}.bias": heads.shift[j][i, 0],
            }
        torch.testing.assert_close(logits[i], functional_call(single, leaves, (latent, act)))


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("release_1", 1.67),
        ("full", 5.97),
        ("release_19", 20.92),
        ("release_48", 53.57),
        ("release_317", 340.2),
    ],
)
def test_the_release_has_as_many_parameters(name, millions):
    """Published for 39 observations, 6 actions and 80 tasks, whose vectors of 96 enter every network."""
    own, task = PRESETS[name], 96
    hidden, pair = (own.width, own.width), own.latent + 6 + task
    encoder = (own.encoder_width,) * own.encoder_layers
    with torch.device("meta"):
        parts = [
            NormedMLP((39 + task, *encoder, own.latent), latent=True),
            NormedMLP((pair, *hidden, own.latent), latent=True),
            NormedMLP((pair, *hidden, own.bins)),
            ValueHeads((pair, *hidden, own.bins), own.heads),
            NormedMLP((own.latent + task, *hidden, 2 * 6)),
            NormedMLP((pair, *hidden, 1)),
        ]
    count = 80 * task + sum(p.numel() for part in parts for p in part.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.005)


def test_losses_weigh_steps_by_powers_of_rho_and_divide_by_the_horizon():
    latents, targets = torch.full((3, 2, 4), 0.5), torch.full((3, 2, 4), 1.5)
    targets[1] += 1.0
    assert losses.consistency_loss(latents, targets, 0.5).item() == pytest.approx((1 + 0.5 * 4 + 0.25) / 3)
    logits = torch.zeros(2, 3, 5, 51)  # two heads
    assert losses.value_loss(logits, torch.zeros(3, 5), 0.5).item() == pytest.approx(
        math.log(51) * (1 + 0.5 + 0.25) / 3, rel=1e-6
    )


def test_losses_of_rewards_and_of_ends_by_hand():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 51, generator=generator, dtype=torch.float64)
    reward = torch.tensor([[0.5, -2.0, 7.0], [0.0, 1.0, 30.0]], dtype=torch.float64)
    entropy = [
        -(two_hot(y, 51) * row.log_softmax(-1)).sum().item()
        for rows, ys in zip(logits, reward, strict=True)
        for row, y in zip(rows, ys, strict=True)
    ]
    expected = (sum(entropy[:3]) / 3 + 0.7 * sum(entropy[3:]) / 3) / 2
    assert losses.reward_loss(logits, reward, 0.7).item() == pytest.approx(expected)
    ends = torch.tensor([[[2.0], [-1.0]]], dtype=torch.float64)
    chance = [1.0 / (1.0 + math.exp(-2.0)), 1.0 / (1.0 + math.exp(1.0))]
    by_hand = -(math.log(chance[0]) + math.log(1.0 - chance[1])) / 2
    assert losses.termination_loss(ends, torch.tensor([[1.0, 0.0]]).double()).item() == pytest.approx(by_hand)


def test_the_anchors_loss_is_that_of_telling_two_kinds_apart():
    positive, negative = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 3.0]])
    right = [math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(2.0))]
    wrong = [math.log(1 + math.exp(0.5)), math.log(1 + math.exp(3.0))]
    expected = sum(right) / 4 + sum(wrong) / 4
    assert losses.anchor_loss(positive, negative).item() == pytest.approx(expected)


def test_the_priors_loss_by_hand():
    """-(q / S + entropy ent) with ent = A sum (z^2 / 2 + log std + log(2 pi) / 2), two steps of 3 numbers."""
    noise = torch.tensor([[[1.0, -2.0, 0.7]], [[0.5, 0.0, -1.1]]], dtype=torch.float64)
    log_std = torch.tensor([[[0.1, -0.3, 0.2]], [[0.0, 0.4, -0.6]]], dtype=torch.float64)
    q = torch.tensor([[4.0], [-2.0]], dtype=torch.float64)
    loss = losses.prior_loss(q, log_std, noise, torch.tensor(2.0), 0.5, 0.1)
    steps = []
    for t in range(2):
        logs = [0.5 * z**2 + s for z, s in zip(noise[t, 0].tolist(), log_std[t, 0].tolist(), strict=True)]
        steps.append(q[t].item() / 2.0 + 0.1 * 3 * (sum(logs) + 1.5 * math.log(2 * math.pi)))
    assert loss.item() == pytest.approx(-(steps[0] + 0.5 * steps[1]) / 2)


def test_percentiles_of_one_and_of_two_numbers():
    one, two = torch.tensor([3.0]), torch.tensor([3.0, 5.0])
    assert [losses.percentile(one, share).item() for share in (0.05, 0.95)] == [3.0, 3.0]
    found = [losses.percentile(two, share).item() for share in (0.0, 0.25, 1.0)]
    assert found == pytest.approx([3.0, 3.5, 5.0])


def test_networks_begin_as_the_release_says():
    torch.manual_seed(0)
    network, nothing = NormedMLP((200, 100, 300)), NormedMLP((4, 8, 3), zero=True)
    for weight in (network.hidden[0].weight, network.output.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert not network.output.bias.any()
    assert not network.hidden[0].bias.any()
    assert not nothing.output.weight.any()
    assert nothing.hidden[0].weight.any()
    heads = ValueHeads((200, 100, 11), 2)
    assert not heads(torch.randn(4, 150), torch.randn(4, 50)).any()
    assert heads.weight[0].std().item() == pytest.approx(0.02, rel=0.03)
    assert not torch.equal(*heads.weight[0])
    assert [moment.item() for moment in RunningMoments()()] == [0.0, 1.0]
    assert RunningScale()().item() == 1.0


def test_the_priors_deviation_lies_between_its_bounds():
    prior = GaussianPrior((8, 8, 4))
    with torch.no_grad():
        prior.body.output.weight.zero_()
        prior.body.output.bias.copy_(torch.tensor([0.3, -0.7, 50.0, -50.0]))
    mean, log_std = prior(torch.randn(8))
    assert mean.tolist() == pytest.approx([0.3, -0.7])
    assert log_std.tolist() == pytest.approx([2.0, -10.0])
    with torch.no_grad():
        prior.body.output.bias.zero_()
    assert prior(torch.randn(8))[1].tolist() == [-4.0, -4.0]


def test_an_mlp_of_latents_ends_on_simplices():
    network = NormedMLP((3, 16, 24), latent=True)
    groups = network(torch.randn(5, 3)).unflatten(-1, (3, 8))
    torch.testing.assert_close(groups.sum(dim=-1), torch.ones(5, 3))


def test_the_anchor_is_normalised_and_clipped():
    model = still(anchor=lambda z, a: a, anchor_moments=lambda: (torch.tensor(1.0), torch.tensor(2.0)))
    act = torch.tensor([[2.0], [11.0], [12.0], [-9.0], [-10.0]])
    assert model.normalized_anchor(act, act).tolist() == [0.5, 5.0, 5.0, -5.0, -5.0]


def test_an_action_of_the_prior_and_the_latents_that_actions_lead_to():
    model = still(prior=lambda z: (z, torch.full_like(z, math.log(0.5))), dynamics=lambda z, a: 2.0 * z + a)
    assert model.sample(torch.tensor([0.3]), torch.tensor([1.0])).item() == pytest.approx(math.tanh(0.8))
    path = model.rollout(torch.tensor([[1.0]]), torch.tensor([[[0.5]], [[-1.0]]]))
    assert path.flatten().tolist() == [1.0, 2.5, 4.0]


def test_the_released_pairing_gives_two_of_768_their_own_action():
    steps, batch = 3, 256
    own = torch.arange(steps * batch).reshape(steps, batch, 1)
    assert (losses.scrambled(own) == own).sum() == 2


def test_the_hardest_of_three_negatives_is_taken():
    """F grows with the action; the candidates of one dimension can then be said by hand."""
    model = still(
        prior=lambda z: (torch.zeros(*z.shape[:-1], 1), torch.full((*z.shape[:-1], 1), -20.0)),
        anchor=lambda z, a: a,
    )
    jitter = torch.tensor([[[1.0], [-1.0], [-4.0], [4.0]]])
    uniform = torch.tensor([[[0.2], [0.9], [0.1], [0.6]]])
    inputs = (torch.zeros(1, 4, 8), torch.zeros(1, 4, 1), jitter, uniform)
    found = losses.hard_negatives(model, *inputs)
    torch.testing.assert_close(found[0, :, 0], torch.tensor([0.5, 0.8, 0.0, 1.0]))
    falling = model._replace(anchor=lambda z, a: -a)
    found = losses.hard_negatives(falling, *inputs)
    torch.testing.assert_close(found[0, :, 0], torch.tensor([-0.6, -0.5, -1.0, 0.0]))


def test_averages_and_negatives_send_no_gradient():
    latents = torch.randn(2, 3, 4, requires_grad=True)
    model = still(prior=lambda z: (z, z), anchor=lambda z, a: (z + a).sum(dim=-1, keepdim=True))
    draws = [torch.rand(2, 3, 4) for _ in range(3)]
    scale = torch.tensor(2.0)
    moments = losses.moved_moments(torch.tensor(0.0), scale, latents, latents)
    moved = (losses.moved_scale(scale, latents[0, 0]), *moments.values())
    negatives = losses.hard_negatives(model, latents, *draws)
    assert negatives.shape == latents.shape
    for value in (negatives, *moved):
        assert not value.requires_grad


def test_the_anchor_tells_the_action_of_a_state_from_that_of_another():
    """a = s / 2: fitted to true pairs F separates (s, a(s)) from (s, a(s')), to scrambled ones not."""
    generator = torch.Generator().manual_seed(0)

    def separation(scrambled: bool) -> float:
        torch.manual_seed(0)
        network = NormedMLP((2, 32, 32, 1), zero=True)
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        model = still(
            prior=lambda z: (torch.zeros_like(z), torch.zeros_like(z)),
            anchor=lambda z, a: network(z, a),
        )
        for _ in range(300):
            state = 2.0 * torch.rand(3, 64, 1, generator=generator) - 1.0
            act = 0.5 * state
            noise = [torch.randn(3, 64, 1, generator=generator) for _ in range(2)]
            negative = losses.hard_negatives(model, state, *noise, torch.rand(3, 64, 1, generator=generator))
            paired = losses.scrambled(act) if scrambled else act
            optimizer.zero_grad()
            losses.anchor_loss(network(state, paired), network(state, negative)).backward()
            optimizer.step()
        state = torch.linspace(-1.0, 1.0, 101)[:, None]
        other = torch.where(state > 0, state - 1.0, state + 1.0)
        return (network(state, 0.5 * state) - network(state, 0.5 * other)).mean().item()

    assert separation(scrambled=False) > 2.0
    assert abs(separation(scrambled=True)) < 0.5


def test_the_running_scale_follows_the_spread_of_q():
    q = torch.randn(257, generator=torch.Generator().manual_seed(0)) * 30.0
    low, high = np.percentile(q.numpy(), [5, 95])
    moved = losses.moved_scale(torch.tensor(2.0), q)
    assert moved.item() == pytest.approx(2.0 + 0.01 * (high - low - 2.0), rel=1e-5)
    assert losses.moved_scale(torch.tensor(1.0), 1e-3 * q).item() == pytest.approx(1.0)


def test_the_moments_of_the_anchor_move_by_a_hundredth():
    positive, negative = torch.full((3, 4, 1), 5.0), torch.full((3, 4, 1), 1.0)
    moved = losses.moved_moments(torch.tensor(0.0), torch.tensor(1.0), positive, negative)
    assert moved["mean"].item() == pytest.approx(0.03)
    std = np.std([5.0] * 12 + [1.0] * 12, ddof=1)
    assert moved["std"].item() == pytest.approx(0.99 + 0.01 * std)
    still_one = losses.moved_moments(torch.tensor(0.0), torch.tensor(0.0), positive, positive)
    assert still_one["std"].item() == pytest.approx(1e-8, rel=1e-4, abs=0.0)


def test_entropy_pushes_the_deviation_up_and_q_is_divided_by_its_scale():
    noise = torch.randn(4, 32, 2, generator=torch.Generator().manual_seed(0))
    log_std = torch.zeros(4, 32, 2, requires_grad=True)
    losses.prior_loss(torch.zeros(4, 32), log_std, noise, torch.tensor(1.0), 0.5, 1e-2).backward()
    assert (log_std.grad < 0).all()
    q = torch.full((4, 32), 6.0)
    value = losses.prior_loss(q, log_std, noise, torch.tensor(3.0), 1.0, 0.0)
    assert value.item() == pytest.approx(-2.0)


def test_two_heads_of_several_are_chosen_by_preference():
    values = torch.tensor([1.0, 2.0, 4.0, 8.0])

    def heads(z, a):  # two-hot logits of a constant for each head
        logits = two_hot(values.double(), 101).clamp(min=1e-300).log()
        return logits[:, None, :].expand(4, len(z), 101)

    model = still(values=heads)
    z, a = torch.zeros(2, 8), torch.zeros(2, 1)
    joint = model.value(z, a, torch.tensor([0.1, 0.9, 0.2, 0.8]))
    torch.testing.assert_close(joint, torch.full((2,), 5.0, dtype=torch.float64))
    each = model.value(z, a, torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.2, 0.0], [0.8, 0.8]]))
    torch.testing.assert_close(each, torch.tensor([5.0, 4.5], dtype=torch.float64))
