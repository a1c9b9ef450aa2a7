"""The training loop: seeds are independent, runs repeat and resume to the bit, failures are reported."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gtp import algorithms, load_policy
from gtp.algorithms.gtp import GTP
from gtp.config import Execution, TrainConfig
from gtp.data.batches import n_step_returns
from gtp.errors import UserError
from gtp.files import read_tensors, write_tensors
from gtp.training import loop
from gtp.training.loop import closing_line, train
from gtp.training.run import exclusive

from .killed import killed_training, start_training
from .training_fixtures import CONFIG, tiny_transitions

EAGER = Execution(device="cpu", compile="off", progress_seconds=60)


def run(folder: Path, method="gtp", seeds=(0,), config=CONFIG, data=None, execution=EAGER, **settings):
    algorithm = algorithms.get(method)(**settings)
    return train(
        algorithm,
        config,
        data or tiny_transitions(),
        seeds,
        output=folder,
        checkpoints=folder / "checkpoints",
        execution=execution,
    )


def parameters(path: Path) -> dict[str, torch.Tensor]:
    return read_tensors(path, "gtp-policy", "")[0]


@pytest.mark.parametrize("method", algorithms.names())
def test_vmapped_seeds_equal_single_seeds(tmp_path, method):
    run(tmp_path / "both", method, seeds=(3, 8))
    run(tmp_path / "one", method, seeds=(8,))
    both = parameters(tmp_path / "both/policy-120.safetensors")
    one = parameters(tmp_path / "one/policy-120.safetensors")
    for name in one:
        if name.startswith("params/"):
            torch.testing.assert_close(both[name][1], one[name][0], rtol=1e-4, atol=1e-6)
            assert not torch.equal(both[name][0], both[name][1])


@pytest.mark.parametrize("method", algorithms.names())
def test_a_run_repeats_to_the_bit(tmp_path, method):
    for name in ("first", "second"):
        run(tmp_path / name, method)
    first = parameters(tmp_path / "first/policy-120.safetensors")
    second = parameters(tmp_path / "second/policy-120.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.unmutated
@pytest.mark.parametrize("method", algorithms.names())
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, method):
    """SIGKILL as soon as a checkpoint exists; the same call then ends where a straight run ends."""
    killed_training(tmp_path, method)
    run(tmp_path / "out", method, seeds=(0, 1))
    assert json.loads((tmp_path / "out/run.json").read_text())["resumed_at"] > 0
    run(tmp_path / "straight", method, seeds=(0, 1))
    for step in CONFIG.snapshot_steps():
        resumed = parameters(tmp_path / f"out/policy-{step}.safetensors")
        straight = parameters(tmp_path / f"straight/policy-{step}.safetensors")
        assert all(torch.equal(resumed[name], straight[name]) for name in straight)
    assert not list((tmp_path / "out/checkpoints").glob("*/"))


def test_an_interrupted_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    """In one process, which a mutant of the loop reaches: log and parameters are those of one run."""
    original, saved = loop.save_checkpoint, []

    def save_and_stop(path, state, **header):
        saved.append(header)
        original(path, state, **header)
        if len(saved) == 3:
            raise KeyboardInterrupt

    at_once = replace(EAGER, checkpoint_seconds=0)
    monkeypatch.setattr(loop, "save_checkpoint", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", seeds=(0, 1), execution=at_once)
    monkeypatch.setattr(loop, "save_checkpoint", original)
    assert [header["step"] for header in saved] == [1, 2, 3]  # a log interval of 120 steps is one or two
    record = run(tmp_path / "cut", seeds=(0, 1), execution=at_once)
    assert record["resumed_at"] == 3
    assert record["training_seconds"] > saved[-1]["seconds"]
    straight = run(tmp_path / "straight", seeds=(0, 1))
    assert straight["resumed_at"] is None
    for step in CONFIG.snapshot_steps():
        cut, whole = (
            parameters(tmp_path / name / f"policy-{step}.safetensors") for name in ("cut", "straight")
        )
        assert all(torch.equal(cut[name], whole[name]) for name in whole)
    tables = [quantities(tmp_path / name / "training.csv") for name in ("cut", "straight")]
    assert tables[0] == tables[1]
    assert not list((tmp_path / "cut/checkpoints").glob("*/"))


def quantities(path: Path) -> list[list[str]]:
    """The rows of training.csv but for the seconds."""
    rows = list(csv.reader(path.open()))
    assert rows[0] == ["step", "seed", "quantity", "value"]
    return [row for row in rows if row[2] != "seconds"]


@pytest.mark.unmutated
def test_training_log_is_the_same_after_a_resume(tmp_path):
    """Quantities are averages over log intervals; a resume must not lose or repeat a part of one."""
    killed_training(tmp_path, "gtp")
    run(tmp_path / "out", seeds=(0, 1))
    run(tmp_path / "straight", seeds=(0, 1))

    assert quantities(tmp_path / "out/training.csv") == quantities(tmp_path / "straight/training.csv")


def test_a_diverging_seed_is_recorded_and_leaves_the_other_alone(tmp_path, monkeypatch):
    import gtp.training.learner

    original = gtp.training.learner.initialise

    def spoiled(*args):
        modules, params = original(*args)
        first = next(iter(params["actor"]))
        if args[2] == [0, 1]:
            params["actor"][first][0] = float("nan")
        return modules, params

    monkeypatch.setattr(gtp.training.learner, "initialise", spoiled)
    record = run(tmp_path / "pair", seeds=(0, 1))
    run(tmp_path / "alone", seeds=(1,))
    assert record["diverged_at"] == {"0": 1}
    pair = parameters(tmp_path / "pair/policy-120.safetensors")
    alone = parameters(tmp_path / "alone/policy-120.safetensors")
    for name in alone:
        if name.startswith("params/"):
            torch.testing.assert_close(pair[name][1], alone[name][0], rtol=1e-4, atol=1e-6)
    assert load_policy(tmp_path / "pair/policy-120.safetensors", seed=0).diverged_at == 1
    assert load_policy(tmp_path / "pair/policy-120.safetensors", seed=1).diverged_at is None
    with pytest.raises(RuntimeError, match="seed 0 diverged at step 1 .*use another"):
        load_policy(tmp_path / "pair/policy-120.safetensors", seed=0).act(np.zeros(3))


def test_last_line_of_a_run_names_the_seeds_that_diverged():
    def line(diverged_at):
        return closing_line({"diverged_at": diverged_at}, (3, 4), Path("out"), 120)

    hint = "wrote out: load_policy('out/policy-120.safetensors'"
    assert line({}) == f"{hint})"
    assert line({"4": 7}) == f"{hint}); diverged at step 7 (seed 4)"
    assert line({"3": 9}) == f"{hint}, seed=4); diverged at step 9 (seed 3)"
    both = "all seeds diverged, at step 9 (seed 3), 7 (seed 4); no policy can act"
    assert line({"3": 9, "4": 7}) == f"wrote out: {both}"


def test_snapshots_and_record(tmp_path):
    record = run(tmp_path, seeds=(0, 5))
    assert sorted(p.name for p in tmp_path.glob("policy-*")) == [
        f"policy-{step}.safetensors" for step in (120, 40, 80)
    ]
    assert json.loads(json.dumps(record)) == json.loads((tmp_path / "run.json").read_text())
    assert record["seeds"] == [0, 5]
    assert record["diverged_at"] == {}
    # actor 3 + 2 + 32 -> 16 -> 16 -> 2, critic 2 x (5 -> 16 -> 16 -> 1), value 3 -> 16 -> 16 -> 1
    assert record["parameters"] == (37 * 16 + 16 + 272 + 34) + 2 * (96 + 272 + 17) + (64 + 272 + 17)


def test_n_step_returns_by_hand():
    """Two episodes of three and two steps; the first terminates, the second is cut by a timeout."""
    data = replace(
        tiny_transitions(5),
        rewards=np.array([1, 2, 4, 8, 16], dtype=np.float32),
        terminations=np.array([0, 0, 1, 0, 0], dtype=np.float32),
        episode_starts=np.array([0, 3]),
    )
    rewards, last, discount = n_step_returns(data, n=2, discount=0.5)
    assert rewards.tolist() == [1 + 0.5 * 2, 2 + 0.5 * 4, 4, 8 + 0.5 * 16, 16]
    assert last.tolist() == [1, 2, 2, 4, 4]
    assert discount.tolist() == [0.25, 0.0, 0.0, 0.25, 0.5]
    rewards, last, discount = n_step_returns(data, n=1, discount=0.5)
    assert rewards.tolist() == data.rewards.tolist()
    assert last.tolist() == [0, 1, 2, 3, 4]
    assert discount.tolist() == [0.5, 0.5, 0.0, 0.5, 0.5]


@pytest.mark.unmutated
def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(tmp_path):
    path = killed_training(tmp_path, "gtp")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"{path.name} is truncated or not a gtp-checkpoint file; delete it"):
        run(tmp_path / "out", seeds=(0, 1))
    path.write_bytes(whole)
    tensors, header = read_tensors(path, "gtp-checkpoint", "")
    write_tensors(path, {"step": tensors["step"]}, header)
    with pytest.raises(UserError, match="does not hold the state of its run; delete it"):
        run(tmp_path / "out", seeds=(0, 1))
    write_tensors(path, tensors, header | {"run": "0" + header["run"]})
    with pytest.raises(UserError, match="belongs to another run .*; delete it"):
        run(tmp_path / "out", seeds=(0, 1))


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"seeds .*got \[1, 1\]"):
        run(tmp_path, seeds=(1, 1))
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="use --execution.device cpu"):
            run(tmp_path, execution=Execution(device="cuda"))


@pytest.mark.parametrize(
    ("seconds", "advice"),
    [(0, "resumes from the last checkpoint"), (60, "begins anew: there is no checkpoint yet")],
)
def test_an_interrupted_run_says_whether_there_is_a_checkpoint(tmp_path, monkeypatch, seconds, advice):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("gtp.training.loop.save_policy", interrupt)  # after 40 of 120 steps
    with pytest.raises(KeyboardInterrupt, match=advice):
        run(tmp_path, execution=replace(EAGER, checkpoint_seconds=seconds))


@pytest.mark.unmutated
def test_two_processes_do_not_train_the_same_run_at_once(tmp_path):
    processes = [start_training(tmp_path, "gtp") for _ in range(2)]
    messages = "".join(process.communicate()[1] for process in processes)
    codes = sorted(process.returncode for process in processes)
    # Either they overlapped and the second was refused, or the second came late and trained again.
    assert codes == [0, 0] or (codes == [0, 1] and "another process is training this very run" in messages)
    assert load_policy(tmp_path / "out/policy-120.safetensors").step == 120


def test_an_error_of_the_run_is_not_taken_for_one_of_its_lock(tmp_path):
    with pytest.raises(OSError, match="no more sockets"), exclusive(tmp_path / "run"):
        raise OSError("no more sockets")
    held, second = exclusive(tmp_path / "run"), exclusive(tmp_path / "run")
    with held, pytest.raises(UserError, match="another process"), second:
        pass


def test_unwritable_output_is_one_line(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr("gtp.training.loop.Learner", None)  # the complaint comes before any training
    with pytest.raises(UserError, match="file.*choose another"):
        train(
            GTP(eta=0.0),
            CONFIG,
            tiny_transitions(),
            (0,),
            output=blocked,
            checkpoints=tmp_path,
            execution=EAGER,
        )


@pytest.mark.slow
def test_compiled_update_agrees_with_eager(tmp_path):
    run(tmp_path / "eager", config=replace(CONFIG, steps=20, snapshots=1))
    run(
        tmp_path / "compiled",
        config=replace(CONFIG, steps=20, snapshots=1),
        execution=Execution(device="cpu"),
    )
    eager = parameters(tmp_path / "eager/policy-20.safetensors")
    compiled = parameters(tmp_path / "compiled/policy-20.safetensors")
    for name in eager:
        torch.testing.assert_close(compiled[name], eager[name], rtol=1e-3, atol=1e-4)


def test_config_values_out_of_range_are_refused():
    for settings, message in (
        ({"steps": 0}, "steps"),
        ({"discount": 1.5}, "discount"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"steps": 2, "snapshots": 3}, "snapshots.*steps"),
    ):
        with pytest.raises(ValueError, match=message):
            TrainConfig(**settings)
