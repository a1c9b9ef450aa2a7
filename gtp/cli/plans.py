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
    import torch

    from gtp.evaluation.bench import matrix_product_rate
    from gtp.files import read_json
    from gtp.studies import CONFIGURATION, load_plan, read_mapping
    from gtp.studies.estimate import Measured, estimate_lines
    from gtp.training.loop import use_threads

    def plan_of(file: Path):
        return load_plan(read_mapping(file), *CONFIGURATION, file=str(file))

    wanted = plan_of(study)
    known = Measured({folder: plan_of(Path(f"config/{folder.name}.yaml")) for folder in measured})
    use_threads(1)
    record = read_json(BENCH)
    there = record["matrix_product_flops_per_second"] / record["settings"]["threads"]
    speed = matrix_product_rate(torch.device("cpu"), time.process_time) / there
    print("\n".join(estimate_lines(wanted, known, speed, cores or os.cpu_count() or 1)))


VERBS = {"estimate": estimate}
