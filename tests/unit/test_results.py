"""Reading results: what is right comes through, what is wrong is one line with the file and the place."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.report.record import D4RL_REFERENCES
from gtp.report.results import read_results, read_study
from gtp.report.speed import acting_costs, read_acting_costs
from gtp.schema import TABLES
from gtp.studies.tasks import load_tasks

from .results_fixtures import write_study

TASKS = Path(__file__).parents[2] / "config" / "tasks.yaml"


@pytest.fixture
def study(tmp_path):
    """The folder of a small study with one diverged seed."""
    tasks = {"pointmaze-umaze": "U-Maze"}
    return write_study(
        tmp_path / "s", tasks=tasks, methods=4, episodes=3, diverged=("pointmaze-umaze", "gtp", 1)
    )


@pytest.mark.parametrize(
    "kind",
    sorted({*TABLES} - {"online", "training", "reference_returns", "claims", "solution_map", "theorem"}),
)
def test_every_table_is_read_with_its_columns(study, kind):
    frame = read_results(study / f"{kind}.csv", kind)
    assert list(frame) == list(TABLES[kind].columns)
    assert len(frame) == len((study / f"{kind}.csv").read_text().splitlines()) - 1


def test_empty_scores_of_a_diverged_seed_are_missing_values(study):
    frame = read_results(study / "scores.csv", "scores")
    diverged = frame["status"] == "diverged@6100"
    assert diverged.sum() == 5 * 2  # one row at each number of evaluations and by each acting rule
    assert frame.loc[diverged, "normalized_score"].isna().all()
    assert frame.loc[~diverged, "normalized_score"].notna().all()


def test_study_knows_how_its_methods_are_reported(study):
    record = read_study(study / "study.json")
    gtp, bc = record.method("gtp"), record.method("gaussian_bc")
    assert (record.headline(gtp), record.evaluated_nfe(gtp)) == (5, (1, 2, 3, 5, 8))
    assert (record.headline(bc), record.evaluated_nfe(bc)) == (1, (1,))
    assert record.acting == gtp.acting == ("sample", "best_of_16")
    assert record.method("gtp-no_guidance").acting == ("sample",)
    assert bc.acting == ("deterministic",)


def test_costs_know_the_time_and_the_evaluations_of_each_way_of_acting(study):
    record = read_study(study / "study.json")
    costs = read_acting_costs(study / "cost.csv", record)
    cell = ("pointmaze-umaze", "gtp", 5)
    assert [costs.evaluations(*cell, rule) for rule in record.acting] == [5, 16 * 6]
    frame = read_results(study / "cost.csv", "cost")
    for rule in record.acting:
        timed = frame[(frame["method"] == "gtp") & (frame["nfe"] == 5) & (frame["acting"] == rule)]
        expected = np.exp(np.log(timed.loc[timed["batch_size"] == 64, "value"]).mean())
        assert costs.seconds(*cell, 64, rule).mean == pytest.approx(expected)
    with pytest.raises(UserError, match="cost.csv.*network_evaluations of gtp.*best_of_4"):
        costs.evaluations(*cell, "best_of_4")
    with pytest.raises(UserError, match="cost.csv.*seconds_per_action of gtp.*best_of_4.*64"):
        costs.seconds(*cell, 64, "best_of_4")


def test_a_method_has_times_at_its_own_numbers_of_evaluations_alone(study):
    """Another's 31 evaluations are no gap in the times of this one."""
    frame = read_results(study / "cost.csv", "cost")
    more = frame[(frame["method"] == "gtp") & (frame["nfe"] == 8)].assign(nfe=31.0)
    record = read_study(study / "study.json")
    costs = acting_costs(pd.concat([frame, more]), record, "cost.csv")
    assert costs.nfe(record, record.method("gtp")) == [1, 2, 3, 5, 8, 31]
    assert costs.nfe(record, record.method("gtp-no_guidance")) == [1, 2, 3, 5, 8]
    assert costs.nfe(record, record.method("gaussian_bc")) == [1]
    assert record.task_label("pointmaze-umaze") == "U-Maze"
    assert record.task_label("elsewhere") == "elsewhere"
    assert record.method_label("gaussian_bc") == "Gaussian BC"


