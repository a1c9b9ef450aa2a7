"""Networks against torch's own layers."""

import torch
from torch.nn import functional

from gtp.networks import mish


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
