"""How fast training and acting are on this machine: `gtp bench`, or `python -m gtp.evaluation.bench`.

The latter needs the core alone.

All figures come from one run, so that ratios between them hold on a noisy machine: updates per second for
several seeds in one process, eager and compiled, beside the machine's own rate of matrix products; and
milliseconds per action. Needs torch and numpy alone.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm, Batch
from gtp.config import TrainConfig
from gtp.errors import UserError, told_to_the_user
from gtp.evaluation.timing import seconds_per_call
from gtp.files import write_text
from gtp.progress import say
from gtp.randomness import draw_block
from gtp.training.learner import Learner, stage_starts
from gtp.training.loop import choose_compiled, choose_device, use_threads
from gtp.training.samplers import TransitionSampler

TRANSITIONS = 100_000
MATRIX = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What to measure; the defaults are the sizes of D4RL's halfcheetah with the paper's networks."""

    algorithm: str = "gtp"
    """Method to train, with its default hyperparameters."""
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
        algorithms.get(self.algorithm)


def bench(config: BenchConfig) -> dict:
    """Measure, print and write the record. Raises UserError for a missing device or an unwritable file."""
    use_threads(config.threads)
    device = choose_device(config.device)
    algorithm = algorithms.get(config.algorithm)()
    rate = matrix_product_rate(device)
    say(f"matrix products: {rate / 1e9:.0f} GFLOP/s ({device})")
    record = {
        "settings": asdict(config) | {"output": str(config.output), "device": device.type},
        "machine": describe_machine(device),
        "matrix_product_flops_per_second": rate,
        "training": [],
        "acting": [],
    }
    for compiled in sorted({False, choose_compiled("auto", device)}):
        for count, stage in product(config.seeds, stage_starts(algorithm, TrainConfig().steps)):
            row = training_row(algorithm, config, count, stage, device, compiled, rate)
            record["training"].append(row)
            say(
                f"{'compiled' if compiled else 'eager'}, {count} seed{'s' if count > 1 else ''}"
                f"{f', from update {stage:,}' if stage else ''}:"
                f" {row['updates_per_second']:.1f} updates/s,"
                f" {row['seed_updates_per_second']:.1f} seed-updates/s,"
                f" {100 * row['share_of_matrix_product_rate']:.0f} % of the matrix rate,"
                f" warm-up {row['warm_up_seconds']:.0f} s"
            )
    record["acting"] = acting_rows(algorithm, config, device)
    for row in record["acting"]:
        say(f"K = {row['nfe']}: {1000 * row['seconds_per_action']:.2f} ms per action (batch 1, eager)")
    write_text(config.output, json.dumps(record, indent=2) + "\n")
    say(f"wrote {config.output}")
    return record


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


def matrix_product_rate(device: torch.device) -> float:
    """Floating-point operations per second of one large float32 matrix product, as torch is set up."""
    size = MATRIX[device.type]
    a = torch.randn(size, size, device=device)

    def multiply():
        a @ a
        synchronize(device)

    return 2 * size**3 / seconds_per_call(multiply, repetitions=5)


def make_learner(algorithm: Algorithm, config: BenchConfig, count: int, device: torch.device, compiled: bool):
    """A learner of `count` seeds and what feeds it: learner, sampler, minibatch rows, noise of a block."""
    generator = torch.Generator().manual_seed(0)
    seeds = list(range(count))
    columns = Batch(
        obs=torch.randn(TRANSITIONS, config.observations, generator=generator).to(device),
        act=torch.rand(TRANSITIONS, config.actions, generator=generator).mul(2).sub(1).to(device),
        rew=torch.randn(TRANSITIONS, generator=generator).to(device),
        next_obs=torch.randn(TRANSITIONS, config.observations, generator=generator).to(device),
        discount=torch.full((TRANSITIONS,), 0.99, device=device),
    )
    train = TrainConfig(batch_size=config.batch_size, hidden_size=config.hidden_size)
    learner = Learner(algorithm, train, config.observations, config.actions, seeds, device, compiled)
    sampler = TransitionSampler(columns)
    rows = sampler.rows(config.batch_size, seeds, 0)
    noise = draw_block(algorithm.draws(config.batch_size, config.actions), seeds, 0, device)
    return learner, sampler, rows, noise


