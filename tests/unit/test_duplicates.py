"""What several losses ask for is computed once, and nothing else is merged."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gtp import algorithms
from gtp.training.compiler import compiled
from gtp.training.duplicates import MergeDuplicates
from gtp.training.learner import Learner
from gtp.training.samplers import sampler_for
from tests.unit.training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")


def calls(function, *inputs: Tensor) -> tuple[list[str], list[str]]:
    """Names of the functions that a graph calls, before and after the pass; its result must stay."""
    module = make_fx(function)(*inputs)
    before = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    MergeDuplicates()(module.graph)
    module.recompile()
    after = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    if "rand" not in " ".join(before):
        assert torch.equal(module(*inputs), function(*inputs))
    return before, after


def test_chains_of_duplicates_become_one():
    def twice(x: Tensor) -> Tensor:
        return (x @ x).sin() - 2.0 * (x @ x).sin()

    before, after = calls(twice, torch.ones(3, 3))
    assert before.count("aten.mm.default") == before.count("aten.sin.default") == 2
    assert after.count("aten.mm.default") == after.count("aten.sin.default") == 1
    assert len(after) == len(before) - 2


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.sum(dim=0) + x.sum(dim=1), "aten.sum.dim_IntList"),
        (lambda x: (x + 1) * (x + 1.0), "aten.add.Tensor"),
        (lambda x: x + torch.full((3,), 0.0) - torch.full((3,), -0.0), "aten.full.default"),
        (lambda x: (x @ x.T) - (x.T @ x), "aten.mm.default"),
        (lambda x: x.clamp(min=4.0) - x.clamp(max=4.0), "aten.clamp.default"),
    ],
    ids=["axes", "types", "signs of zero", "orders", "keywords"],
)
def test_calls_that_differ_in_an_argument_stay(function, name):
    before, after = calls(function, torch.arange(9.0).reshape(3, 3))
    assert before.count(name) == after.count(name) == 2


def test_random_numbers_are_drawn_as_often_as_before():
    before, after = calls(lambda x: torch.rand_like(x) - torch.rand_like(x), torch.ones(3))
    assert before == after


def test_what_changes_its_input_stays():
    def change(x: Tensor) -> Tensor:
        y = x.clone()
        y.add_(1.0)
        y.add_(1.0)
        return y

    before, after = calls(change, torch.ones(3))
    assert before == after
    assert before.count("aten.add_.Tensor") == 2


@pytest.fixture
def merged(monkeypatch) -> list[int]:
    """How many matrix products the pass takes out of each graph that is compiled; none comes from a cache."""
    counts = []
    original = MergeDuplicates.__call__

    def products(graph) -> int:
        return sum("mm" in str(node.target) for node in graph.nodes)

    def counting(own, graph) -> None:
        before = products(graph)
        original(own, graph)
        counts.append(before - products(graph))

    monkeypatch.setattr(MergeDuplicates, "__call__", counting)
    monkeypatch.setattr(MergeDuplicates, "uuid", lambda own: torch.rand(()).item())
    return counts


def test_compiled_code_has_the_pass(merged):
    x = torch.randn(5, 7)
    torch.testing.assert_close(compiled(lambda x: x.sin() + x.sin(), CPU)(x), x.sin() + x.sin())
    assert len(merged) == 1


@pytest.mark.parametrize("name", ["iql", "gmpo"])
def test_the_target_critic_is_asked_once_in_an_update(name, merged):
    """The losses of V and of the actor both ask it: products for its hidden layers and its output."""
    learner = Learner(algorithms.get(name)(), CONFIG, 3, 2, [0], CPU, compiled=True)
    sampler = sampler_for(learner.algorithm, tiny_transitions(), learner.config, CPU)
    learner.update(sampler, *next(learner.inputs(sampler)))
    assert merged == [CONFIG.hidden_layers + 1]
