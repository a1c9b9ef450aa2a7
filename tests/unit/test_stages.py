"""Stages of training: what runs, what is copied and what is logged follow from the number of steps alone."""

import csv
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from gtp.algorithms.common.interface import Algorithm, Average, Batch, Copy, Update
from gtp.config import Execution
from gtp.randomness import BLOCK, Draw, draw_block
from gtp.training.learner import Learner, stage_starts
from gtp.training.loop import train
from gtp.training.optimizer import adam_
from gtp.training.samplers import TransitionSampler

from .training_fixtures import CONFIG, tiny_transitions

CPU = torch.device("cpu")
STEPS = 10


def test_an_update_runs_in_every_step_unless_told_otherwise():
    update = Update("actor", lambda *_: None)
    assert (update.begin, update.end, update.every) == (0.0, 1.0, 1)


class Number(nn.Module):
    """One trainable number."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self) -> torch.Tensor:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Staged(Algorithm):
    """`student` climbs for half of the training, is kept as `teacher`, then descends; `always` climbs."""

    choosable_nfe: ClassVar[bool] = False
    acting_networks: ClassVar[tuple[str, ...]] = ("student",)
    averages: ClassVar[tuple[Average, ...]] = (Average("student"),)
    half: float = 0.5

    def networks(self, sizes):
        return {name: Number() for name in ("student", "teacher", "always")}

    def draws(self, batch_size, action_size):
        return {}

    def updates(self):
        return (
            Update("always", self.towards("always", 1.0)),
            Update("student", self.towards("student", 1.0), end=self.half),
            Update("student", self.towards("student", -1.0), begin=self.half),
        )

    def copies(self):
        return (Copy("student_ema", "teacher", self.half),)

    def towards(self, name, goal):
        def loss(networks, batch, draws, progress):
            distance = networks[name]() - goal
            return distance.square(), {f"{name}/towards_{goal:+.0f}": distance}

        return loss

    def act(self, networks, obs, noise, nfe):
        return noise * networks["student"]()


@dataclass(frozen=True, kw_only=True)
class Telling(Staged):
    """Logs the progress that its loss is told."""

    def draws(self, batch_size, action_size):
        return {"noise": Draw("normal", (2,))}

    def updates(self):
        def loss(networks, batch, draws, progress):
            return networks["student"]().square(), {"progress": progress}

        return (Update("student", loss),)


def learner(algorithm=None, compiled=False, steps=STEPS) -> Learner:
    config = replace(CONFIG, steps=steps, snapshots=1, learning_rate=0.1)
    return Learner(algorithm or Staged(), config, 1, 1, [0, 1], CPU, compiled)


def empty() -> TransitionSampler:
    """A sampler of four transitions that are 0."""
    return TransitionSampler(
        Batch(*(torch.zeros(4, 1) for _ in range(2)), *(torch.zeros(4) for _ in range(3)))
    )


def advance(run: Learner, steps: int) -> dict[str, list[float]]:
    """Take steps on an empty batch; the first seed's numbers after each."""
    sampler = empty()
    history = {name: [] for name in run.params}
    for _ in range(steps):
        run.update(sampler, torch.zeros(2, 3, dtype=torch.int64), {})
        for name, values in history.items():
            values.append(run.params[name]["value"][0].item())
    return history


def test_steps_are_counted_in_whole_numbers():
    assert learner().step.dtype == torch.int64  # those of single precision end at 2^24


def adam_by_hand(start: float, goals: list[float]) -> list[float]:
    """A number that follows (x - goal)^2 with a fresh optimiser."""
    params, first, second = ({"value": torch.tensor(x)} for x in (start, 0.0, 0.0))
    values = []
    for i, goal in enumerate(goals):
        gradient = {"value": 2.0 * (params["value"] - goal)}
        adam_(params, gradient, first, second, torch.tensor(i + 1.0), 0.1)
        values.append(params["value"].item())
    return values


def test_an_update_starts_with_a_fresh_optimiser_and_ends_on_time():
    history = advance(learner(), STEPS)
    climb = adam_by_hand(0.0, [1.0] * 5)
    assert history["student"] == pytest.approx(climb + adam_by_hand(climb[-1], [-1.0] * 5), abs=1e-6)
    assert history["always"] == pytest.approx(adam_by_hand(0.0, [1.0] * 10), abs=1e-6)


def test_a_copy_happens_once_before_the_first_update_of_its_stage():
    history = advance(learner(), STEPS)
    average, averages = 0.0, []
    for value in history["student"]:
        average += (1.0 - CONFIG.ema_decay) * (value - average)
        averages.append(average)
    assert history["student_ema"] == pytest.approx(averages, abs=1e-6)
    assert history["teacher"] == [0.0] * 5 + [history["student_ema"][4]] * 5


@pytest.mark.parametrize("taken", [4, 5, 6])
def test_resuming_around_a_boundary_changes_no_bit(taken):
    straight, before, after = learner(), learner(), learner()
    advance(straight, STEPS)
    advance(before, taken)
    after.load_state({name: value.clone() for name, value in before.state().items()})
    assert after.stage == before.stage
    advance(after, STEPS - taken)
    assert all(torch.equal(value, after.state()[name]) for name, value in straight.state().items())


