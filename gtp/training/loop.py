"""The one training loop: any method, all seeds of a job in one process, resumable to the bit.

A run is determined by its method, budget, seeds, data, code and kind of device; their digest names the
folder that holds its checkpoint. A run that was killed continues from the last checkpoint there; noise is a
function of the step, so nothing else needs to be restored.
"""

import json
import os
import platform
import resource
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import Execution, TrainConfig
from gtp.data.batches import window_starts
from gtp.data.reward_scale import reward_unit
from gtp.data.transitions import Transitions
from gtp.errors import UserError, resuming
from gtp.files import require_room, write_text
from gtp.policy import Frame, save_policy
from gtp.progress import Progress, say
from gtp.schema import Measurement, write_rows
from gtp.training.checkpoint import load_checkpoint, save_checkpoint
from gtp.training.compiler import compiler_available, find_compiler_problem
from gtp.training.learner import Learner, Phase
from gtp.training.run import CHECKPOINT, Run, claimed, discard, exclusive, finished_before, publish
from gtp.training.samplers import sampler_for

DEFAULT_EXECUTION = Execution()
LOG_INTERVALS = 100
"""Rows of training.csv per seed and quantity; each is the mean over its interval."""


def use_threads(threads: int) -> None:
    """Set the number of CPU threads that torch uses. Raises ValueError for a number below 1."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    torch.set_num_threads(threads)


def choose_device(wanted: str) -> torch.device:
    """auto, cpu or cuda -> a device. Raises UserError when a GPU is asked for and there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "no CUDA device is visible: use --execution.device cpu, or check driver and CUDA_VISIBLE_DEVICES"
        )
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def choose_compiled(wanted: str, device: torch.device) -> bool:
    """Whether to compile the update; says in one line why not where it was wanted and cannot be."""
    if wanted != "auto":
        return False
    if not compiler_available(device):
        say("no C++ compiler found: training runs eagerly, about half as fast (install g++ to change that)")
        return False
    problem = find_compiler_problem(device)
    if problem is not None:
        say(f"nothing can be compiled here ({problem}): training runs eagerly, about half as fast")
    return problem is None


