"""The command line: a whole run by hand, and one line for every mistake."""

import csv
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gtp import algorithms, load_policy
from gtp.cli import main as cli
from gtp.config import Execution, TrainConfig
from gtp.data.transitions import save_transitions
from gtp.training.loop import train

from .training_fixtures import tiny_transitions

QUICK = ["--train.steps", "20", "--train.batch_size", "8", "--train.hidden_size", "8"]
EAGER = ["--execution.device", "cpu", "--execution.compile", "off"]


ROOT = Path(__file__).parents[2]


def gtp(*arguments, cwd: Path, root: Path = ROOT) -> subprocess.CompletedProcess:
    """Run `python -m gtp` from another folder than the repository's."""
    command = [sys.executable, "-m", "gtp", *map(str, arguments)]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_reader_that_stops_early_sees_no_traceback():
    command = f"{shlex.quote(sys.executable)} -m gtp train gtp --help | true"
    result = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
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
        "inspect run/policy-20.safetensors",
    ]
    said = {}
    for command in commands:
        result = gtp(*shlex.split(command), cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        said[command.split()[0]] = result
    assert json.loads(result.stdout)["seeds"] == [0, 1]
    lines = said["evaluate"].stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"step 20, K = {k}, sample" for k in (1, 2)]
    assert all(line.endswith("95 % Student t over 2 seeds") for line in lines)
    assert re.search(r"20/20 steps .*, loss/\S+ -?\d", said["train"].stderr)
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
    "unknown verb": (["trian"], "did you mean 'train'?"),
    "unknown verb of a group": (["dataset", "prepar"], "did you mean 'prepare'?"),
    "flag cut short": (["train", "gtp", *DATA, "--train.step", "3"], "did you mean --train.steps?"),
    "nothing to inspect": (["inspect"], "gtp inspect FILE"),
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
    "scores to a folder": (["evaluate", *POLICY, "--output", "run"], "run is a folder where a file"),
    "graph of another format": (["export", *POLICY, "--output", "policy.pt"], "name it FILE.onnx"),
    "unknown environment": (
        ["online", "mbdpo", "--environment", "Pendulun-v1", "--output", "out"],
        "did you mean 'Pendulum-v",
    ),
    "sac without threads": (
        ["online", "sac", "--environment", "Pendulum-v1", "--output", "out", "--threads", "0"],
        "threads ",
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
    "cost of more policies than runs": (
        ["cost", *POLICY, POLICY[1], "--run", "run/run.json", "--output", "c.csv"],
        "one run and one output for each policy; got 2, 1 and 1 files",
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
    "no such method": (["bench", "--algorithms", "gpt"], "did you mean 'gtp'"),
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


def test_an_interrupted_program_says_what_its_verb_does_next(monkeypatch, capsys):
    for said in ("", "the same command resumes from the last checkpoint"):

        def interrupted(said=said):
            raise KeyboardInterrupt(*filter(None, [said]))

        monkeypatch.setattr(cli, "parse", lambda call=interrupted: call)
        with pytest.raises(SystemExit):
            cli.main()
        assert capsys.readouterr().err == f"gtp: error: {'; '.join(filter(None, ['interrupted', said]))}\n"


def test_help_lists_typed_flags(folder):
    result = gtp("train", "gtp", "--help", cwd=folder)
    assert result.returncode == 0
    for flag in ("--eta FLOAT", "--train.steps INT", "--execution.device {auto,cpu,cuda}"):
        assert flag in result.stdout


HELP_WITHOUT_TORCH = [
    "",
    "--help",
    "--version",
    "trian",
    "dataset --help",
    "dataset prepare --help",
    "dataset fetch d4rl --help",
    "dataset generate --help",
    "online --help",
    "behaviour calibrate --help",
    "evaluate --help",
    "evaluate --policy none --output s.csv --episode 3",
    "inspect --help",
    "claims --help",
]


def test_help_does_not_wait_for_torch(tmp_path):
    program = f"""
import sys
from gtp.cli.main import main
for words in {HELP_WITHOUT_TORCH}:
    sys.argv = ["gtp", *words.split()]
    try:
        main()
    except SystemExit:
        pass
    else:
        raise AssertionError(words)
    assert "torch" not in sys.modules, words
"""
    command, environment = [sys.executable, "-c", program], {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "did you mean 'train'?" in result.stderr
    assert "did you mean --episodes?" in result.stderr


@pytest.mark.parametrize("module", [module for modules in cli.MODULES.values() for module in modules])
def test_help_says_of_a_verb_what_its_function_says(module):
    verbs = import_module(f"gtp.cli.{module}").VERBS
    said = {name: inspect.cleandoc(text) for name, text in cli.descriptions(module).items()}
    assert said == {name: inspect.getdoc(verb) for name, verb in verbs.items()}
    assert all(said.values())


def test_every_module_of_the_command_line_is_in_one_group():
    modules = [module for modules in cli.MODULES.values() for module in modules]
    assert len(set(modules)) == len(modules)
    files = {path.stem for path in (ROOT / "gtp/cli").glob("*.py")}
    assert files - {"__init__", "command_line", "main"} == set(modules)


def test_no_verb_at_all_asks_for_help(tmp_path):
    bare, asked = gtp(cwd=tmp_path), gtp("--help", cwd=tmp_path)
    assert bare.returncode == 0
    assert bare.stdout == asked.stdout
    assert "evaluate" in bare.stdout


def test_the_version_is_the_citations(tmp_path):
    citation = (ROOT / "CITATION.cff").read_text()
    assert gtp("--version", cwd=tmp_path).stdout == f"gtp {re.search('^version: (.*)$', citation, re.M)[1]}\n"


def test_the_documentation_spells_flags_as_help_does():
    """With underscores, which are also what `set` of a method wants."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "config").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages).replace("\\\n", " ")
    calls = re.findall(r"^\s*(?:python -m )?gtp .*$", text, re.MULTILINE)
    assert len(calls) >= 4
    assert not [flag for call in calls for flag in re.findall(r"--[\w.]+-[\w-]+", call)]


@pytest.mark.parametrize("name", ["unsound", "gtp", "mbdpo"])
def test_an_unsound_file_of_a_method_disables_only_what_needs_it(tmp_path, name):
    shutil.copytree(ROOT / "gtp", tmp_path / "gtp", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / f"gtp/algorithms/{name}.py").write_text("def broken(:")
    without = gtp("derive", "gaussian_bc", "--help", cwd=tmp_path, root=tmp_path)
    assert without.returncode == 0, without.stderr
    wanted = gtp("train", name, "--data", "none", "--output", "out", cwd=tmp_path, root=tmp_path)
    assert wanted.returncode == 2
    assert f"gtp/algorithms/{name}.py is not a method" in wanted.stderr.splitlines()[-1]
    assert "Traceback" not in wanted.stderr
