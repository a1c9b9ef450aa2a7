"""`gtp estimate`: how long a study takes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from gtp.cli.plans import MEASURED
from gtp.errors import UserError
from gtp.schema import TABLES
from gtp.studies import load_plan, read_mapping
from gtp.studies.estimate import (
    DRAWING,
    READING,
    START,
    WRITING,
    Measured,
    estimate_lines,
    minutes,
    recorded_length,
    seconds_per_step,
    shares,
)

ROOT = Path(__file__).parents[2]
FILES = [ROOT / f"config/{name}.yaml" for name in ("methods", "tasks", "trials")]
STEP = {"multigoal": 2e-5, "pointmaze-fork": 2e-4}
"""Seconds of a step in an environment, of order of magnitude; 1e-4 in the others."""


def plan_of(study, **changes):
    return load_plan({**read_mapping(ROOT / f"config/{study}.yaml"), **changes}, *FILES)


@pytest.fixture(autouse=True)
def steps(monkeypatch):
    monkeypatch.setattr("gtp.studies.estimate.seconds_per_step", lambda task: STEP.get(task.name, 1e-4))


@pytest.fixture(scope="module")
def references():
    return Measured({ROOT / folder: plan_of(folder.name) for folder in MEASURED})


@pytest.fixture
def measured(tmp_path):
    """One method on one task: 10 updates a second, 20 s to compile, 2 ms an action at K = 1 and 6 at 5."""
    rows = [
        {"quantity": "seed_updates_per_second", "value": 10.0},
        {"quantity": "compilation_seconds", "value": 20.0},
        *(
            {
                "quantity": "seconds_per_action",
                "nfe": nfe,
                "acting": "sample",
                "batch_size": size,
                "value": value,
            }
            for nfe, value in ((1, 0.002), (5, 0.006))
            for size in (1, 64)
        ),
    ]
    common = {"study": "quick", "task": "multigoal", "method": "gtp", "device": "cpu", "repetition": 0}
    frame = pd.DataFrame([common | row for row in rows])
    frame.to_csv(tmp_path / "cost.csv", columns=list(TABLES["cost"].columns), index=False)
    scores = {"study": "quick", "suite": "multigoal", "task": "multigoal", "method": "gtp", "seed": 0}
    scores |= {
        "nfe": 5,
        "acting": "sample",
        "episode": 0,
        "return": 1.0,
        "normalized_score": 1.0,
        "success": 1,
    }
    pd.DataFrame([scores | {"length": 10, "status": "ok"}]).to_csv(tmp_path / "scores.csv", index=False)
    return Measured({tmp_path: plan_of("quick")})


def one_task(**changes):
    """The quick study with one method on one task, by one sample."""
    evaluation = {
        **read_mapping(ROOT / "config/quick.yaml")["evaluation"],
        "acting": ["sample"],
        "nfe": [1, 5],
    }
    return plan_of(
        "quick", **({"tasks": ["multigoal"], "methods": ["gtp"], "evaluation": evaluation} | changes)
    )


def test_jobs_by_hand(measured):
    parts = {part.stage: part for part in shares(one_task(), measured, speed=2.0)}
    assert parts["train"].seconds == pytest.approx(START + (20 + 4000 * 3 / 10) / 2)
    # Twenty episodes of ten steps side by side, of three seeds: the simulator for each, one call for all.
    calls = (20 * 0.002 + 20 * 0.006) / 2
    assert parts["evaluate"].seconds == pytest.approx(START + 3 * 10 * (2 * 20 * 2e-5 + calls))
    assert parts["curve"].seconds == pytest.approx(START + 3 * 5 * 10 * (5 * 2e-5 + 5 * 0.006 / 2))
    episodes = 100_000 / 7.5  # of six to nine steps
    assert parts["generate"].seconds == pytest.approx(START + 100_000 * 2e-5 + episodes * WRITING)
    assert parts["prepare"].seconds == pytest.approx(2 * START + episodes * READING)
    assert parts["cost"].alone
    assert parts["draw"].seconds == DRAWING


def test_recorded_episodes_are_as_long_as_expected_or_as_their_horizon():
    plan = plan_of("quick")
    lengths = {task: recorded_length(plan.origin(task)) for task in plan.study.tasks}
    assert lengths == {"multigoal": 7.5, "pointmaze-fork": 150, "hopper-medium-replay": 150}


def test_chunks_of_seeds_start_and_compile_each(measured):
    whole, cut = (
        next(part for part in shares(plan, measured, 1.0) if part.stage == "train")
        for plan in (one_task(), one_task(seeds_per_job=1))
    )
    assert cut.seconds == pytest.approx(whole.seconds + 2 * (START + 20))
    assert cut.longest == pytest.approx(START + 20 + 400)


def test_a_study_lasts_as_long_as_its_longest_job(measured):
    parts = list(shares(one_task(), measured, 1.0))
    alone = sum(part.seconds for part in parts if part.alone)
    assert minutes(parts, 1) == pytest.approx(sum(part.seconds for part in parts) / 60)
    assert minutes(parts, 1000) == pytest.approx((max(p.longest for p in parts if not p.alone) + alone) / 60)


def test_an_ablation_that_was_never_measured_costs_what_its_parent_does(measured):
    plan = one_task(methods=["gtp", "gtp-linear_q"])
    trained = {part.method: part.seconds for part in shares(plan, measured, 1.0) if part.stage == "train"}
    assert trained["gtp-linear_q"] == trained["gtp"]
    assert "gtp-linear_q as gtp" in "\n".join(estimate_lines(plan, measured, 1.0, 2))


def test_what_cannot_be_estimated_is_said(measured):
    with pytest.raises(UserError, match="has iql; name a finished run of it with --measured"):
        list(shares(one_task(methods=["iql"]), measured, 1.0))
    wide = {**read_mapping(ROOT / "config/quick.yaml")["train"], "hidden_size": 256}
    with pytest.raises(UserError, match="measured at hidden_size 128, and the study has 256"):
        list(shares(one_task(train=wide), measured, 1.0))


# Quick was run on slower cores: `make reproduce` printed their speed when it began.
@pytest.mark.parametrize(("study", "speed"), [("quick", 0.66), ("rivals", 1.0)])
def test_estimate_agrees_with_what_the_reference_took(references, study, speed):
    record = json.loads((ROOT / f"results/reference/{study}/provenance.json").read_text())
    guess = minutes(list(shares(plan_of(study), references, speed)), cores=2)
    assert 0.7 < guess / record["minutes"] < 1.3


def test_night_can_be_estimated(references):
    lines = list(estimate_lines(plan_of("night"), references, 1.0, 2))
    assert "Study night: about " in "\n".join(lines)
    assert any(line.split()[:1] == ["antmaze-umaze"] for line in lines)


def test_seconds_per_step_are_measured():
    assert 0 < seconds_per_step(plan_of("quick").origin("multigoal").spec, budget=0.01) < 1
