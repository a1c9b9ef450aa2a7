"""How fast training and acting are on this machine: `gtp bench`, or `python -m gtp.evaluation.bench`.

The latter needs the core alone.

All figures come from one run, so that ratios between them hold on a noisy machine: updates per second for
several seeds in one process, eager and compiled, beside the machine's own rate of matrix products; and
milliseconds per action. Several methods compile side by side, and are measured one after the other. Needs
the core alone.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import MatmulPrecision, TaskSpec, TrainConfig
from gtp.data.transitions import Transitions
from gtp.errors import UserError, told_to_the_user
from gtp.evaluation.timing import seconds_per_call
from gtp.files import require_files, write_text
from gtp.progress import say
from gtp.randomness import draw_block
from gtp.training import compiler
from gtp.training.captured import Captured
from gtp.training.learner import Learner, stage_starts
from gtp.training.loop import choose_compiled, choose_device, use_threads
from gtp.training.precision import products_in, require_precision
from gtp.training.samplers import sampler_for

TRANSITIONS = 100_000
EPISODE = 1000
MATRIX = {"cpu": 2048, "cuda": 8192}
PRODUCTS = re.compile(r"(aten::|aoti_torch_cpu_)(mm|addmm|bmm|baddbmm)(_out)?")
"""The profiler's names of matrix products, called by torch and by compiled code."""


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What to measure; the defaults are the sizes of D4RL's halfcheetah with the paper's networks."""

    algorithms: tuple[str, ...] = ("gtp",)
    """Methods to train, with their default hyperparameters."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where."""
    threads: int = 2
    """CPU threads."""
    seeds: tuple[int, ...] = (1, 3, 5)
    """Numbers of seeds that share a process."""
    nfe: tuple[int, ...] = (1, 2, 5)
    """Function evaluations K per action."""
    batch_size: int = 256
    """Transitions per update and seed."""
    hidden_size: int = 256
    """Width of the hidden layers."""
    matmul_precision: MatmulPrecision = "float32"
    """Precision of matrix products: those of training, and the large one that they are held against."""
    observations: int = 17
    """Size of an observation."""
    actions: int = 6
    """Size of an action."""
    seconds: float = 5.0
    """Time to spend on each training figure, after warming up."""
    output: Path = Path("benchmarks/bench.json")
    """Where the record goes."""

    def __post_init__(self):
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if not self.algorithms or len(set(self.algorithms)) < len(self.algorithms):
            raise ValueError(f"algorithms must be distinct, and at least one, got {list(self.algorithms)}")
        for name in self.algorithms:
            algorithms.get(name)


def bench(config: BenchConfig) -> dict:
    """Measure, print and write the record. Raises UserError for a missing device or an unwritable file."""
    require_files(config.output)
    use_threads(config.threads)
    device = choose_device(config.device)
    require_precision(config.matmul_precision, device)
    with products_in(config.matmul_precision):
        rate = matrix_product_rate(device, precision=config.matmul_precision)
    say(f"matrix products: {rate / 1e9:.0f} GFLOP/s ({device})")
    if len(config.algorithms) == 1:
        measured = [measure_method(config.algorithms[0], config, rate)]
    else:
        measured = side_by_side(config, rate)
    record = {
        "settings": asdict(config) | {"output": str(config.output), "device": device.type},
        "machine": describe_machine(device),
        "matrix_product_flops_per_second": rate,
        "training": [row for training, _ in measured for row in training],
        "acting": [row for _, acting in measured for row in acting],
    }
    write_text(config.output, json.dumps(record, indent=2) + "\n")
    say(f"wrote {config.output}")
    return record


def side_by_side(config: BenchConfig, matrix_rate: float) -> list[tuple[list[dict], list[dict]]]:
    """`measure_method` of each method in a process of its own: they compile at once, but measure in turn."""
    context = multiprocessing.get_context("spawn")
    barrier, lock = context.Barrier(len(config.algorithms)), context.Lock()
    with ProcessPoolExecutor(len(config.algorithms), context, _share, (barrier, lock)) as pool:
        measure = partial(_measure_in_turn, config=config, matrix_rate=matrix_rate)
        return list(pool.map(measure, config.algorithms))


_turn: Any = None
"""In a process of `side_by_side`: the barrier at which all wait until everything is compiled; the lock."""


def _share(barrier, lock) -> None:
    global _turn
    _turn = barrier, lock


def _measure_in_turn(name: str, config: BenchConfig, matrix_rate: float):
    barrier, lock = _turn

    @contextmanager
    def alone():
        barrier.wait()
        with lock:
            yield

    try:
        return measure_method(name, config, matrix_rate, alone)
    except BaseException:
        barrier.abort()  # nobody waits for this one
        raise


