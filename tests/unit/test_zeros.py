"""Zeros of forward-mode derivatives have memory in compiled code, which would read a null pointer."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx

from gtp.training.zeros import StoreZeros

ROOT = Path(__file__).parents[2]


def slope(x: Tensor, fixed: Tensor) -> Tensor:
    """Of the square of a derivative. That of the weight is a zero, as would be that of a state."""
    weight = torch.arange(10.0).reshape(5, 2)

    def product(moved: Tensor) -> Tensor:
        return torch.cat([moved, fixed], dim=1).sin() @ weight

    def square(x: Tensor) -> Tensor:
        return torch.func.jvp(product, (x,), (torch.ones_like(x),))[1].square().sum()

    return torch.func.grad(square)(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_without_memory_become_zeros_with_it(dtype):
    graph = fx.Graph()
    x = graph.placeholder("x")
    zero = graph.call_function(torch.ops.aten._efficientzerotensor.default, ([4, 2],), {"dtype": dtype})
    zero.meta["val"] = torch.zeros(4, 2, dtype=dtype)
    graph.output((graph.call_function(torch.ops.aten.add.Tensor, (x, zero)), zero))
    StoreZeros()(graph)
    graph.lint()
    assert [str(node.target) for node in graph.nodes] == [
        "x",
        "aten.full.default",
        "aten.add.Tensor",
        "output",
    ]
    [full] = graph.find_nodes(op="call_function", target=torch.ops.aten.full.default)
    assert full.meta["val"].dtype == dtype  # later passes of the compiler read it
    moved, stored = fx.GraphModule(torch.nn.Module(), graph)(torch.ones(4, 2))
    assert moved.equal(torch.ones(4, 2, dtype=dtype))
    assert stored.equal(torch.zeros(4, 2, dtype=dtype))
    assert stored.data_ptr() != 0


COMPILED = """
import torch
from gtp.training.compiler import compiled
from tests.unit.test_zeros import slope
inputs = torch.randn(6, 4, 3), torch.randn(6, 4, 2)
expected = torch.vmap(slope)(*inputs)
torch.testing.assert_close(compiled(torch.vmap(slope), torch.device("cpu"))(*inputs), expected)
"""


@pytest.mark.unmutated
def test_compiled_slopes_of_derivatives_are_eager_ones():
    """In a process of its own, which a null pointer would end."""
    subprocess.run([sys.executable, "-c", COMPILED], cwd=ROOT, check=True)