def with_sources(folder, *sources):
    """A study of a maze, two hoppers and a walker with data of these sources."""
    names = ("pointmaze-umaze", "hopper-medium", "hopper-medium-expert", "walker2d-medium")
    write_study(folder, tasks={name: name for name in names}, episodes=1, seeds=1)
    record = json.loads((folder / "study.json").read_text())
    for task, source in zip(record["tasks"], sources, strict=True):
        task["source"] = source
    (folder / "study.json").write_text(json.dumps(record))
    return folder / "study.json"


@pytest.mark.parametrize(
    ("maze", "robots", "notice"),
    [
        ("generate", "generate", "Generated data, not D4RL."),
        ("generate", "d4rl", "Generated data, not D4RL: pointmaze."),
        ("generate", "minari", "Generated data, not D4RL: pointmaze. Minari data, not D4RL: locomotion."),
        ("minari", "minari", "Minari data, not D4RL."),
        ("d4rl", "d4rl", ""),
    ],
)
def test_other_data_are_never_passed_off_as_a_benchmark(tmp_path, maze, robots, notice):
    study = read_study(with_sources(tmp_path / "s", maze, robots, robots, robots))
    assert study.data_notice() == notice
    assert study.one_source == (maze == robots)


MEASURED = "0 at a random policy's return and 100 at the shipped expert's, both measured here"
PUBLISHED = "0 and 100 at the reference returns that D4RL publishes"
STATED = "0 and 100 at the reference returns that config/tasks.yaml states"
RAW = "100 times the raw return, for want of reference returns"


@pytest.mark.parametrize(
    ("robots", "references", "meaning"),
    [
        ("generate", (18.3, 3365.5), MEASURED),
        ("generate", (0.0, 1.0), RAW),
        ("minari", (-20.272305, 3234.3), PUBLISHED),
        ("d4rl", (-20.272305, 3234.3), PUBLISHED),
        ("minari", (-1200.0, -150.0), STATED),
        ("minari", (0.0, 1.0), RAW),
        ("d4rl", (0.0, 1.0), RAW),
    ],
)
def test_scores_say_what_they_are_measured_against(tmp_path, robots, references, meaning):
    study = read_study(with_sources(tmp_path / "s", "generate", robots, robots, robots))
    low, high = references
    scored = [replace(t, reference_min=low, reference_max=high) for t in study.tasks[1:]]
    study = replace(study, tasks=(study.tasks[0], *scored))
    goal = "the percentage of episodes that reach the goal"
    assert study.score_notice() == f"Scores by suite, pointmaze: {goal}; locomotion: {meaning}."
    assert replace(study, tasks=study.tasks[:1]).score_notice() == f"Scores are {goal}."


def test_captions_know_the_references_of_the_shipped_tasks_that_are_d4rls():
    stated = {
        (origin.spec.reference_min, origin.spec.reference_max)
        for task in load_tasks(TASKS).values()
        for source, origin in task.origins.items()
        if source != "generate" and origin.spec.maze is None
    }
    assert stated == D4RL_REFERENCES


@pytest.mark.parametrize(
    ("sources", "parts"),
    [
        (
            ("generate", "d4rl", "minari", "d4rl"),
            ["hopper-medium", "hopper-medium-expert", "locomotion", "d4rl", "minari", "a suite of its own"],
        ),
        (("generated", "d4rl", "d4rl", "d4rl"), ["pointmaze-umaze", "'generated'", "generate, minari, d4rl"]),
    ],
)
def test_a_suite_with_data_of_two_kinds_is_refused_in_one_line(tmp_path, sources, parts):
    path = with_sources(tmp_path / "s", *sources)
    with pytest.raises(UserError) as error:
        read_study(path)
    assert str(error.value).startswith(f"{path}: ")
    assert all(part in str(error.value) for part in parts)
    assert "\n" not in str(error.value)


def edit(path, line, column, value):
    """Replace one field; lines count from 1, as editors do."""
    lines = path.read_text().splitlines()
    fields = lines[line - 1].split(",")
    fields[lines[0].split(",").index(column)] = value
    lines[line - 1] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("seed", "x7", "'x7' in the column 'seed'"),
        ("seed", "", "'' in the column 'seed'"),
        ("nfe", "inf", "'inf' in the column 'nfe'"),
        ("normalized_score", "nan", "'nan' in the column 'normalized_score'"),
    ],
)
def test_a_garbled_number_is_shown_with_its_line(study, column, value, expected):
    path = study / "scores.csv"
    edit(path, 4, column, value)
    with pytest.raises(UserError) as error:
        read_results(path, "scores")
    assert str(error.value).startswith(f"{path}, line 4: {expected}")
    assert "\n" not in str(error.value)