def training_row(
    algorithm, config: BenchConfig, count: int, stage: int, device, compiled: bool, matrix_rate: float
) -> dict:
    """Rate of the whole update: minibatch gathering, every gradient step, Adam and moving averages.

    `stage` is the update with which the measured stage of training begins; most methods have one, from 0.
    """
    learner, sampler, rows, noise = make_learner(algorithm, config, count, device, compiled)
    learner.start_at(stage)

    def update(i: int) -> None:
        learner.update(sampler, rows[i % len(rows)], {name: v[i % len(rows)] for name, v in noise.items()})

    started = time.perf_counter()
    for i in range(3):
        update(i)
    synchronize(device)
    warm = time.perf_counter()
    steps = 0
    while time.perf_counter() - warm < config.seconds:
        for _ in range(10):
            update(steps)
            steps += 1
        synchronize(device)
    rate = steps / (time.perf_counter() - warm)
    flops = count * update_flops(algorithm, config, stage, device)
    return {
        "compiled": compiled,
        "seeds": count,
        "first_update": stage,
        "updates_per_second": rate,
        "seed_updates_per_second": rate * count,
        "warm_up_seconds": warm - started,
        "flops_per_update": flops,
        "share_of_matrix_product_rate": rate * flops / matrix_rate,
        "peak_memory_mb": torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None,
    }


def update_flops(algorithm: Algorithm, config: BenchConfig, stage: int, device: torch.device) -> int:
    """Floating-point operations of the matrix products in one seed's update within a stage."""
    learner, sampler, rows, noise = make_learner(algorithm, config, 1, device, compiled=False)
    counter = FlopCounterMode(display=False)
    learner.start_at(stage)
    with counter:
        first = {name: values[0] for name, values in noise.items()}
        learner.raw_update(sampler.columns, rows[0], first, learner.phase)
    return counter.get_total_flops()


def acting_rows(algorithm: Algorithm, config: BenchConfig, device: torch.device) -> list[dict]:
    """Seconds per action of one observation, from host memory to host memory, for each K."""
    learner, *_ = make_learner(algorithm, config, 1, device, compiled=False)
    networks = learner.networks()
    obs = np.zeros((1, config.observations), dtype=np.float32)
    noise = {k: torch.randn(algorithm.noise_shape(1, config.actions, k)) for k in config.nfe}

    def act(nfe: int):
        with torch.inference_mode():
            return algorithm.act(networks, torch.from_numpy(obs).to(device), noise[nfe].to(device), nfe).cpu()

    return [
        {"nfe": nfe, "batch_size": 1, "seconds_per_action": seconds_per_call(lambda nfe=nfe: act(nfe))}
        for nfe in config.nfe
    ]


def main() -> None:
    """`python -m gtp.evaluation.bench`: the same flags as `gtp bench` that matter on a bare machine."""
    parser = argparse.ArgumentParser(
        prog="python -m gtp.evaluation.bench", description=__doc__.splitlines()[0]
    )
    defaults = BenchConfig()
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=defaults.device)
    parser.add_argument("--algorithm", default=defaults.algorithm, help="method to train")
    parser.add_argument("--threads", type=int, default=defaults.threads, help="CPU threads")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="time per training figure")
    parser.add_argument("--output", type=Path, default=defaults.output, help="JSON record")
    try:
        with told_to_the_user():
            config = BenchConfig(**vars(parser.parse_args()))
        bench(config)
    except UserError as error:
        sys.exit(f"gtp: error: {error}")


if __name__ == "__main__":
    main()
