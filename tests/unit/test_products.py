"""Products between hidden layers in bfloat16: what is rounded, and that nothing else is."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gtp import algorithms
from gtp.networks import MLP, Sizes, TwinQ, mish
from gtp.products import HiddenLinear, batched_affine, rounded_product, with_rounded_products
from gtp.training.learner import Learner, initialise
from gtp.training.samplers import sampler_for
from gtp.world_model.networks import NormedMLP, ValueHeads
from tests.unit.training_fixtures import CONFIG, small_method, tiny_transitions

CPU = torch.device("cpu")
HALF = 2.0**-8
"""Largest error of rounding to bfloat16, as a share of the number."""
SIZES = Sizes(observation=3, action=2, hidden=16, layers=3)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rounded_copy(module: nn.Module) -> nn.Module:
    return with_rounded_products({"it": module})["it"]


def bfloat(x: Tensor) -> Tensor:
    """Rounded to bfloat16, and exact from there on."""
    return x.bfloat16().double()


def test_a_product_is_that_of_rounded_factors():
    """1 + 2^-9 is no number of bfloat16, whose next one is 1 + 2^-7."""
    fine, coarse = torch.full((4, 4), 1.0 + 2.0**-9), torch.full((4, 4), 1.0 + 2.0**-7)
    assert rounded_product(fine, torch.eye(4)).tolist() == torch.ones(4, 4).tolist()
    assert rounded_product(torch.eye(4), fine).tolist() == torch.ones(4, 4).tolist()
    assert rounded_product(coarse, torch.eye(4)).tolist() == coarse.tolist()
    assert rounded_product(fine, torch.eye(4)).dtype == torch.float32


def test_a_product_is_summed_in_float32():
    """A sum of 4096 ones in bfloat16 would stop at 256."""
    assert rounded_product(torch.ones(1, 4096), torch.ones(4096, 1)).item() == 4096.0


def test_a_product_agrees_with_float64_of_the_rounded_factors():
    x, weight = noise(5, 32), noise(32, 7, seed=1)
    expected = bfloat(x) @ bfloat(weight)
    torch.testing.assert_close(rounded_product(x, weight).double(), expected, rtol=HALF, atol=1e-6)
    assert (rounded_product(x, weight).double() - x.double() @ weight.double()).abs().max() > 1e-3


def test_gradients_are_products_of_rounded_factors():
    x, weight, out = noise(5, 32).requires_grad_(), noise(32, 7, seed=1).requires_grad_(), noise(5, 7, seed=2)
    to_x, to_weight = torch.autograd.grad((rounded_product(x, weight) * out).sum(), (x, weight))
    near = {"rtol": HALF, "atol": 1e-6}
    torch.testing.assert_close(to_x.double(), bfloat(out) @ bfloat(weight).mT, **near)
    torch.testing.assert_close(to_weight.double(), bfloat(x).mT @ bfloat(out), **near)


def test_a_bias_is_not_rounded():
    layer = HiddenLinear(4, 4)
    x = noise(3, 4)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    layer.rounded = True
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, 1.0 + 2.0**-20)
    assert layer(noise(3, 4)).tolist() == layer.bias.expand(3, 4).tolist()
    bias = layer.bias.detach().expand(2, 1, 4)
    assert batched_affine(bias, noise(2, 3, 4), torch.zeros(2, 4, 4), rounded=True).equal(
        bias.expand(2, 3, 4)
    )


def test_heads_are_affine_with_and_without_rounding():
    bias, x, weight = noise(2, 1, 3), noise(2, 5, 8, seed=1), noise(2, 8, 3, seed=2)
    exact = bias.double() + x.double() @ weight.double()
    torch.testing.assert_close(
        batched_affine(bias, x, weight, rounded=False).double(), exact, rtol=1e-5, atol=1e-5
    )
    expected = bias.double() + bfloat(x) @ bfloat(weight)
    torch.testing.assert_close(
        batched_affine(bias, x, weight, rounded=True).double(), expected, rtol=HALF, atol=HALF
    )


def test_an_mlp_rounds_between_hidden_layers_alone():
    network = MLP(5, 2, 16, 2)
    first, second = network.hidden
    x = noise(6, 5)
    hidden = bfloat(mish(first(x))) @ bfloat(second.weight).mT
    expected = network.output(mish((hidden.float()) + second.bias))
    torch.testing.assert_close(rounded_copy(network)(x), expected, rtol=0.0, atol=HALF)
    assert not torch.equal(rounded_copy(network)(x), network(x))


@pytest.mark.parametrize(
    ("one", "two", "inputs"),
    [
        (MLP(5, 2, 16, 1), MLP(5, 2, 16, 2), [noise(6, 5)]),
        (TwinQ(Sizes(3, 2, 16, 1)), TwinQ(Sizes(3, 2, 16, 2)), [noise(6, 3), noise(6, 2)]),
        (NormedMLP((5, 16, 2)), NormedMLP((5, 16, 16, 2)), [noise(6, 5)]),
        (ValueHeads((5, 16, 4), 2), ValueHeads((5, 16, 16, 4), 2), [noise(6, 3), noise(6, 2)]),
    ],
    ids=["MLP", "TwinQ", "NormedMLP", "ValueHeads"],
)
def test_the_first_and_the_last_layer_never_round(one, two, inputs):
    """With one hidden layer there is nothing between two; with two there is."""
    for network in (one, two):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.5)
    assert torch.equal(rounded_copy(one)(*inputs), one(*inputs))
    difference = (rounded_copy(two)(*inputs) - two(*inputs)).abs().max()
    assert 0.0 < difference < 0.1 * two(*inputs).abs().max()


def test_the_networks_that_are_copied_stay_as_they_are():
    network = TwinQ(SIZES)
    inputs = noise(6, 3), noise(6, 2)
    before = network(*inputs)
    copied = rounded_copy(network)
    assert torch.equal(network(*inputs), before)
    assert not torch.equal(copied(*inputs), before)
    assert copied.state_dict().keys() == network.state_dict().keys()


def test_layers_of_other_kinds_stay_in_float32():
    network = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 2))
    assert torch.equal(rounded_copy(network)(noise(6, 5)), network(noise(6, 5)))


@pytest.mark.parametrize("name", algorithms.names())
def test_every_network_with_two_hidden_layers_rounds(name):
    algorithm = small_method(name)
    modules, _ = initialise(algorithm, SIZES, [0], CPU)
    copies = with_rounded_products(modules)
    rounding = {
        name for name, copy in copies.items() if any(hasattr(part, "rounded") for part in copy.modules())
    }
    weights = {
        name: sum("weight" in leaf and value.ndim > 1 for leaf, value in module.named_parameters())
        for name, module in modules.items()
    }
    assert rounding == {name for name, count in weights.items() if count >= 3}


@pytest.fixture
def any_device(monkeypatch):
    """Devices without instructions for bfloat16 are taken too; they are slow."""
    monkeypatch.setattr("gtp.training.learner.require_precision", lambda precision, device: None)


def trained(name: str, precision: str, updates: int, compiled: bool) -> Learner:
    """A learner after some updates of two seeds."""
    algorithm = small_method(name)
    config = replace(CONFIG, matmul_precision=precision, hidden_layers=3, hidden_size=32)
    learner = Learner(algorithm, config, 3, 2, [0, 1], CPU, compiled=compiled)
    sampler = sampler_for(algorithm, tiny_transitions(), config, CPU)
    for _, inputs in zip(range(updates), learner.inputs(sampler), strict=False):
        learner.update(sampler, *inputs)
    return learner


@pytest.mark.parametrize("name", algorithms.names())
def test_every_method_trains_near_float32_and_not_the_same(any_device, name):
    exact, rounded = (trained(name, precision, 1, False).state() for precision in ("float32", "bfloat16"))
    moments = [leaf for leaf in exact if leaf.startswith("first/")]  # of one update: the gradient's share
    assert moments
    assert any(not torch.equal(exact[leaf], rounded[leaf]) for leaf in moments)
    assert all(rounded[leaf].dtype == exact[leaf].dtype for leaf in exact)
    size = torch.stack([exact[leaf].square().sum() for leaf in moments]).sum()
    error = torch.stack([(rounded[leaf] - exact[leaf]).square().sum() for leaf in moments]).sum()
    assert 0.0 < error < 0.05**2 * size


def test_acting_never_rounds(any_device):
    exact, rounded = (trained("gtp", precision, 0, False) for precision in ("float32", "bfloat16"))
    assert all(torch.equal(exact.state()[name], value) for name, value in rounded.state().items())
    obs, act = noise(6, 3), noise(6, 2)
    assert torch.equal(exact.networks()["critic"](obs, act), rounded.networks()["critic"](obs, act))


def test_compiled_updates_round_as_eager_ones(any_device):
    exact = trained("gtp", "float32", 5, True).state()
    eager, compiled = (trained("gtp", "bfloat16", 5, flag).state() for flag in (False, True))
    moved = [name for name in eager if name.startswith("params/")]
    assert any(not torch.equal(exact[name], compiled[name]) for name in moved)
    for name in moved:
        torch.testing.assert_close(compiled[name], eager[name], rtol=0.02, atol=0.01)
