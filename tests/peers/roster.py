"""The methods that can be timed beside their authors' code: where that is, and what differs all the same."""

import shlex
from dataclasses import dataclass
from pathlib import Path

SIZES = {
    "rows": 100_000,
    "observations": 17,
    "actions": 6,
    "batch_size": 256,
    "hidden_size": 256,
    "hidden_layers": 3,
}
"""Of both sides."""
JAX = ("jax", "flax", "optax", "distrax", "ml_collections", "tqdm")


@dataclass(frozen=True)
class Peer:
    """The authors' code of one of our methods. It lies in a folder of the method's name."""

    name: str
    """Of our method, of the module in contestants/, and of the folder."""
    title: str
    url: str
    file: str
    """A file of theirs, by which their code is known to be there."""
    hyperparameters: dict[str, int]
    """Fields of our method that both sides take: steps of diffusions and flows."""
    packages: tuple[str, ...]
    """For an environment of its own; empty where ours has all."""
    differs: str

    def python(self, peers: Path, ours: str, named: dict[str, str]) -> str:
        """The interpreter that runs it: the one named for it, that of the environment beside it, or ours."""
        return named.get(self.name) or (str(peers / "venv/bin/python") if self.packages else ours)

    def missing(self, peers: Path, python: str) -> str | None:
        """What to fetch, in one line; None when all is there."""
        commands = []
        if not (peers / self.name / self.file).is_file():
            commands.append(["git", "clone", self.url, str(peers / self.name)])
        if not Path(python).exists():
            commands.append(["python3", "-m", "venv", str(peers / "venv")])
            commands.append([str(peers / "venv/bin/pip"), "install", *self.packages])
        return f"{self.name} is not there: {' && '.join(map(shlex.join, commands))}" if commands else None


PEERS = (
    Peer(
        name="diffusion_ql",
        title="Diffusion-QL",
        url="https://github.com/Zhendong-Wang/Diffusion-Policies-for-Offline-RL",
        file="agents/ql_diffusion.py",
        hyperparameters={"levels": 5},
        packages=(),
        differs="theirs has a small network of the time (16, 32, 16) and averages the actor at every fifth"
        " update, ours at each",
    ),
    Peer(
        name="consistency_ac",
        title="Consistency-AC",
        url="https://github.com/quantumiracle/Consistency_Model_For_Reinforcement_Learning",
        file="agents/ql_consistency.py",
        hyperparameters={"target_nfe": 2},
        packages=(),
        differs="as Diffusion-QL; theirs makes its grid of 2 to 150 times anew in each update; the log that"
        " their program writes is left out",
    ),
    Peer(
        name="fql",
        title="FQL",
        url="https://github.com/seohongpark/fql",
        file="agents/fql.py",
        hyperparameters={"flow_steps": 10},
        packages=JAX,
        differs="theirs has GELU and the bare time as input, and samples once more for its log; ours has"
        " Mish, 16 features of the time, clipped gradients and an average of the actor; neither normalises"
        " layers",
    ),
    Peer(
        name="iql",
        title="IQL",
        url="https://github.com/ikostrikov/implicit_q_learning",
        file="learner.py",
        hyperparameters={},
        packages=JAX,
        differs="theirs has ReLU and a decaying step size, ours Mish, clipped gradients and an average of the"
        " actor; theirs runs with stand-ins for what JAX and Flax no longer have",
    ),
)
