"""The precision of matrix products: tried before it is believed, and back as it was afterwards."""

from dataclasses import replace

import pytest
import torch

from gtp import algorithms
from gtp.config import Execution
from gtp.errors import UserError
from gtp.training import learner, precision
from gtp.training.learner import Learner
from gtp.training.loop import train
from gtp.training.precision import TOO_FINE, products_in, require_precision
from gtp.training.samplers import sampler_for
from tests.unit.training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")


@pytest.fixture
def plain(monkeypatch):
    """A device that takes float32 products whatever it is asked for, and has no instructions for bfloat16."""
    monkeypatch.setattr(precision.torch, "set_float32_matmul_precision", lambda name: None)
    monkeypatch.setattr(precision, "CPU_INSTRUCTIONS", ())


def test_what_is_tried_is_a_number_that_tf32_cannot_hold():
    """It is nearer to 1 than to the next number."""
    assert 1.0 < TOO_FINE < 1.0 + 2.0**-10 / 2
    assert torch.tensor(TOO_FINE) > 1.0  # in float32


@pytest.mark.parametrize(("name", "needed"), [("tf32", "an NVIDIA GPU"), ("bfloat16", "AVX512-BF16 or AMX")])
def test_a_device_that_multiplies_in_float32_is_refused(plain, name, needed):
    require_precision("float32", CPU)
    with pytest.raises(
        UserError, match=f"matmul_precision {name} needs .*{needed}.* this cpu .*: choose float32"
    ):
        require_precision(name, CPU)


def test_a_device_that_rounds_to_tf32_is_taken(monkeypatch):
    monkeypatch.setattr(precision, "TOO_FINE", 1.0)  # as if it had been rounded
    require_precision("tf32", CPU)


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_that_multiplies_in_bfloat16_is_taken(monkeypatch, instructions):
    monkeypatch.setattr(precision.torch.cpu, "get_capabilities", lambda: {"avx2": True, instructions: True})
    require_precision("bfloat16", CPU)
    monkeypatch.setattr(precision.torch.cpu, "get_capabilities", lambda: {"avx2": True, instructions: False})
    with pytest.raises(UserError, match="matmul_precision bfloat16"):
        require_precision("bfloat16", CPU)


def test_a_gpu_is_asked_for_bfloat16_that_is_not_emulated(monkeypatch):
    answers = {False: True}
    monkeypatch.setattr(
        precision.torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: answers[including_emulation],
    )
    require_precision("bfloat16", torch.device("cuda"))
    answers[False] = False
    with pytest.raises(UserError, match="this cuda does not multiply in it"):
        require_precision("bfloat16", torch.device("cuda"))


def test_a_refused_run_leaves_nothing(plain, tmp_path):
    config = replace(CONFIG, matmul_precision="bfloat16")
    with pytest.raises(UserError, match="matmul_precision bfloat16"):
        train(
            algorithms.get("iql")(),
            config,
            tiny_transitions(),
            (0,),
            output=tmp_path / "run",
            checkpoints=tmp_path / "checkpoints",
            execution=Execution(device="cpu", compile="off"),
        )
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("name", "setting"), [("float32", "highest"), ("tf32", "high"), ("bfloat16", "highest")]
)
def test_updates_are_taken_in_it_and_nothing_else_is(monkeypatch, name, setting):
    monkeypatch.setattr(learner, "require_precision", lambda precision, device: None)
    config = replace(CONFIG, matmul_precision=name)
    made = Learner(algorithms.get("iql")(), config, 3, 2, [0], CPU, compiled=False)
    sampler = sampler_for(made.algorithm, tiny_transitions(), config, CPU)
    seen = []

    def spy(*inputs):
        seen.append(torch.get_float32_matmul_precision())
        return torch.zeros(1, 1)

    monkeypatch.setattr(made, "_update", spy)
    made.update(sampler, *next(made.inputs(sampler)))
    assert seen == [setting]
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_setting_is_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError), products_in("tf32"):
        1 / 0  # noqa: B018
    assert torch.get_float32_matmul_precision() == "highest"
