"""Two and eight processes at once on one dataset, one run, one folder: each ends right or in one line."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gtp import load_policy
from gtp.data.store.card import verify_card
from gtp.data.transitions import save_transitions

from .test_cli import EAGER, QUICK, ROOT
from .training_fixtures import tiny_transitions

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("count", [2, 8])]
ID = "generated/pointmaze/u-v0"
GENERATE = f"dataset generate waypoint --id {ID} --root minari --maze umaze --steps 600 --horizon 300"
TRAIN = f"train gaussian_bc --data data.safetensors {shlex.join(QUICK + EAGER)}"


def at_once(folder: Path, commands: list[str]) -> list[tuple[int, list[str]]]:
    """Status and lines on stderr of `gtp` commands that are started together."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "gtp", *shlex.split(command)],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    lines = [process.communicate()[1].splitlines() for process in started]
    return list(zip([process.returncode for process in started], lines, strict=True))


def refusals(ended: list[tuple[int, list[str]]]) -> list[str]:
    """The last lines of those that were refused, each in one line."""
    refused = [lines for status, lines in ended if status != 0]
    for lines in refused:
        assert [line.startswith("gtp: error: ") for line in lines[-2:]][-2:] in ([False, True], [True]), lines
        assert not [line for line in lines if "Traceback" in line]
    assert {status for status, _ in ended} <= {0, 2}
    return [lines[-1] for lines in refused]


def test_one_dataset_is_made_once_and_all_have_it(tmp_path, count):
    ended = at_once(tmp_path, [GENERATE] * count)
    assert refusals(ended) == []
    assert sum("steps installed in" in line for _, lines in ended for line in lines) == 1
    assert verify_card(tmp_path / "minari" / ID)["steps"] == 600


def test_one_run_is_trained_once(tmp_path, count):
    save_transitions(tmp_path / "data.safetensors", tiny_transitions())
    command = f"{TRAIN} --output out"
    ended = at_once(tmp_path, [command] * count)
    assert all("another process is training this very run" in line for line in refusals(ended))
    trained = [lines for status, lines in ended if status == 0 and "already" not in lines[-2]]
    assert len(trained) == 1
    assert load_policy(tmp_path / "out/policy-20.safetensors").step == 20
    ((status, lines),) = at_once(tmp_path, [command])
    assert (status, "holds this very run already" in "".join(lines)) == (0, True)
    assert not list((tmp_path / "checkpoints").glob("*/"))


def test_one_folder_takes_one_of_several_runs(tmp_path, count):
    save_transitions(tmp_path / "data.safetensors", tiny_transitions())
    ended = at_once(tmp_path, [f"{TRAIN} --output out --seeds {seed}" for seed in range(count)])
    told = refusals(ended)
    assert len(told) == count - 1
    assert all("another run is writing to" in line or "holds another run" in line for line in told)
    (seed,) = [seed for seed, (status, _) in enumerate(ended) if status == 0]
    assert json.loads((tmp_path / "out/run.json").read_text())["seeds"] == [seed]
    assert load_policy(tmp_path / "out/policy-20.safetensors").seeds == [seed]
