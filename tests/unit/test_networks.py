"""Networks against torch's own layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gtp.networks import (
    MLP,
    DeterministicActor,
    GaussianActor,
    Sizes,
    StateValue,
    TwinQ,
    action_network,
    gaussian_log_likelihood,
    mish,
    time_features,
)


def test_compiled_mish_is_mish_and_so_is_its_slope():
    """backend="eager" runs what dynamo traced: the formula that compiled training uses."""
    x = torch.linspace(-60.0, 60.0, 4001, dtype=torch.float64, requires_grad=True)
    assert not torch.compiler.is_compiling()
    compiled = torch.compile(mish, backend="eager", fullgraph=True)(x)
    plain = functional.mish(x)
    torch.testing.assert_close(compiled, plain, rtol=1e-14, atol=1e-14)
    (slope,) = torch.autograd.grad(compiled.sum(), x)
    (expected,) = torch.autograd.grad(plain.sum(), x)
    torch.testing.assert_close(slope, expected, rtol=1e-13, atol=1e-13)
    assert not torch.equal(compiled, plain)  # it was not torch's kernel that ran


def test_mish_in_float32_keeps_its_accuracy_far_out():
    x = torch.tensor([-90.0, -20.0, -1.0, 0.0, 1.0, 19.0, 21.0, 1e4])
    compiled = torch.compile(mish, backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(compiled, functional.mish(x.double()).float(), rtol=2e-6, atol=0.0)


SIZES = Sizes(observation=3, action=2, hidden=8, layers=2)


def test_times_are_told_by_eight_frequencies_from_a_half_to_sixteen():
    t = torch.tensor([0.3, -1.7], dtype=torch.float64)
    frequencies = np.geomspace(0.5, 16.0, 8)
    for row, time in zip(time_features(t), t.tolist(), strict=True):
        expected = [*np.sin(time * frequencies), *np.cos(time * frequencies)]
        assert row.tolist() == pytest.approx(expected, rel=1e-5)  # frequencies are float32
    frequencies = np.geomspace(0.5, 16.0, 3)
    assert time_features(torch.tensor(0.7), 6).tolist() == pytest.approx(
        [*np.sin(0.7 * frequencies), *np.cos(0.7 * frequencies)], rel=1e-5
    )


def test_an_mlp_has_its_layers_between_mish_and_a_linear_output():
    network = MLP(5, 2, hidden=8, layers=3)
    x = y = torch.randn(4, 5)
    for layer in network.hidden:
        y = functional.mish(layer(y))
    assert [tuple(layer.weight.shape) for layer in network.hidden] == [(8, 5), (8, 8), (8, 8)]
    torch.testing.assert_close(network(x), network.output(y))


@pytest.mark.parametrize("times", [1, 2])
def test_networks_of_noisy_actions_take_the_features_of_each_time(times):
    network = action_network(SIZES, times)
    features = [time_features(torch.rand(4)) for _ in range(times)]
    assert network(torch.randn(4, 3), torch.randn(4, 2), *features).shape == (4, 2)


def test_axes_in_front_of_the_inputs_are_a_batch():
    torch.manual_seed(0)
    obs, act = torch.randn(6, 5, 3), torch.randn(6, 5, 2)
    gaussian = GaussianActor(SIZES, (-1.0, 0.5))
    for network, inputs in (
        (MLP(5, 2, hidden=8, layers=1), (obs, act)),
        (DeterministicActor(SIZES), (obs,)),
        (StateValue(SIZES), (obs,)),
        (lambda x: gaussian(x)[0], (obs,)),
        (lambda x: gaussian(x)[1], (obs,)),
        (lambda a, b: gaussian_log_likelihood(a, 0.5 * b, 0.1 * a), (act, act)),
        (lambda t: time_features(t), (obs[..., 0],)),
    ):
        for place in (0, 4):
            rows = network(*(x[:, place] for x in inputs))
            torch.testing.assert_close(network(*inputs)[:, place], rows)


def test_the_likelihood_is_that_of_independent_normal_numbers():
    act, mean = torch.tensor([[0.3, -0.9], [2.0, 0.1]]), torch.tensor([[-0.2, 0.4], [0.5, 0.6]])
    log_std = torch.tensor([[0.2, -1.5], [0.0, 0.7]])
    normal = torch.distributions.Normal(mean, log_std.exp())
    torch.testing.assert_close(gaussian_log_likelihood(act, mean, log_std), normal.log_prob(act).sum(dim=1))


def test_critics_normalise_their_hidden_layers_where_they_are_told_to():
    critic = TwinQ(replace(SIZES, critic_layer_norm=True))
    obs, act = torch.randn(4, 3), torch.randn(4, 2)
    with torch.no_grad():
        for leaf in (*critic.scale, *critic.shift):
            leaf += 0.5 * torch.rand_like(leaf)
    q = critic(obs, act)
    for head in range(2):
        x = torch.cat([obs, act], dim=1)
        for i in range(2):
            x = x @ critic.weight[i][head] + critic.bias[i][head]
            x = functional.layer_norm(x, (8,), critic.scale[i][head, 0], critic.shift[i][head, 0])
            x = functional.mish(x)
        x = x @ critic.weight[2][head] + critic.bias[2][head]
        torch.testing.assert_close(q[head], x.squeeze(1))
    plain = TwinQ(SIZES)
    assert len(plain.scale) == len(plain.shift) == 0


def test_critics_begin_as_torchs_layers_do():
    torch.manual_seed(0)
    critic = TwinQ(replace(SIZES, critic_layer_norm=True))
    torch.manual_seed(0)
    heads = [[nn.Linear(a, b) for a, b in ((5, 8), (8, 8), (8, 1))] for _ in range(2)]
    for i in range(3):
        for head in range(2):
            assert torch.equal(critic.weight[i][head], heads[head][i].weight.T)
            assert torch.equal(critic.bias[i][head, 0], heads[head][i].bias)
    assert all((leaf == 1.0).all() for leaf in critic.scale)
    assert all((leaf == 0.0).all() for leaf in critic.shift)


def test_actors_are_bounded_and_values_are_numbers():
    torch.manual_seed(0)
    obs = torch.randn(4, 3)
    actor, value = DeterministicActor(SIZES), StateValue(SIZES)
    torch.testing.assert_close(actor(obs), MLP.forward(actor, obs).tanh())
    assert value(obs).shape == (4,)
    gaussian = GaussianActor(SIZES, (-1.0, 0.5))
    mean, log_std = gaussian(obs)
    torch.testing.assert_close(mean, gaussian.mean(obs).tanh())
    assert torch.equal(log_std, torch.zeros(4, 2))
    with torch.no_grad():
        gaussian.log_std.copy_(torch.tensor([-3.0, 3.0]))
    assert gaussian(obs)[1].tolist() == [[-1.0, 0.5]] * 4