def check_inputs(algorithm: Algorithm, transitions: Transitions, seeds: tuple[int, ...]) -> None:
    """Raises ValueError unless seeds are sound and some episode is as long as the method's windows."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be distinct, not negative, and at least one, got {list(seeds)}")
    if algorithm.window:
        window_starts(transitions, algorithm.window)


def train(
    algorithm: Algorithm,
    config: TrainConfig,
    transitions: Transitions,
    seeds: tuple[int, ...],
    *,
    output: Path,
    checkpoints: Path,
    execution: Execution = DEFAULT_EXECUTION,
    label: str = "",
    overwrite: bool = True,
) -> dict:
    """Train all `seeds` of a method on a task and write the results into the folder `output`.

    Results: policy-<step>.safetensors per snapshot, training.csv (step, seed, quantity, value) and
    run.json (settings, provenance, seconds, diverged seeds), which is returned. They are written when
    the run is complete; until then its state is in a folder of its own under `checkpoints`. A seed whose loss
    or gradient stops being finite is recorded with its step and does not disturb the others. Without
    `overwrite` the very same run, if `output` holds it, is not trained again, and another one is refused.
    Raises ValueError as `check_inputs` does; UserError for a missing device, files that cannot be read or
    written, or a checkpoint that is damaged.
    """
    check_inputs(algorithm, transitions, seeds)
    use_threads(execution.threads)
    device = choose_device(execution.device)
    compiled = choose_compiled(execution.compile, device)
    label = label or algorithms.name_of(algorithm)
    algorithm = algorithm.for_reward_unit(reward_unit(transitions, config.discount))
    algorithm = algorithm.for_discount(config.discount)
    run = Run(algorithm, config, transitions, tuple(seeds), device, compiled, label)
    output, scratch = Path(output), Path(checkpoints) / run.digest[:16]
    with exclusive(scratch), claimed(output), resuming((scratch / CHECKPOINT).exists):
        steps = config.snapshot_steps()
        if not overwrite and (record := finished_before(run.settings(), steps, output, scratch)):
            discard(scratch)  # left by a kill after publishing
            return record
        record = _train(run, scratch, execution, output)
        publish(scratch, output)
        discard(scratch)
    return record


def closing_line(record: dict, seeds: tuple[int, ...], output: Path, steps: int) -> str:
    """What a finished run left in `output`, in one line: the policy to load, and the seeds that diverged."""
    lost = record["diverged_at"]
    where = ", ".join(f"{step} (seed {seed})" for seed, step in lost.items())
    sound = [seed for seed in seeds if str(seed) not in lost]
    if not sound:
        return f"wrote {output}: all seeds diverged, at step {where}; no policy can act"
    seed = f", seed={sound[0]}" if sound[0] != seeds[0] else ""
    hint = f"wrote {output}: load_policy('{output}/policy-{steps}.safetensors'{seed})"
    return f"{hint}; diverged at step {where}" if lost else hint


def check_room(learner: Learner, config: TrainConfig, scratch: Path, output: Path) -> None:
    """Raises UserError when a checkpoint, beside the one that it replaces, or the policies have no room."""
    state = sum(value.nbytes for value in learner.state().values())
    policy = sum(value.nbytes for value in learner.acting_params().values())
    policies, largest = len(config.snapshot_steps()) * policy, max(state, policy)
    require_room(scratch, 2 * state + policies, "training", largest=largest)
    require_room(output, policies, "training", largest=largest)


def _train(run: Run, scratch: Path, execution: Execution, output: Path) -> dict:
    config, checkpoint = run.config, scratch / CHECKPOINT
    sampler = sampler_for(run.algorithm, run.transitions, config, run.device)
    learner = Learner(
        run.algorithm,
        config,
        sampler.columns.obs.shape[1],
        sampler.action_size,
        list(run.seeds),
        run.device,
        run.compiled,
    )
    check_room(learner, config, scratch, output)
    log, seconds_before, first = [], 0.0, 0
    if checkpoint.exists():
        state, header = load_checkpoint(checkpoint, run.digest, learner.state(), config.snapshot_steps())
        learner.load_state(state)
        log, seconds_before, first = header.log, header.seconds, header.step
    boundaries = {config.steps * (i + 1) // LOG_INTERVALS for i in range(LOG_INTERVALS)} - {0}
    boundaries |= set(learner.stages) - {0}  # another stage logs other quantities
    snapshots = set(config.snapshot_steps())
    what = f"train {run.transitions.task.name} {run.label}"
    if run.compiled:
        say(f"{what}: compiling, which may take a minute")
    progress = Progress(what, config.steps, "steps", done=first, interval=execution.progress_seconds)
    started = saved = time.monotonic()
    warm_up: dict[Phase, float] = {}  # phase -> seconds of its first update, most of which is compilation
    interval = Interval()
    inputs = learner.inputs(sampler)
    for step in range(first + 1, config.steps + 1):
        phase, before = learner.phase, time.monotonic()
        logged = learner.update(sampler, *next(inputs))
        warm_up.setdefault(phase, time.monotonic() - before)
        interval.add(learner.quantities, logged)
        progress.advance(note=partial(losses, learner.quantities, logged))
        if step in snapshots:
            path = scratch / f"policy-{step}.safetensors"
            save_policy(
                path,
                run.algorithm,
                learner.acting_params(),
                config=config,
                frame=Frame.of(run.transitions, config),
                label=run.label,
                seeds=learner.seeds,
                step=step,
                diverged_at=learner.diverged_at.tolist(),
            )
        if step in boundaries:
            seconds = seconds_before + time.monotonic() - started
            log.append([step, seconds, *interval.means()])
            interval = Interval()
            if step < config.steps and time.monotonic() - saved >= execution.checkpoint_seconds:
                save_checkpoint(
                    checkpoint, learner.state(), run_digest=run.digest, step=step, log=log, seconds=seconds
                )
                saved = time.monotonic()
    finished = time.monotonic()
    record = {
        **run.settings(),
        "parameters": sum(
            leaf[0].numel() for net in learner.modules for leaf in learner.params[net].values()
        ),
        "training_seconds": seconds_before + finished - started,
        "compilation_seconds": sum(warm_up.values()),
        "seed_updates_per_second": rate(
            len(run.seeds) * (config.steps - first - len(warm_up)),
            finished - started - sum(warm_up.values()),
        ),
        "peak_memory_mb": peak_memory_mb(run.device),
        "diverged_at": {
            str(seed): step
            for seed, step in zip(run.seeds, learner.diverged_at.tolist(), strict=True)
            if step >= 0
        },
        "resumed_at": first or None,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "device_name": torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu",
    }
    write_rows(scratch / "training.csv", Measurement, measurements(log, run.seeds))
    write_text(scratch / "run.json", json.dumps(record, indent=2))
    return record


class Interval:
    """Sums of the logged quantities over some updates, of which not every one logs the same."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], tuple[Tensor, int]] = {}

    def add(self, names: list[str], values: Tensor) -> None:
        """Count the quantities of one update, values (Q, S)."""
        key = tuple(names)
        total, count = self._sums.get(key, (None, 0))
        self._sums[key] = (values.clone() if total is None else total.add_(values), count + 1)

    def means(self) -> tuple[list[str], list[list[float]]]:
        """Names, and for each its mean over the updates that logged it, one value per seed."""
        sums: dict[str, tuple[Tensor, int]] = {}
        for names, (total, count) in self._sums.items():
            for name, row in zip(names, total, strict=True):
                before, counted = sums.get(name, (0.0, 0))
                sums[name] = (before + row, counted + count)
        return list(sums), [(total / count).tolist() for total, count in sums.values()]


def rate(updates: int, seconds: float) -> float | None:
    """Updates per second of this session; None of a session too short to have any beside its first ones."""
    return updates / seconds if updates > 0 else None


def losses(names: list[str], values: Tensor) -> str:
    """What an update minimised, as `loss/actor 0.123, loss/q 4.5`: means over the seeds, but for NaN.

    Shapes: values (Q, S).
    """
    means = zip(names, values.nanmean(dim=1).tolist(), strict=True)
    return ", ".join(f"{name} {mean:.3g}" for name, mean in means if name.startswith("loss/"))


def measurements(log: list, seeds: tuple[int, ...]) -> Iterator[Measurement]:
    """Rows of training.csv from the log's (step, seconds, names, values[Q][S])."""
    for step, seconds, names, values in log:
        for column, seed in enumerate(seeds):
            yield Measurement(step, seed, "seconds", seconds)
            for name, row in zip(names, values, strict=True):
                yield Measurement(step, seed, name, row[column])


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory of this process so far, in MB: the GPU's allocator's, or the resident set's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if platform.system() == "Darwin" else peak / 1e3  # bytes there, kilobytes here
