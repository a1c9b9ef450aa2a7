"""What is in an output folder stays there: a run's results, a user's files."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gtp import algorithms
from gtp.algorithms.mbdpo import MBDPO
from gtp.config import Execution
from gtp.errors import UserError
from gtp.files import require_writable, write_text
from gtp.online.loop import train_online
from gtp.online.sac import train_sac
from gtp.online.settings import ModelBasedConfig, OnlineConfig
from gtp.training.loop import rate, train
from gtp.training.run import Run, claimed, exclusive, is_copy

from .training_fixtures import CONFIG, tiny_transitions

SHORT = OnlineConfig(
    environment="Pendulum-v1", max_episode_steps=10, steps=30, evaluate_every=20, evaluation_episodes=2
)
EAGER = Execution(device="cpu", compile="off")


def run(folder, seed, overwrite=False, execution=EAGER):
    kind = algorithms.get("gaussian_bc")()
    paths = {"output": folder / "out", "checkpoints": folder / "checkpoints"}
    return train(kind, CONFIG, tiny_transitions(), (seed,), execution=execution, overwrite=overwrite, **paths)


def test_a_folder_keeps_its_run_unless_told_otherwise(tmp_path, capsys):
    first = run(tmp_path, 0)
    policy = tmp_path / "out/policy-120.safetensors"
    before = policy.stat().st_mtime_ns
    assert run(tmp_path, 0)["training_seconds"] == first["training_seconds"]
    assert "holds this very run already" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        run(tmp_path, 1)
    assert policy.stat().st_mtime_ns == before
    old = [
        tmp_path / "out" / name
        for name in (".policy-120.safetensors.01234567.partial", "policy-7.safetensors")
    ]
    for path in old:
        path.write_text("of an older run")
    assert run(tmp_path, 1, overwrite=True)["seeds"] == [1]
    assert not any(path.exists() for path in old)


def test_a_program_that_says_nothing_replaces_what_is_there(tmp_path):
    """`overwrite` is for it to refuse; on the command line, refusing is the default."""
    kind, short = algorithms.get("gaussian_bc")(), replace(CONFIG, steps=2, snapshots=1)
    paths = {"output": tmp_path / "out", "checkpoints": tmp_path / "checkpoints"}
    for seed in (0, 1):
        record = train(kind, short, tiny_transitions(), (seed,), execution=EAGER, **paths)
        assert record["seeds"] == [seed]


def test_a_runs_digest_does_not_depend_on_the_order_of_its_settings(monkeypatch):
    first, second = (
        Run(algorithms.get("iql")(), CONFIG, tiny_transitions(), (0,), torch.device("cpu"), False, "iql")
        for _ in range(2)
    )
    digest, settings = first.digest, first.settings()
    monkeypatch.setattr(Run, "settings", lambda self: dict(reversed(settings.items())))
    assert second.digest == digest


def online(folder, seed, overwrite=False):
    execution = Execution(device="cpu", compile="off")
    method = MBDPO(size="nano", samples=8, elites=4, prior_sequences=2)
    config = ModelBasedConfig(**vars(SHORT), seed_steps=15, batch_size=4, nfe=2)
    paths = {"output": folder / "out", "checkpoints": folder / "checkpoints"}
    return train_online(method, config, seed, execution=execution, overwrite=overwrite, **paths)


def sac(folder, seed, overwrite=False):
    return train_sac(SHORT, seed, output=folder / "out", label="sac", overwrite=overwrite)


@pytest.mark.parametrize("train_anew", [online, sac])
def test_a_folder_keeps_its_online_run_unless_told_otherwise(train_anew, tmp_path, capsys):
    first = train_anew(tmp_path, 0)
    before = (tmp_path / "out/online.csv").stat().st_mtime_ns
    assert train_anew(tmp_path, 0)["seconds"] == first["seconds"]
    assert "holds this very run already; --overwrite True" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        train_anew(tmp_path, 1)
    with pytest.raises(UserError, match="holds another run.*--overwrite"):
        run(tmp_path, 0)
    assert (tmp_path / "out/online.csv").stat().st_mtime_ns == before
    assert train_anew(tmp_path, 1, overwrite=True)["seed"] == 1


class Cut(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def cut_at(monkeypatch, name):
    """Let publishing end before it writes the file `name`."""
    import gtp.training.run

    original = gtp.training.run.write_atomically

    def write(path, fill):
        if path.name == name:
            raise Cut
        original(path, fill)

    monkeypatch.setattr(gtp.training.run, "write_atomically", write)


@pytest.mark.parametrize("name", ["policy-80.safetensors", "training.csv", "run.json"])
def test_a_run_that_was_killed_while_it_published_is_its_own_successor(tmp_path, monkeypatch, name):
    """Its policies lie in the folder without a record; they must not pass for another run's."""
    with monkeypatch.context() as patched:
        cut_at(patched, name)
        with pytest.raises(Cut):
            run(tmp_path, 0)
    assert (tmp_path / "out/policy-120.safetensors").exists()
    with pytest.raises(UserError, match="holds another run"):
        run(tmp_path, 1)
    assert run(tmp_path, 0)["seeds"] == [0]
    assert not list((tmp_path / "checkpoints").glob("*/"))


