"""Adam against torch's own, clipping and averaging by hand."""

import pytest
import torch

from gtp.training.optimizer import adam_, average_, clip_by_global_norm


def test_adam_equals_torchs():
    torch.manual_seed(0)
    params = {"a": torch.randn(3, 4, dtype=torch.float64), "b": torch.randn(5, dtype=torch.float64)}
    reference = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimizer = torch.optim.Adam(reference.values(), lr=1e-2)
    first = {name: torch.zeros_like(value) for name, value in params.items()}
    second = {name: torch.zeros_like(value) for name, value in params.items()}
    for step in range(1, 21):
        gradients = {name: torch.randn_like(value) for name, value in params.items()}
        for name, value in reference.items():
            value.grad = gradients[name].clone()
        optimizer.step()
        adam_(params, gradients, first, second, torch.tensor(float(step), dtype=torch.float64), 1e-2)
    for name, value in params.items():
        torch.testing.assert_close(value, reference[name].detach())


def test_clip_scales_the_whole_gradient_to_the_limit():
    gradients = {"one": {"a": torch.tensor([3.0])}, "two": {"a": torch.tensor([4.0])}}
    clipped, norm = clip_by_global_norm(gradients, 1.0)
    assert norm.item() == pytest.approx(5.0)
    assert clipped["one"]["a"].item() == pytest.approx(0.6, rel=1e-5)
    assert clipped["two"]["a"].item() == pytest.approx(0.8, rel=1e-5)


def test_small_gradients_and_limit_zero_pass_unchanged():
    gradients = {"one": {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}}
    assert clip_by_global_norm(gradients, 6.0)[0]["one"]["a"].item() == 3.0
    assert clip_by_global_norm(gradients, 0.0)[0] is gradients


def test_average_by_hand():
    average = {"a": torch.tensor([1.0])}
    average_(average, {"a": torch.tensor([2.0])}, decay=0.9)
    assert average["a"].item() == pytest.approx(1.1)
