"""Parts of the training loop: what it checks first, what it logs, and the record of a run."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gtp import algorithms
from gtp.config import Execution
from gtp.data.reward_scale import reward_unit
from gtp.errors import UserError
from gtp.training import loop
from gtp.training.learner import Learner
from gtp.training.loop import Interval, check_inputs, losses, measurements, peak_memory_mb, train, use_threads

from .training_fixtures import CONFIG, tiny_transitions

EAGER = Execution(device="cpu", compile="off", progress_seconds=60)


def test_threads_are_at_least_one():
    before = torch.get_num_threads()
    try:
        use_threads(1)
        assert torch.get_num_threads() == 1
        with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
            use_threads(0)
    finally:
        torch.set_num_threads(before)


def test_a_gpu_is_taken_where_there_is_one_and_nobody_said_otherwise(monkeypatch):
    for visible, wanted, chosen in (
        (True, "auto", "cuda"),
        (True, "cuda", "cuda"),
        (True, "cpu", "cpu"),
        (False, "auto", "cpu"),
        (False, "cpu", "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda visible=visible: visible)
        assert loop.choose_device(wanted).type == chosen


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,), (0, -1)])
def test_seeds_are_distinct_and_not_negative(seeds):
    algorithm = algorithms.get("gaussian_bc")()
    with pytest.raises(ValueError, match="seeds must be distinct, not negative, and at least one"):
        check_inputs(algorithm, tiny_transitions(), seeds)
    check_inputs(algorithm, tiny_transitions(), (0,))


def test_where_a_training_writes_has_to_be_named(tmp_path):
    folders = (tmp_path / "out", tmp_path / "checkpoints", EAGER)
    with pytest.raises(TypeError, match="positional"):
        train(algorithms.get("gaussian_bc")(), CONFIG, tiny_transitions(), (0,), *folders)


class Reached(Exception):
    """The training begins."""


@pytest.mark.parametrize("name", ["iql", "mbdpo"])
def test_a_method_is_trained_in_the_unit_of_its_rewards_and_for_their_discount(name, tmp_path, monkeypatch):
    algorithm, trained = algorithms.get(name)(), []

    def begin(run, *_):
        trained.append(run.algorithm)
        raise Reached

    monkeypatch.setattr(loop, "_train", begin)
    data = tiny_transitions()
    data = replace(data, rewards=np.linspace(-1.0, 2.0, len(data), dtype=np.float32))
    config, unit = replace(CONFIG, discount=0.9), reward_unit(data, 0.9)
    with pytest.raises(Reached):
        train(algorithm, config, data, (0,), output=tmp_path / "out", checkpoints=tmp_path, execution=EAGER)
    assert trained == [algorithm.for_reward_unit(unit).for_discount(0.9)] != [algorithm]


def test_a_training_takes_the_threads_that_it_was_given(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    paths = {"output": tmp_path / "out", "checkpoints": tmp_path}
    short = replace(CONFIG, steps=1, snapshots=1)
    for threads in (3, 1):
        execution = replace(EAGER, threads=threads)
        train(algorithms.get("gaussian_bc")(), short, tiny_transitions(), (0,), execution=execution, **paths)
    assert taken == [3, 1]


def test_windows_must_fit_into_an_episode():
    method = algorithms.get("mbdpo")
    check_inputs(method(horizon=20), tiny_transitions(40), (0,))
    with pytest.raises(ValueError, match="21 steps"):
        check_inputs(method(horizon=21), tiny_transitions(40), (0,))


def test_an_interval_is_the_mean_over_the_updates_that_logged_a_quantity():
    interval, values = Interval(), torch.tensor([[1.0, 10.0]])
    interval.add(["a"], values)
    interval.add(["a", "b"], torch.tensor([[3.0, 30.0], [5.0, 50.0]]))
    interval.add(["a"], torch.tensor([[8.0, 80.0]]))
    assert interval.means() == (["a", "b"], [[4.0, 40.0], [5.0, 50.0]])
    assert values.tolist() == [[1.0, 10.0]]  # what the learner returned is its own


def test_progress_tells_the_losses_of_the_seeds_that_have_some():
    values = torch.tensor([[1.0, math.nan], [7.0, 7.0], [2.0, 4.12345]])
    assert losses(["loss/actor", "q/mean", "loss/q"], values) == "loss/actor 1, loss/q 3.06"


def test_measurements_are_rows_of_each_seed():
    rows = list(measurements([[5, 2.5, ["a", "b"], [[1.0, 2.0], [3.0, 4.0]]]], (7, 9)))
    assert [(row.step, row.seed, row.quantity, row.value) for row in rows] == [
        (5, 7, "seconds", 2.5),
        (5, 7, "a", 1.0),
        (5, 7, "b", 3.0),
        (5, 9, "seconds", 2.5),
        (5, 9, "a", 2.0),
        (5, 9, "b", 4.0),
    ]


def test_memory_is_in_megabytes(monkeypatch):
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    assert peak_memory_mb(torch.device("cpu")) == pytest.approx(int(line.split()[1]) / 1e3, rel=0.05)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3_000_000)
    assert peak_memory_mb(torch.device("cuda")) == 3.0
    monkeypatch.setattr(loop.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=5_000_000))
    for system, peak in (("Darwin", 5.0), ("Linux", 5_000.0)):
        monkeypatch.setattr(loop.platform, "system", lambda system=system: system)
        assert peak_memory_mb(torch.device("cpu")) == peak


def test_seconds_and_rates_leave_out_the_first_update_of_each_phase(tmp_path, monkeypatch):
    """By a clock that is asked once a second; of the four updates of two seeds, the first one compiles."""
    asked = []

    def monotonic():
        asked.append(1000.0 + len(asked))
        return asked[-1]

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=monotonic))
    record = train(
        algorithms.get("gaussian_bc")(),
        replace(CONFIG, steps=4, snapshots=1),
        tiny_transitions(),
        (3, 8),
        output=tmp_path / "out",
        checkpoints=tmp_path,
        execution=EAGER,
    )
    text = (tmp_path / "out/run.json").read_text()
    assert text == json.dumps(record, indent=2)  # for people
    whole = asked[-1] - asked[0]
    assert record["training_seconds"] == whole
    assert record["compilation_seconds"] == 1.0
    assert record["seed_updates_per_second"] == pytest.approx(2 * 3 / (whole - 1.0))
    rows = [line.split(",") for line in (tmp_path / "out/training.csv").read_text().splitlines()[1:]]
    seconds = [(int(row[0]), int(row[1]), float(row[3])) for row in rows if row[2] == "seconds"]
    assert [row[:2] for row in seconds] == [(step, seed) for step in (1, 2, 3, 4) for seed in (3, 8)]
    assert all(0.0 < value < whole for _, _, value in seconds)
    assert [row[2] for row in seconds] == sorted(row[2] for row in seconds)


def test_room_is_asked_for_two_checkpoints_and_every_policy(tmp_path, monkeypatch):
    """A checkpoint is written beside the one that it replaces."""
    asked = []
    monkeypatch.setattr(loop, "require_room", lambda folder, size, *_, largest: asked.append((size, largest)))
    learner = Learner(algorithms.get("iql")(), CONFIG, 3, 2, [0, 1], torch.device("cpu"), compiled=False)
    loop.check_room(learner, CONFIG, tmp_path / "scratch", tmp_path / "out")

    def numbers(tree):
        return sum(leaf.numel() for own in tree.values() for leaf in own.values())

    # The step, and where each of two seeds diverged, are long.
    state = 4 * (numbers(learner.params) + 2 * numbers(learner.first)) + 8 * 3
    policy = 4 * numbers({name: learner.params[name] for name in ("actor_ema", "critic_ema")})
    assert asked == [(2 * state + 3 * policy, state), (3 * policy, state)]


def test_a_training_without_room_does_not_begin(tmp_path, monkeypatch):
    def refuse(folder, size, *_, **__):
        raise UserError(f"no room in {folder}")

    monkeypatch.setattr(loop, "require_room", refuse)
    monkeypatch.setattr(Learner, "update", lambda *_: pytest.fail("began"))
    paths = {"output": tmp_path / "out", "checkpoints": tmp_path}
    with pytest.raises(UserError, match="no room"):
        train(algorithms.get("gaussian_bc")(), CONFIG, tiny_transitions(), (0,), execution=EAGER, **paths)


def test_checkpoints_keep_their_distance(tmp_path, monkeypatch):
    """With a second between two questions for the time, 14 of them pass from one checkpoint to the next."""
    asked, saved = [], []

    def monotonic():
        asked.append(float(len(asked)))
        return asked[-1]

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(loop, "save_checkpoint", lambda *_, step, **__: saved.append((step, asked[-1])))
    train(
        algorithms.get("gaussian_bc")(),
        replace(CONFIG, steps=20, snapshots=1),
        tiny_transitions(),
        (0,),
        output=tmp_path / "out",
        checkpoints=tmp_path,
        execution=replace(EAGER, checkpoint_seconds=14),
    )
    times = [0.0, *(time for _, time in saved)]
    assert len(saved) >= 3
    assert all(later - earlier >= 14 for earlier, later in pairwise(times))
    assert saved[-1][0] < 20  # after the last step there is nothing to go on from
