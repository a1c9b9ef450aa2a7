"""A contestant: a process that builds one agent, warms it up, and trains when it is told to, timed.

    python tests/peers/contestants NAME SETTINGS

NAME is a module of this folder and SETTINGS a JSON object. It runs in the interpreter of the code that it
calls, which need not have anything of ours: modules here import libraries when they build. On stdout comes
one line that says how it runs and with which versions; then, for each line of stdin, a number of updates, the
seconds that these took. It ends with stdin.
"""

import importlib
import json
import os
import platform
import sys
import time
from importlib import metadata


def hold_threads(threads: int) -> None:
    """Let this process have `threads` CPUs and threads; before any library starts its own."""
    if hasattr(os, "sched_setaffinity"):  # XLA has no flag for it: it counts the CPUs that it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


def random_data(rows: int, observations: int, actions: int, episode: int = 1000) -> dict:
    """Steps of noise by the names of D4RL's columns, float32: those of gtp.evaluation.bench."""
    import numpy as np  # not before the threads are held

    rng = np.random.default_rng(0)

    def noise(*size: int):
        return rng.standard_normal((rows, *size), dtype=np.float32)

    return {
        "observations": noise(observations),
        "actions": np.tanh(noise(actions)),
        "rewards": noise(),
        "next_observations": noise(observations),
        "terminals": (np.arange(1, rows + 1) % episode == 0).astype(np.float32),
    }


def main() -> None:
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    hold_threads(settings["threads"])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the code prints is no answer
    contestant = importlib.import_module(name)
    sys.path.insert(0, settings["code"])
    data = random_data(settings["rows"], settings["observations"], settings["actions"])
    train, how = contestant.build(settings, data)
    train(3)  # compiles
    versions = [f"{library} {metadata.version(library)}" for library in contestant.LIBRARIES]
    print(", ".join([how, f"Python {platform.python_version()}", *versions]), file=answers, flush=True)
    for line in sys.stdin:
        updates = int(line)
        started = time.perf_counter()
        train(updates)
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