def test_a_run_that_was_killed_while_it_replaced_another_leaves_no_record(tmp_path, monkeypatch):
    """Of the policies in the folder, some are of either run."""
    run(tmp_path, 0)
    with monkeypatch.context() as patched:
        cut_at(patched, "policy-40.safetensors")
        with pytest.raises(Cut):
            run(tmp_path, 1, overwrite=True)
    assert not (tmp_path / "out/run.json").exists()


def test_copies_are_told_by_their_bytes(tmp_path):
    first, second, none = (tmp_path / name for name in ("first", "second", "none"))
    first.write_text("one")
    second.write_text("two")
    for path in (first, second):
        os.utime(path, (1.0, 1.0))
    assert not is_copy(first, second)
    second.write_text("one")
    assert is_copy(first, second)
    assert not is_copy(first, none)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_was_killed_after_it_published_leaves_nothing_behind(tmp_path, monkeypatch, overwrite):
    """Its folder may lack any part by then, policies too, and must not stop the run when it comes again."""
    import gtp.training.run

    def remove_one(folder, ignore_errors):
        (folder / "policy-40.safetensors").unlink()
        raise Cut

    execution = Execution(device="cpu", compile="off", checkpoint_seconds=0)
    with monkeypatch.context() as patched:
        patched.setattr(gtp.training.run.shutil, "rmtree", remove_one)
        with pytest.raises(Cut):
            run(tmp_path, 0, execution=execution)
    (scratch,) = (tmp_path / "checkpoints").glob("*/")
    assert (scratch / "policy-80.safetensors").exists()
    assert run(tmp_path, 0, overwrite, execution)["seeds"] == [0]
    assert not scratch.exists()


def test_a_folder_that_another_process_trains_in_is_left_to_it(tmp_path):
    run(tmp_path, 0)
    (lock,) = (tmp_path / "checkpoints").glob("*.lock")
    scratch = lock.with_suffix("")
    with exclusive(scratch):
        with pytest.raises(UserError, match="another process is training this very run"):
            run(tmp_path, 0)
        assert scratch.exists()


HALF = """
import sys, time
from pathlib import Path
from gtp.files import write_atomically

def write(temporary):
    temporary.write_text("half")
    print("begun", flush=True)
    time.sleep(100)

write_atomically(Path(sys.argv[1]), write)
"""


def begin_to_write(path):
    """A process that has written half of a file and waits."""
    command = [sys.executable, "-c", HALF, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def test_halves_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path):
    path = tmp_path / "scores[1].csv"
    dead, living = begin_to_write(path), begin_to_write(path)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    other = tmp_path / ".scores.csv.01234567.partial"
    other.write_text("of another file")
    assert len(list(tmp_path.iterdir())) == 3
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert other.exists()
    (half,) = tmp_path.glob(".scores[[]1].csv.*.partial")
    assert half.read_text() == "half"
    living.send_signal(signal.SIGKILL)
    living.wait()
    write_text(path, "again")
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_two_runs_do_not_share_a_folder_at_once(tmp_path):
    with claimed(tmp_path / "out"), pytest.raises(UserError, match="another run is writing"):
        run(tmp_path, 0)
    run(tmp_path, 0)


def test_trying_a_folder_touches_nobodys_file(tmp_path):
    (tmp_path / "probe").write_text("mine")
    require_writable(tmp_path)
    assert (tmp_path / "probe").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_a_session_without_updates_of_its_own_has_no_rate():
    assert rate(0, 0.1) is None
    assert rate(30, 2.0) == 15.0
