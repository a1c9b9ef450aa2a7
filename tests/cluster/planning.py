"""How long the workflow takes to plan the paper's grid, and how that grows with the grid.

    python -m tests.cluster.planning        # prints the table of docs/cluster.md

Times are those of `snakemake -n` in a process of its own: medians of wall clock and of user and system
seconds, which other work on the machine disturbs less. Above a constant, which imports take, CPU time is
fitted as a power of the number of jobs.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.growth.fit import exponent

ROOT = Path(__file__).parents[2]
GRIDS = [(1, 1, 5), (5, 5, 1), (15, 5, 1), (15, 25, 1), (15, 25, 2), (15, 25, 5)]
"""Tasks, methods, and chunks into which `seeds_per_job` splits the five seeds."""


def study_of(tasks: int, methods: int, chunks: int, folder: Path) -> Path:
    """The paper's study, cut to its first tasks and methods, as a file in `folder`."""
    study = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    study["tasks"] = study["tasks"][:tasks]
    study["methods"] = study["methods"][:methods]
    study["seeds_per_job"] = -(-len(study["seeds"]) // chunks)
    study["trajectories"]["methods"] = study["trajectories"]["methods"][:1]
    study["evaluation"]["nfe_by_method"] = {}
    path = folder / f"{tasks}-{methods}-{chunks}.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def plan(study: Path) -> tuple[int, float, float]:
    """Jobs of a plan, and the seconds it took: wall clock, and user and system."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", str(study)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, **outputs)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = int(re.search(r"^total +(\d+)", done.stdout, re.MULTILINE)[1])
    return jobs, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    print("| tasks | methods | chunks of seeds | jobs planned | wall clock, s | user + system, s |")
    print("|---|---|---|---|---|---|")
    planned, needed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for tasks, methods, chunks in GRIDS:
            study = study_of(tasks, methods, chunks, Path(folder))
            runs = [plan(study) for _ in range(options.repeats)]
            jobs, wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"| {tasks} | {methods} | {chunks} | {jobs} | {wall:.1f} | {cpu:.1f} |", flush=True)
            planned.append(jobs)
            needed.append(cpu)
    power, base = exponent(planned, needed)
    print(f"\nuser + system = {base:.1f} s + c · jobs^{power:.2f}")


if __name__ == "__main__":
    main()