@pytest.mark.unmutated
def test_compiled_stages_agree_with_eager_ones():
    eager, compiled = advance(learner(), STEPS), advance(learner(compiled=True), STEPS)
    assert all(compiled[name] == pytest.approx(values, abs=1e-6) for name, values in eager.items())


def test_an_update_is_compiled_into_one_graph_of_fixed_shapes_where_it_is_wanted(monkeypatch):
    """Breaks in the graph, and shapes left open, would cost speed without a word."""
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: asked.append(settings) or function)
    assert advance(learner(compiled=True), 1) == advance(learner(compiled=False), 1)
    [settings] = asked
    passes = {"joint_custom_pre_pass", "post_grad_custom_pre_pass"}
    assert set(settings.pop("options")) == {"cpp_wrapper", "cpp.vec_isa_ok", *passes}
    assert settings == {"dynamic": False, "fullgraph": True}


def test_a_gpu_captures_each_phase_once_and_replays_it(monkeypatch):
    """With a device that is one by its name alone, and a capture that calls the function."""
    captured = []

    def capture(function, inputs, state):
        captured.append(set(state))
        return function

    monkeypatch.setattr("gtp.training.learner.Captured", capture)
    run = learner()
    run.device = torch.device("cuda")
    assert advance(run, STEPS) == advance(learner(), STEPS)
    assert captured == [set(run.state())] * 2


def test_losses_are_told_the_share_of_the_steps_before_this_one():
    run, told = learner(Telling()), []
    for start in (None, 0, 7):
        if start is not None:
            run.start_at(start)
        for _ in range(2):
            logged = run.update(empty(), torch.zeros(2, 3, dtype=torch.int64), {})
            told.append(logged[run.quantities.index("progress")].tolist())
    assert told == [pytest.approx([share] * 2) for share in (0.0, 0.1, 0.0, 0.1, 0.7, 0.8)]


@pytest.mark.parametrize("start", [0, 3, BLOCK - 1, BLOCK, 2 * BLOCK + 5])
def test_rows_and_draws_are_those_of_the_step_wherever_training_goes_on(start):
    run, sampler = learner(Telling()), empty()
    run.start_at(start)
    for step, (rows, draws) in zip(range(start, start + 3), run.inputs(sampler), strict=False):
        block, place = divmod(step, BLOCK)
        noise = draw_block(run.algorithm.draws(16, 1), run.seeds, block, CPU)["noise"]
        assert torch.equal(rows, sampler.rows(CONFIG.batch_size, run.seeds, block)[place])
        assert torch.equal(draws["noise"], noise[place])


def test_a_seeds_networks_have_its_numbers_and_the_modules_none():
    run = learner()
    run.params["student"]["value"].copy_(torch.tensor([2.0, 5.0]))
    assert [run.networks(place)["student"]().item() for place in (0, 1)] == [2.0, 5.0]
    assert run.networks()["student"]().item() == 2.0
    leaves = [leaf for module in run.modules.values() for leaf in module.parameters()]
    assert {leaf.device.type for leaf in leaves} == {"meta"}


@pytest.mark.parametrize(
    ("half", "steps", "starts"), [(0.5, 10, [0, 5]), (0.29, 100, [0, 29]), (0.5, 1, [0]), (1.0, 10, [0])]
)
def test_stages_of_short_and_odd_trainings(half, steps, starts):
    assert stage_starts(Staged(half=half), steps) == starts


def test_a_log_interval_never_spans_two_stages(tmp_path, monkeypatch):
    """With 500 steps, a row stands for five; the boundary at 303 must cut one interval in two."""
    monkeypatch.setattr("gtp.training.run.code_of_run", lambda algorithm: "this file")
    config = replace(CONFIG, steps=500, snapshots=1, learning_rate=0.1)
    execution = Execution(device="cpu", compile="off", progress_seconds=60)
    algorithm = Staged(half=0.606)
    train(
        algorithm,
        config,
        tiny_transitions(),
        (0,),
        output=tmp_path,
        checkpoints=tmp_path,
        execution=execution,
    )
    with (tmp_path / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = {
        name: [int(row["step"]) for row in rows if row["quantity"] == name]
        for name in ("always/towards_+1", "student/towards_+1", "student/towards_-1")
    }
    assert steps["student/towards_+1"] == [*range(5, 301, 5), 303]
    assert steps["student/towards_-1"] == list(range(305, 501, 5))
    assert steps["always/towards_+1"] == steps["student/towards_+1"] + steps["student/towards_-1"]
    logged = {(int(row["step"]), row["quantity"]): float(row["value"]) for row in rows}
    history = advance(learner(algorithm, steps=500), 500)["student"]
    assert logged[303, "student/towards_+1"] == pytest.approx(sum(history[299:302]) / 3 - 1.0, abs=1e-5)
    assert logged[305, "student/towards_-1"] == pytest.approx(sum(history[302:304]) / 2 + 1.0, abs=1e-5)
