"""The command line: a whole run by hand, and one line for every mistake."""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gtp import algorithms, load_policy
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import save_transitions
from gtp.training.loop import train

from .training_fixtures import tiny_transitions

QUICK = ["--train.steps", "20", "--train.batch_size", "8", "--train.hidden_size", "8"]
EAGER = ["--execution.device", "cpu", "--execution.compile", "off"]


def gtp(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    """Run `python -m gtp` from another folder than the repository's."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "gtp", *map(str, arguments)]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_reader_that_stops_early_sees_no_traceback():
    root = Path(__file__).parents[2]
    command = f"{shlex.quote(sys.executable)} -m gtp train gtp --help | true"
    result = subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True, check=True)
    assert result.stderr == ""


def test_one_run_without_the_workflow(tmp_path):
    """Generate, prepare, train, evaluate, measure, draw: each verb on what the one before it wrote."""
    dataset = "--id generated/pointmaze/u-v0 --root minari"
    maze = "--maze umaze --steps 1500 --horizon 300 --goal-cells 1 1 3 1"
    task = (
        "--task.name u --task.environment PointMaze_UMaze-v3 --task.max-episode-steps 30 --task.maze umaze"
        " --task.observation-keys observation --task.start-cell 1 1 --task.goal-cell 3 1"
    )
    policy = "--policy run/policy-20.safetensors"
    commands = [
        f"dataset generate waypoint {dataset} {maze}",
        f"dataset verify {dataset}",
        f"dataset validate {dataset} --output checked.json --expect.success 0 1",
        f"dataset reference_returns waypoint --maze umaze --episodes 2 --output reference_returns.csv {task}",
        f"dataset prepare {dataset} --output u.safetensors --coverage coverage.csv {task}",
        f"train gtp --data u.safetensors --output run --seeds 0 1 {shlex.join(QUICK + EAGER)}",
        f"evaluate {policy} --output scores.csv --nfe 1 2 --episodes 2"
        " --rollouts rollouts.csv --rollout-episodes 1",
        f"cost {policy} --run run/run.json --output cost.csv --nfe 1 --batch-sizes 1",
        f"trajectories {policy} --data u.safetensors --output flow.csv --samples 3",
        f"inspect {policy}",
    ]
    for command in commands:
        result = gtp(*shlex.split(command), cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["seeds"] == [0, 1]
    assert len(list(csv.DictReader((tmp_path / "scores.csv").open()))) == 2 * 2 * 2
    for name in ("coverage.csv", "rollouts.csv", "cost.csv", "flow.csv"):
        assert len((tmp_path / name).read_text().splitlines()) > 1, name
    assert load_policy(tmp_path / "run/policy-20.safetensors").task.goal_cell == (3, 1)
    assert not any(path.name.endswith(".partial") for path in tmp_path.rglob("*"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    save_transitions(folder / "data.safetensors", tiny_transitions())
    whole = (folder / "data.safetensors").read_bytes()
    (folder / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "file").write_text("")
    train(
        algorithms.get("gaussian_bc")(),
        TrainConfig(steps=1, batch_size=2, hidden_size=4),
        tiny_transitions(),
        (0,),
        output=folder / "run",
        checkpoints=folder / "checkpoints",
        execution=Execution(device="cpu", compile="off"),
    )
    return folder


POLICY = ["--policy", "run/policy-1.safetensors"]
DATA = ["--data", "data.safetensors", "--output", "out"]
DATASET = ["--id", "generated/none-v0", "--root", "minari"]
MISTAKES = {
    "unknown verb": (["trian"], "Unrecognized options: trian"),
    "unknown method": (["train", "gpt", *DATA], "gaussian_bc, gmpg, gmpo, gtp"),
    "unknown flag": (["train", "gtp", *DATA, "--etta", "1"], "--etta, 1; did you mean --eta?"),
    "wrong type": (
        ["train", "gtp", *DATA, "--eta", "much"],
        "--eta: ",
    ),
    "out of range": (["train", "gtp", *DATA, "--eta", "-1"], "eta "),
    "wrong choice": (["train", "gtp", *DATA, "--tau", "one"], "'--tau'"),
    "missing flag": (["train", "gtp", "--output", "out"], "--data"),
    "missing data": (
        ["train", "gtp", "--data", "none", "--output", "out"],
        "prepare it again",
    ),
    "truncated data": (
        ["train", "gtp", "--data", "half.safetensors", "--output", "out"],
        "half.safetensors",
    ),
    "equal seeds": (["train", "gtp", *DATA, *EAGER, "--seeds", "1", "1"], "seeds "),
    "no folder": (
        ["train", "gtp", "--data", "data.safetensors", "--output", "file/out", *QUICK, *EAGER],
        "cannot write",
    ),
    "infinite step size": (
        ["train", "gtp", *DATA, "--train.learning-rate", "inf"],
        "learning_rate ",
    ),
    "checkpoints in a file": (
        ["train", "gtp", *DATA, *QUICK, *EAGER, "--checkpoints", "file"],
        "choose --checkpoints where you may write",
    ),
    "no threads": (
        ["evaluate", "--policy", "none", "--output", "s.csv", "--threads", "0"],
        "threads ",
    ),
    "bench without threads": (["bench", "--threads", "0"], "threads "),
    "scores in a file": (["evaluate", "--policy", "none", "--output", "file/s.csv"], "file is a file where"),
    "unknown environment": (
        ["online", "mbdpo", "--environment", "Pendulun-v1", "--output", "out"],
        "did you mean 'Pendulum-v",
    ),
    "discrete actions": (
        ["online", "sac", "--environment", "CartPole-v1", "--output", "out"],
        "has the actions Discrete(2)",
    ),
    "oracle of no width": (["oracle", "--std", "nan"], "std "),
    "oracle without steps": (["oracle", "--nfe", "0"], "nfe "),
    "oracle out of range": (["oracle", "--eta", "-1"], "eta "),
    "no such rule": (
        ["evaluate", *POLICY, "--output", "s.csv", "--acting", "best"],
        "unknown acting rule 'best'",
    ),
    "no maze to draw": (
        ["evaluate", *POLICY, "--output", "s.csv", "--rollouts", "r.csv"],
        "leave out the rollouts",
    ),
    "cost of no observation": (
        ["cost", *POLICY, "--run", "run/run.json", "--output", "c.csv", "--batch-sizes", "0"],
        "batch sizes ",
    ),
    "nothing to draw": (
        ["trajectories", *POLICY, "--data", "data.safetensors", "--output", "t.csv"],
        "choose a GTP method",
    ),
    "goal in a wall": (
        ["dataset", "generate", "waypoint", *DATASET, "--maze", "umaze", "--goal-cells", "0", "0"],
        "try (1, 1)",
    ),
    "not D4RL's name": (["dataset", "fetch", "d4rl", "--id", "hopper", "--root", "minari"], "got 'hopper'"),
    "no such method": (["bench", "--algorithm", "gpt"], "did you mean 'gtp'"),
    "missing policy": (["evaluate", "--policy", "none", "--output", "s.csv"], "none does not exist"),
    "missing dataset": (["dataset", "verify", *DATASET], "generated/none-v0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(folder, name):
    arguments, message = MISTAKES[name]
    result = gtp(*arguments, cwd=folder)
    lines = [line for line in result.stderr.splitlines() if line.startswith("gtp: error: ")]
    assert result.returncode == 2, result.stderr
    assert result.stderr.splitlines()[-1:] == lines, result.stderr
    assert message in lines[0]
    assert not (folder / "out").exists()


def test_help_lists_typed_flags(folder):
    result = gtp("train", "gtp", "--help", cwd=folder)
    assert result.returncode == 0
    for flag in ("--eta FLOAT", "--train.steps INT", "--execution.device {auto,cpu,cuda}"):
        assert flag in result.stdout
