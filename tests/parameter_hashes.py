"""What every method of config/methods.yaml has learned after 60 eager steps, as hashes.

A change of the code's structure must not change them:

    python tests/parameter_hashes.py            compare with tests/parameter_hashes.json
    python tests/parameter_hashes.py --record   write that file

The hashes belong to one kind of processor and one version of torch, so this is no test: record them on the
commit before the change, compare after it.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import torch
from unit.training_fixtures import tiny_transitions

from gtp import algorithms
from gtp.algorithms.common.interface import Algorithm
from gtp.config import TrainConfig
from gtp.policy import Frame, save_policy
from gtp.studies.methods import load_methods
from gtp.training.learner import Learner
from gtp.training.samplers import sampler_for

RECORD = Path(__file__).with_suffix(".json")
CONFIG = TrainConfig(steps=60, batch_size=16, hidden_size=16, hidden_layers=2, n_step=3, snapshots=1)


def hashes(name: str, algorithm: Algorithm) -> dict[str, str]:
    """SHA-256 of all parameters, in the order of their names, and of the policy file."""
    transitions, cpu = tiny_transitions(), torch.device("cpu")
    learner = Learner(algorithm, CONFIG, 3, 2, [0, 7], cpu, compiled=False)
    sampler = sampler_for(algorithm, transitions, CONFIG, cpu)
    for _, inputs in zip(range(CONFIG.steps), learner.inputs(sampler), strict=False):
        learner.update(sampler, *inputs)
    digest = hashlib.sha256()
    for network, leaves in sorted(learner.params.items()):
        for leaf, value in sorted(leaves.items()):
            digest.update(f"{network}/{leaf}".encode() + value.numpy().tobytes())
    with tempfile.TemporaryDirectory() as folder:
        save_policy(
            Path(folder) / "policy",
            algorithm,
            learner.acting_params(),
            config=CONFIG,
            frame=Frame.of(transitions, CONFIG),
            label=name,
            seeds=learner.seeds,
            step=CONFIG.steps,
            diverged_at=learner.diverged_at.tolist(),
        )
        policy = (Path(folder) / "policy").read_bytes()
    return {"parameters": digest.hexdigest(), "policy file": hashlib.sha256(policy).hexdigest()}


def all_hashes() -> dict[str, dict[str, str]]:
    """The hashes of every method, by name."""
    methods = load_methods(Path("config/methods.yaml"))
    return {name: hashes(name, algorithms.get(m.algorithm)(**m.set)) for name, m in methods.items()}


def main() -> None:
    torch.set_num_threads(1)
    found = all_hashes()
    if sys.argv[1:] == ["--record"]:
        RECORD.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{RECORD}: {len(found)} methods")
        return
    recorded = json.loads(RECORD.read_text())
    different = [
        f"{name}: {kind}"
        for name in recorded
        for kind in recorded[name]
        if found.get(name, {}).get(kind) != recorded[name][kind]
    ]
    print("\n".join(different) or f"all {len(recorded)} methods as recorded")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