def measure_method(
    name: str, config: BenchConfig, matrix_rate: float, alone: Callable = nullcontext
) -> tuple[list[dict], list[dict]]:
    """The training rows and the acting rows of one method; what is measured runs inside of `alone()`."""
    use_threads(config.threads)
    device, algorithm = choose_device(config.device), algorithms.get(name)()
    torch._dynamo.config.recompile_limit = 1000  # each number of seeds and stage is a graph of its own
    modes = sorted({False, choose_compiled("auto", device)})
    stages = stage_starts(algorithm, TrainConfig().steps)
    with torch._inductor.config.patch({"cpp.enable_kernel_profile": True}):  # for Training.products
        training = [
            Training(name, config, count, stage, device, compiled)
            for compiled, count, stage in product(modes, config.seeds, stages)
        ]
    acting = [Acting(name, config, nfe, device, ready) for ready, nfe in product(modes, config.nfe)]
    with alone():
        return [case.row(matrix_rate) for case in training], [case.row() for case in acting]


class Training:
    """The updates of some seeds of one method, made ready to be timed: compiled and warmed up.

    `stage` is the update with which the measured stage of training begins; most methods have one, from 0.
    """

    def __init__(
        self, name: str, config: BenchConfig, count: int, stage: int, device: torch.device, compiled: bool
    ):
        self.name, self.config, self.count, self.stage, self.device = name, config, count, stage, device
        self.compiled, self.algorithm = compiled, algorithms.get(name)()
        self.flops = count * update_flops(self.algorithm, config, stage, device)
        on_gpu = device.type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device) if on_gpu else 0
        started = time.perf_counter()
        made = make_learner(self.algorithm, config, count, device, compiled)
        self.learner, self.sampler, self.rows, self.noise = made
        self.learner.start_at(stage)
        for i in range(3):
            self.update(i)
        synchronize(device)
        self.warm_up_seconds = time.perf_counter() - started
        self.memory_mb = (torch.cuda.max_memory_allocated(device) - held) / 1e6 if on_gpu else None

    def update(self, i: int) -> None:
        """One training step, with the i-th minibatch and noise of a block."""
        i %= len(self.rows)
        self.learner.update(self.sampler, self.rows[i], {name: v[i] for name, v in self.noise.items()})

    def row(self, matrix_rate: float) -> dict:
        """Rate of the whole update: minibatch gathering, every gradient step, Adam and moving averages."""
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < self.config.seconds or not steps:
            for _ in range(10):
                self.update(steps)
                steps += 1
            synchronize(self.device)
        rate = steps / (time.perf_counter() - started)
        row = {
            "algorithm": self.name,
            "compiled": self.compiled,
            "seeds": self.count,
            "first_update": self.stage,
            "updates_per_second": rate,
            "seed_updates_per_second": rate * self.count,
            "warm_up_seconds": self.warm_up_seconds,
            "flops_per_update": self.flops,
            "share_of_matrix_product_rate": rate * self.flops / matrix_rate,
            "peak_memory_mb": self.memory_mb,
            **(self.kernels() if self.device.type == "cuda" else self.products()),
        }
        say(
            f"{self.name}, {'compiled' if self.compiled else 'eager'},"
            f" {self.count} seed{'s' if self.count > 1 else ''}"
            f"{f', from update {self.stage:,}' if self.stage else ''}: {rate:.1f} updates/s,"
            f" {row['seed_updates_per_second']:.1f} seed-updates/s,"
            f" {100 * row['share_of_matrix_product_rate']:.0f} % of the matrix rate,"
            f" warm-up {self.warm_up_seconds:.0f} s"
        )
        return row

    def products(self) -> dict:
        """Share of a CPU's time that passes inside matrix products."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for i in range(5):
                self.update(i)
        seconds = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
        inside = sum(spent for name, spent in seconds.items() if PRODUCTS.fullmatch(name))
        return {"share_of_time_in_matrix_products": inside / sum(seconds.values())}

    def kernels(self) -> dict:
        """Number of a GPU's kernels and copies in one update, and their time together."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            self.update(0)
            synchronize(self.device)
        events = [e for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        seconds = sum(e.time_range.elapsed_us() for e in events) / 1e6
        return {"kernels_per_update": len(events), "kernel_seconds_per_update": seconds}


class Acting:
    """Actions for one observation, from host memory to host memory: eager, or as fast as they can be had.

    The latter is compiled code on a CPU, a captured graph on a GPU.
    """

    def __init__(self, name: str, config: BenchConfig, nfe: int, device: torch.device, compiled: bool):
        self.name, self.nfe, self.compiled = name, nfe, compiled
        algorithm = algorithms.get(name)()
        learner, *_ = make_learner(algorithm, config, 1, device, compiled=False)
        networks = learner.networks()
        noise = torch.randn(algorithm.noise_shape(1, config.actions, nfe))
        obs = torch.zeros(1, config.observations)

        def act(obs: Tensor, noise: Tensor) -> Tensor:
            return algorithm.act(networks, obs, noise, nfe)

        ready: Callable[[Tensor, Tensor], Tensor]
        with torch.inference_mode():
            if not compiled:
                ready = act
            elif device.type == "cuda":
                ready = Captured(act, (obs.to(device), noise.to(device)))
            else:
                ready = compiler.compiled(act, device)

        def call() -> Tensor:
            with torch.inference_mode():
                return ready(obs.to(device), noise.to(device)).cpu()

        call()
        self.call = call

    def row(self) -> dict:
        """Seconds per action."""
        seconds = seconds_per_call(self.call)
        how = "compiled" if self.compiled else "eager"
        say(f"{self.name}, K = {self.nfe}: {1000 * seconds:.3f} ms per action (batch 1, {how})")
        return {
            "algorithm": self.name,
            "compiled": self.compiled,
            "nfe": self.nfe,
            "batch_size": 1,
            "seconds_per_action": seconds,
        }


def describe_machine(device: torch.device) -> dict:
    """What the figures were measured on."""
    return {
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or "cpu",
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def synchronize(device: torch.device) -> None:
    """Wait for a GPU to finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_product_rate(
    device: torch.device, clock: Callable[[], float] | None = None, precision: MatmulPrecision = "float32"
) -> float:
    """Floating-point operations per second of one large matrix product.

    It is of bfloat16 or, as torch is set up, of float32. `clock` is that of `seconds_per_call`.
    """
    size = MATRIX[device.type]
    a = torch.randn(size, size, device=device)
    a = a.bfloat16() if precision == "bfloat16" else a

    def multiply():
        a @ a
        synchronize(device)

    return 2 * size**3 / seconds_per_call(multiply, repetitions=5, clock=clock)


def random_transitions(config: BenchConfig, count: int) -> Transitions:
    """`count` steps of noise, in episodes of EPISODE."""
    rng = np.random.default_rng(0)

    def noise(*size: int) -> np.ndarray:
        return rng.standard_normal((count, *size), dtype=np.float32)

    low = -np.ones(config.actions, np.float32)
    return Transitions(
        observations=noise(config.observations),
        actions=np.tanh(noise(config.actions)),
        rewards=noise(),
        next_observations=noise(config.observations),
        terminations=np.zeros(count, np.float32),
        episode_starts=np.arange(0, count, EPISODE),
        observation_mean=np.zeros(config.observations, np.float32),
        observation_std=np.ones(config.observations, np.float32),
        action_low=low,
        action_high=-low,
        task=TaskSpec(name="noise", environment="Noise-v0", max_episode_steps=EPISODE),
        dataset_id="noise",
        dataset_digest="0" * 64,
    )


def make_learner(algorithm: Algorithm, config: BenchConfig, count: int, device: torch.device, compiled: bool):
    """A learner of `count` seeds and what feeds it: learner, sampler, minibatch rows, noise of a block."""
    seeds = list(range(count))
    train = TrainConfig(
        batch_size=config.batch_size,
        hidden_size=config.hidden_size,
        matmul_precision=config.matmul_precision,
    )
    learner = Learner(algorithm, train, config.observations, config.actions, seeds, device, compiled)
    sampler = sampler_for(algorithm, random_transitions(config, TRANSITIONS), train, device)
    rows = sampler.rows(config.batch_size, seeds, 0)
    noise = draw_block(algorithm.draws(config.batch_size, config.actions), seeds, 0, device)
    return learner, sampler, rows, noise


def update_flops(algorithm: Algorithm, config: BenchConfig, stage: int, device: torch.device) -> int:
    """Floating-point operations of the matrix products in one seed's update within a stage."""
    learner, sampler, rows, noise = make_learner(algorithm, config, 1, device, compiled=False)
    counter = FlopCounterMode(display=False)
    learner.start_at(stage)
    with counter:
        first = {name: values[0] for name, values in noise.items()}
        learner.raw_update(sampler.columns, rows[0], first, learner.phase)
    return counter.get_total_flops()


def main() -> None:
    """`python -m gtp.evaluation.bench`: the same flags as `gtp bench` that matter on a bare machine."""
    parser = argparse.ArgumentParser(
        prog="python -m gtp.evaluation.bench", description=__doc__.splitlines()[0]
    )
    defaults = BenchConfig()
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=defaults.device)
    parser.add_argument("--algorithms", nargs="+", default=defaults.algorithms, help="methods to train")
    parser.add_argument("--seeds", nargs="+", type=int, default=defaults.seeds, help="seeds in a process")
    parser.add_argument("--threads", type=int, default=defaults.threads, help="CPU threads")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="time per training figure")
    parser.add_argument("--output", type=Path, default=defaults.output, help="JSON record")
    try:
        with told_to_the_user():
            given: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in vars(parser.parse_args()).items()
            }
            config = BenchConfig(**given)
        bench(config)
    except UserError as error:
        sys.exit(f"gtp: error: {error}")


if __name__ == "__main__":
    main()