def truncate(path):
    """Cut the last line in the middle."""
    text = path.read_text().rstrip("\n")
    path.write_text(text[: text.rindex(",") - 3])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
        (lambda path: path.write_text(""), "cannot be read"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00\x81" * 50), "cannot be read ('utf-8' codec"),
        (lambda path: path.write_text(path.read_text().splitlines()[0]), "has no rows"),
        (lambda path: path.write_text("study,task\na,b\n"), "lacks the column 'method'"),
        (truncate, "column"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(study, damage, expected):
    path = study / "rollouts.csv"
    damage(path)
    with pytest.raises(UserError) as error:
        read_results(path, "rollouts")
    message = str(error.value)
    assert message.startswith(str(path))
    assert expected in message
    assert message.endswith("delete it and run snakemake again")
    assert "\n" not in message


def test_an_incomplete_study_is_refused_by_key(study):
    path = study / "study.json"
    record = json.loads(path.read_text())
    del record["tasks"][0]["label"]
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"study.json lacks the key 'tasks\[0\].label'"):
        read_study(path)
    path.write_text(json.dumps({**record, "tasks": []}))
    with pytest.raises(UserError, match="study.json: the key 'tasks' is not a list"):
        read_study(path)
    path.write_text("{")
    with pytest.raises(UserError, match=r"study.json cannot be read \(Expecting"):
        read_study(path)
    path.unlink()
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        read_study(path)


@pytest.mark.parametrize("kind", ["scores", "curves", "cost"])
def test_tables_from_before_acting_had_rules_are_refused(study, kind):
    file = study / f"{kind}.csv"
    pd.read_csv(file).drop(columns="acting").to_csv(file, index=False)
    with pytest.raises(UserError, match=f"{kind}.csv.*'acting'.*run snakemake"):
        read_results(file, kind)


@pytest.mark.parametrize("place", ["", "methods[1]."])
def test_a_study_from_before_acting_had_rules_is_refused(study, place):
    record = json.loads((study / "study.json").read_text())
    del (record["methods"][1] if place else record)["acting"]
    (study / "study.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=re.escape(f"study.json lacks the key '{place}acting'")):
        read_study(study / "study.json")


def test_numbers_keep_their_value(study):
    path = study / "coverage.csv"
    path.write_text("study,task,x,y,count\ns,t,-1.1875,2e-3,4\n")
    frame = read_results(path, "coverage")
    assert frame[["x", "y", "count"]].to_numpy().tolist() == [[-1.1875, 0.002, 4.0]]
    assert frame["count"].dtype == np.float64


def test_table_whose_last_line_is_cut_is_refused(study):
    path = study / "scores.csv"
    path.write_text(path.read_text()[:-2])
    with pytest.raises(UserError, match=r"scores.csv is truncated: its last line has no end"):
        read_results(path, "scores")


@pytest.mark.parametrize(("column", "value"), [("seed", "1.5"), ("nfe", "2.5"), ("length", "3.1")])
def test_counts_are_whole_numbers(column, value, study):
    path = study / "scores.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[1, column] = value
    frame.to_csv(path, index=False)
    with pytest.raises(UserError, match=f"line 3: '{value}' in the column '{column}' is not a whole number"):
        read_results(path, "scores")


def test_column_that_stands_twice_is_refused(study):
    path = study / "scores.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    pd.concat([frame, frame[["return"]]], axis=1).to_csv(path, index=False)
    with pytest.raises(UserError, match="has the column 'return' twice"):
        read_results(path, "scores")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "many"}, "steps is 'many' where a whole number is expected"),
        ({"seeds": [0, 0]}, r"seeds are \(0, 0\)"),
        ({"seeds": [0, "1"]}, r"seeds\[1\] is '1' where a whole number"),
        ({"episodes": 0}, "steps, episodes and nfe must be at least 1"),
        ({"headline_nfe": 99}, "headline_nfe is 99, which is not among nfe"),
        ({"acting": ["best"]}, "unknown acting rule 'best'"),
        ({"study": "../x"}, "study '../x' is not a name"),
    ],
)
def test_study_is_held_against_its_classes(change, message, study):
    path = study / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message) as error:
        read_study(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"study": '])
def test_study_that_is_no_json_is_one_line(text, study):
    (study / "study.json").write_text(text)
    with pytest.raises(UserError, match=r"study.json cannot be read \(.*\); delete it") as error:
        read_study(study / "study.json")
    assert "\n" not in str(error.value)
