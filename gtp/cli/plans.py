"""The verb that reads a study before it runs: `gtp estimate`."""

import os
import time
from pathlib import Path

MEASURED = tuple(Path("results/reference", name) for name in ("rivals", "quick", "mbdpo"))
BENCH = Path("docs/bench-cpu.json")
"""The rate of matrix products on the machine of the references."""


def estimate(
    study: Path = Path("config/quick.yaml"), measured: tuple[Path, ...] = MEASURED, cores: int = 0
) -> None:
    """Print how long a study takes, by task and method, from what finished runs cost and this CPU's speed.

    Args:
        study: A study of config/.
        measured: Folders of finished studies whose file config/<name>.yaml is there; by default references.
        cores: CPU cores that it may use; 0 for all.
    """
    from gtp.files import read_json
    from gtp.studies import load_plan, read_mapping
    from gtp.studies.estimate import Measured, estimate_lines

    configuration = [Path(f"config/{name}.yaml") for name in ("methods", "tasks", "trials")]

    def plan_of(file: Path):
        return load_plan(read_mapping(file), *configuration, file=str(file))

    record = read_json(BENCH)
    speed = core_rate() * record["settings"]["threads"] / record["matrix_product_flops_per_second"]
    known = Measured({folder: plan_of(Path(f"config/{folder.name}.yaml")) for folder in measured})
    print("\n".join(estimate_lines(plan_of(study), known, speed, cores or os.cpu_count() or 1)))


def core_rate(size: int = 2048, products: int = 5) -> float:
    """Floating-point operations per CPU second of one core, the best of several float32 matrix products."""
    import torch

    torch.set_num_threads(1)
    matrix = torch.randn(size, size)
    seconds = []
    for _ in range(products):
        began = time.process_time()
        matrix @ matrix
        seconds.append(time.process_time() - began)
    return 2 * size**3 / min(seconds)


VERBS = {"estimate": estimate}
