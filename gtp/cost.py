"""What a method costs: parameters, training rate, memory, and seconds per action at each K and batch size."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import torch

from gtp.errors import UserError
from gtp.files import write_text
from gtp.policy import Policy, load_policy
from gtp.randomness import acting_noise
from gtp.timing import seconds_per_call


def action_seconds(policy: Policy, nfe: int, batch_size: int) -> float:
    """Seconds that `policy.act` takes for a batch of observations, transfers included."""
    obs = np.zeros((batch_size, len(policy.observation_mean)), dtype=np.float32)
    noise = acting_noise(policy.noise_shape(batch_size), policy.seed, 0)
    return seconds_per_call(lambda: policy.act(obs, nfe, noise))


def measure(policy_file: Path, run_file: Path, nfe: list[int], batch_sizes: list[int]) -> list[tuple]:
    """Rows (quantity, nfe, batch_size, device, value); nfe and batch_size are empty where meaningless.

    Training figures come from the run's own record, acting figures are measured here and now, with the
    threads that this process has. Raises UserError for unusable files and for numbers below 1.
    """
    if min(nfe, default=0) < 1 or min(batch_sizes, default=0) < 1:
        raise UserError(f"nfe and batch sizes must be at least 1, got {nfe} and {batch_sizes}")
    try:
        run = json.loads(Path(run_file).read_text(encoding="utf-8"))
        rows = [
            (name, "", "", run["device"], run[name])
            for name in (
                "parameters",
                "seed_updates_per_second",
                "training_seconds",
                "compilation_seconds",
                "peak_memory_mb",
            )
        ]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{run_file} is not the run.json of a training run; train it again") from error
    device = "cuda" if run["device"] == "cuda" and torch.cuda.is_available() else "cpu"
    policy = load_policy(policy_file, device=device)
    for k in nfe if policy.algorithm.generative else [1]:
        for batch_size in batch_sizes:
            seconds = action_seconds(policy, k, batch_size) / batch_size
            rows.append(("seconds_per_action", k, batch_size, device, seconds))
    return rows


def write_cost(path: Path, rows: list[tuple]) -> None:
    """Rows of `measure` as CSV, atomically."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["quantity", "nfe", "batch_size", "device", "value"])
    for *labels, value in rows:
        writer.writerow([*labels, "" if value is None else f"{value:.6g}"])
    write_text(path, buffer.getvalue())
