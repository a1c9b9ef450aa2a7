"""What a GPU adds: captured graphs, transfers, numbers of another device. `pytest -m gpu` where there is one.

Needs the core's packages alone.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gtp import algorithms, load_policy
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import Transitions
from gtp.files import read_tensors
from gtp.randomness import draw_block
from gtp.training.captured import Captured
from gtp.training.learner import Learner
from gtp.training.loop import train
from gtp.training.samplers import sampler_for
from tests.unit.killed import killed_training
from tests.unit.training_fixtures import CONFIG, tiny_transitions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GRAPHS = Execution(device="cuda", compile="off", progress_seconds=60)
SMALL = TrainConfig(steps=40, batch_size=8, hidden_size=16, hidden_layers=2)
LAST = CONFIG.snapshot_steps()[-1]


@pytest.fixture(scope="module")
def transitions() -> Transitions:
    return tiny_transitions()


def learner_on(
    device: torch.device,
    name: str,
    transitions: Transitions,
    compiled: bool = False,
    config: TrainConfig = SMALL,
):
    """A learner of two seeds, its sampler, and minibatches and noise that were drawn on the CPU."""
    algorithm = algorithms.get(name)()
    learner = Learner(algorithm, config, 3, 2, [0, 1], device, compiled)
    rows = sampler_for(algorithm, transitions, SMALL, CPU).rows(SMALL.batch_size, [0, 1], 0)
    noise = draw_block(algorithm.draws(SMALL.batch_size, 2), [0, 1], 0, CPU)
    moved = {name: values.to(device) for name, values in noise.items()}
    return learner, sampler_for(algorithm, transitions, SMALL, device), rows.to(device), moved


def update(learner, sampler, rows, noise, i: int) -> torch.Tensor:
    return learner.update(sampler, rows[i], {name: values[i] for name, values in noise.items()})


def run(folder: Path, name: str, seeds=(0, 1), config=CONFIG, execution=GRAPHS) -> dict:
    return train(
        algorithms.get(name)(),
        config,
        tiny_transitions(),
        seeds,
        output=folder,
        checkpoints=folder / "checkpoints",
        execution=execution,
    )


def parameters(path: Path) -> dict[str, torch.Tensor]:
    tensors = read_tensors(path, "gtp-policy", "")[0]
    return {name: value for name, value in tensors.items() if name.startswith("params/")}


def test_a_captured_function_follows_its_inputs_and_its_state():
    total = torch.zeros(3, device=CUDA)

    def add(x):
        total.add_(x)
        return 2 * total

    captured = Captured(add, (torch.ones(3, device=CUDA),), {"total": total})
    assert total.tolist() == [0, 0, 0]
    assert captured(torch.full((3,), 5.0, device=CUDA)).tolist() == [10, 10, 10]
    assert captured(torch.ones(3)).tolist() == [12, 12, 12]


@pytest.mark.parametrize("name", algorithms.names())
def test_a_captured_update_is_the_update(name, transitions):
    """In every stage, and in both phases of a method some of whose updates run in each second step alone."""
    captured, *inputs = learner_on(CUDA, name, transitions)
    plain, *_ = learner_on(CUDA, name, transitions)
    sampler, rows, noise = inputs
    for stage in captured.stages:
        captured.start_at(stage)
        plain.start_at(stage)
        for i in range(4):
            logged = update(captured, *inputs, i)
            if plain.stage == plain.steps_done:
                plain._enter(plain.stage)
            phase = plain.phase
            plain.steps_done += 1
            draws = {key: values[i] for key, values in noise.items()}
            torch.testing.assert_close(plain.raw_update(sampler.columns, rows[i], draws, phase), logged)
        torch.testing.assert_close(plain.state(), captured.state())


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0),
    reason="a GPU without TF32 and bfloat16",
)
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_coarser_precision_is_near_float32_and_not_the_same(transitions, precision):
    def learned(precision: str) -> dict[str, torch.Tensor]:
        config = replace(SMALL, hidden_size=128, batch_size=128, matmul_precision=precision)
        learner = Learner(algorithms.get("iql")(), config, 3, 2, [0, 1], CUDA, compiled=False)
        sampler = sampler_for(learner.algorithm, transitions, config, CUDA)
        for _, inputs in zip(range(5), learner.inputs(sampler), strict=False):
            learner.update(sampler, *inputs)
        return {name: value.clone() for name, value in learner.state().items() if name.startswith("params/")}

    exact, rounded = learned("float32"), learned(precision)
    assert any(not torch.equal(rounded[name], exact[name]) for name in exact)
    torch.testing.assert_close(rounded, exact, atol=2e-3, rtol=2e-2)


@pytest.mark.parametrize("name", algorithms.names())
def test_an_update_on_a_gpu_is_that_of_the_cpu(name, transitions):
    on_cpu, *inputs_cpu = learner_on(CPU, name, transitions)
    on_gpu, *inputs_gpu = learner_on(CUDA, name, transitions)
    for i in range(2):
        expected = update(on_cpu, *inputs_cpu, i)
        torch.testing.assert_close(update(on_gpu, *inputs_gpu, i).cpu(), expected, rtol=2e-3, atol=1e-4)
    for key, value in on_gpu.state().items():
        if key.startswith("params/"):
            torch.testing.assert_close(value.cpu(), on_cpu.state()[key], rtol=1e-2, atol=3e-3)


@pytest.mark.parametrize("name", algorithms.names())
def test_updates_never_wait_for_the_gpu(name, transitions):
    """Once captured, a hundred updates and their blocks' noise are launched without waiting."""
    learner, sampler, *_ = learner_on(CUDA, name, transitions, config=replace(SMALL, steps=10_000))
    inputs = learner.inputs(sampler)
    for _ in range(4):
        learner.update(sampler, *next(inputs))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(100):
            learner.update(sampler, *next(inputs))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", algorithms.names())
def test_a_run_repeats_to_the_bit(name, tmp_path):
    record = run(tmp_path / "first", name)
    assert (record["device"], record["diverged_at"]) == ("cuda", {})
    run(tmp_path / "second", name)
    first, second = (
        parameters(tmp_path / f"{which}/policy-{LAST}.safetensors") for which in ("first", "second")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", algorithms.names())
def test_a_policy_acts_alike_on_both_devices(name, tmp_path):
    run(tmp_path, name)
    path = tmp_path / f"policy-{LAST}.safetensors"
    obs = tiny_transitions().observations[:5]
    actions = [load_policy(path, device=device).act(obs, nfe=2) for device in ("cpu", "cuda")]
    torch.testing.assert_close(*map(torch.from_numpy, actions), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["gtp", "gmpo", "mbdpo", "td3_bc"])
def test_a_killed_run_resumes_to_the_same_bits(name, tmp_path):
    killed_training(tmp_path, name, "cuda")
    run(tmp_path / "out", name)
    assert json.loads((tmp_path / "out/run.json").read_text())["resumed_at"] > 0
    run(tmp_path / "straight", name)
    resumed, straight = (
        parameters(tmp_path / f"{which}/policy-{LAST}.safetensors") for which in ("out", "straight")
    )
    assert all(torch.equal(resumed[key], straight[key]) for key in straight)


@pytest.mark.parametrize("name", ["gtp", "mbdpo", "iql"])
def test_the_compiled_update_is_the_eager_one(name, transitions):
    eager, *inputs = learner_on(CUDA, name, transitions)
    compiled, *_ = learner_on(CUDA, name, transitions, compiled=True)
    for i in range(3):
        expected = update(eager, *inputs, i)
        torch.testing.assert_close(update(compiled, *inputs, i), expected, rtol=2e-3, atol=1e-4)
