"""What is measured, each in a process of its own: `python -m tests.growth.cases transitions 100000`.

Seconds are of the processor, which other work on the machine disturbs less than the clock; they leave the
imports out. Memory is the largest that the process held, imports included.
"""

import json
import re
import runpy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import torch
from torch import Tensor

from gtp import algorithms
from gtp.config import TrainConfig
from gtp.data.transitions import load_transitions, save_transitions
from gtp.evaluation.bench import BenchConfig, make_learner, random_transitions
from gtp.training.learner import Learner
from gtp.training.loop import peak_memory_mb, use_threads
from gtp.training.samplers import Sampler, sampler_for

ROOT = Path(__file__).parents[2]
SIZES = BenchConfig(batch_size=128, hidden_size=128)
CPU = torch.device("cpu")
UPDATES = 40


def transitions(count: int, folder: Path) -> dict[str, float]:
    """Transitions written, read and made ready for a learner; and an update with minibatches from them."""
    began = time.process_time()
    save_transitions(folder / "transitions.safetensors", random_transitions(SIZES, count))
    written = time.process_time()
    algorithm, train = algorithms.get("iql")(), TrainConfig(batch_size=128, hidden_size=128)
    sampler = sampler_for(algorithm, load_transitions(folder / "transitions.safetensors"), train, CPU)
    ready = time.process_time()
    learner, _, _, noise = make_learner(algorithm, SIZES, 1, CPU, compiled=False)
    update = seconds_of_update(learner, sampler, sampler.rows(128, [0], 0), noise)
    return {
        "write": written - began,
        "read and make ready": ready - written,
        "update": update,
        "memory": peak_memory_mb(CPU),
    }


def seeds(count: int, folder: Path) -> dict[str, float]:
    """A compiled update of GTP for some seeds in one process."""
    made = make_learner(algorithms.get("gtp")(), SIZES, count, CPU, compiled=True)
    return {"update": seconds_of_update(*made), "memory": peak_memory_mb(CPU)}


def seconds_of_update(learner: Learner, sampler: Sampler, rows: Tensor, noise: dict[str, Tensor]) -> float:
    """Seconds of one update: the median of five series, after warming up."""

    def run(updates: int) -> float:
        began = time.process_time()
        for i in range(updates):
            learner.update(sampler, rows[i], {name: values[i] for name, values in noise.items()})
        return (time.process_time() - began) / updates

    run(3)
    return statistics.median(run(UPDATES) for _ in range(5))


def tasks(count: int, folder: Path) -> dict[str, float]:
    """Tables and figures of a study with `count` tasks: copies of a committed reference's first."""
    source = ROOT / "results/reference/rivals"
    study = json.loads((source / "study.json").read_text(encoding="utf-8"))
    first = study["tasks"][0]
    names = [f"{first['name']}-{i}" for i in range(count)]
    study["tasks"] = [{**first, "name": name, "label": name} for name in names]
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    for table in ("scores", "curves"):
        rows = pd.read_csv(source / f"{table}.csv", dtype=str, keep_default_na=False)
        own = rows[rows["task"] == first["name"]]
        pd.concat([own.assign(task=name) for name in names]).to_csv(folder / f"{table}.csv", index=False)
    return {
        **{
            f"table {name}": run_script(f"table_{name}", folder, group="rl")
            for name in ("scores", "aggregates")
        },
        **{f"figure {name}": run_script(f"figure_{name}", folder) for name in ("learning_curves", "nfe")},
        "memory": peak_memory_mb(CPU),
    }


def run_script(name: str, folder: Path, **params: str) -> float:
    """Seconds of a script of the workflow, called as Snakemake does with the tables in a folder."""
    endings = ("md", "tex", "csv") if name.startswith("table") else ("pdf", "png", "svg")
    output = [str(folder / f"{name}.{ending}") for ending in endings]
    call = SimpleNamespace(
        input=SimpleNamespace(
            study=str(folder / "study.json"),
            more=[],
            **{table: str(folder / f"{table}.csv") for table in ("scores", "curves")},
        ),
        output=Outputs(output),
        params=SimpleNamespace(**params),
    )
    began = time.process_time()
    runpy.run_path(str(ROOT / f"workflow/scripts/{name}.py"), {"snakemake": call}, "__main__")
    return time.process_time() - began


class Outputs(list):
    """Snakemake's list of files, of which some scripts ask by ending."""

    def __getattr__(self, ending: str) -> str:
        return next(path for path in self if re.search(rf"\.{ending}$", path))


CASES: dict[str, Callable[[int, Path], dict[str, float]]] = {
    "transitions": transitions,
    "seeds": seeds,
    "tasks": tasks,
}

if __name__ == "__main__":
    use_threads(1)
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(CASES[sys.argv[1]](int(sys.argv[2]), Path(place))))
