"""Trials: settings from a file, one-line mistakes, the expected best, every trial in table and figure."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtp.errors import UserError
from gtp.report.results import read_study
from gtp.report.statistics import read_seed_scores
from gtp.report.trials import expected_best, tuned_methods
from gtp.studies import load_plan, read_mapping
from gtp.studies.methods import load_methods
from gtp.studies.trials import load_trials
from workflow.scripts import figure_trials
from workflow.scripts.table_trials import trial_table

from .results_fixtures import LOCOMOTION_TASKS, MAZE_TASKS, write_study

CONFIG = Path(__file__).parents[2] / "config"
FILES = [CONFIG / f"{name}.yaml" for name in ("methods", "tasks", "trials")]
METHODS = load_methods(CONFIG / "methods.yaml")
TUNING = read_mapping(CONFIG / "tuning.yaml")


def trials_of(tmp_path, text: str):
    """The trials of a file with this text."""
    file = tmp_path / "trials.yaml"
    file.write_text(text)
    return load_trials(file, METHODS)


def study_of_trials(folder: Path, **changes) -> tuple:
    """Three trials of GTP and three of Gaussian BC: scores, the study's record and its file."""
    write_study(folder, methods=6, **changes)
    file, scores = folder / "study.json", pd.read_csv(folder / "scores.csv")
    record = json.loads(file.read_text())
    owners = {"gtp": "GTP", "gaussian_bc": "Gaussian BC"}
    for place, method in enumerate(record["methods"]):
        owner, number = list(owners)[place // 3], place % 3
        name = f"{owner}-trial_{number}"
        scores["method"] = scores["method"].replace(method["name"], name)
        method |= {"name": name, "label": f"{owners[owner]}, trial {number}", "ablation_of": None}
        method |= {"trial_of": owner, "settings": f"eta = {number}" if number else "default"}
        method |= {"acting": ["sample"]}
    record["acting"] = ["sample"]
    file.write_text(json.dumps(record))
    scores = scores[scores["acting"] != "best_of_16"].assign(acting="sample")
    scores.to_csv(folder / "scores.csv", index=False)
    study = read_study(file)
    return read_seed_scores(folder / "scores.csv", "scores", study), study, str(file)


def test_a_trial_is_the_method_with_its_changes_on_every_suite(tmp_path):
    trials = trials_of(tmp_path, "iql: [{}, {beta: 7.0}]\ngtp: [{}, {eta: 3.0}]\n")
    assert list(trials) == ["iql-trial_0", "iql-trial_1", "gtp-trial_0", "gtp-trial_1"]
    first, second = trials["iql-trial_0"], trials["iql-trial_1"]
    for suite in ("locomotion", "antmaze"):
        assert first.settings(suite) == METHODS["iql"].settings(suite)
    assert second.settings("locomotion") == {"beta": 7.0}
    assert second.settings("antmaze") == {"expectile": 0.9, "beta": 7.0}  # not the suite's beta of 10
    assert (second.trial_of, second.label, second.text) == ("iql", "IQL, trial 1", "beta = 7.0")
    assert (first.text, first.algorithm, first.group) == ("default", "iql", "rl")
    assert METHODS["iql"].trial_of is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt: [{}]", "trials.yaml: gpt: unknown method; did you mean 'gtp'?"),
        ("gtp: [{}, {etta: 1.0}]", "trials.yaml: gtp.1.etta: unknown key; did you mean 'eta'?"),
        ("gtp: [{}, {eta: big}]", "trials.yaml: gtp.1.eta: expected a number, got 'big'"),
        ("gtp: [{}, {eta: -1.0}]", "trials.yaml: gtp.1: eta must"),
        ("gtp: [{}, 3]", "trials.yaml: gtp.1: expected a mapping, got 3"),
        ("gtp: [{eta: 3.0}]", "trials.yaml: gtp: expected a list"),
        ("gtp: []", "trials.yaml: gtp: expected a list"),
        ("gtp: {eta: 3.0}", "trials.yaml: gtp: expected a list"),
        ("gtp: [{}, {eta: 1.0}]", "trials.yaml: gtp.1: the same settings as trial 0"),
        ("gtp: [{}, {eta: 2.0}]\niql: [{}]", "trials.yaml: iql: 1 trials, but gtp has 2"),
        (
            "gtp-no_flow: [{}]",
            "trials.yaml: gtp-no_flow: an ablation has no trials; remove it and tune 'gtp'",
        ),
    ],
)
def test_mistakes_in_trials_are_one_line(tmp_path, text, expected):
    with pytest.raises(UserError) as error:
        trials_of(tmp_path, text)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_method_may_not_have_the_name_of_a_trial(tmp_path):
    file = tmp_path / "trials.yaml"
    file.write_text("gtp: [{}]")
    with pytest.raises(UserError, match="methods have an entry 'gtp-trial_0'"):
        load_trials(file, METHODS | {"gtp-trial_0": METHODS["iql"]})


def test_methods_file_knows_no_trials(tmp_path):
    file = tmp_path / "methods.yaml"
    entry = {"algorithm": "gtp", "label": "A", "group": "rl", "trial_of": "gtp"}
    file.write_text(yaml.safe_dump({"a": entry}))
    with pytest.raises(UserError, match=r"a\.trial_of: unknown key"):
        load_methods(file)


def test_the_study_tuning_has_all_trials_of_the_methods_that_use_rewards():
    plan = load_plan(TUNING, *FILES)
    assert set(plan.study.methods) == set(plan.trials())
    tuned = {trial.trial_of for trial in plan.trials().values()}
    assert tuned == {
        trial.trial_of or name
        for name, trial in plan.methods.items()
        if trial.group == "rl" and not trial.ablation_of and trial.algorithm == name
    } - {"ctm"}  # which takes what GTP's trials say


def test_trials_change_no_ablation_and_no_look():
    plan, without = load_plan(TUNING, *FILES), load_plan({**TUNING, "methods": ["gtp"]}, *FILES[:2])
    assert plan.ablations() == without.ablations()
    assert without.places().items() <= plan.places().items()
    assert plan.places()["iql-trial_2"] == plan.places()["iql"]
    record = plan.record(["iql", "iql-trial_1"]).methods
    assert [method.trial_of for method in record] == [None, "iql"]
    assert [method.settings for method in record] == [None, "expectile = 0.9"]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["gtp-trial_0", "iql"], "study.yaml: methods: "),
        (["gtp-trial_0", "gtp-trial_1", "iql-trial_0"], "methods: 2 trials of gtp but 1 of iql"),
        (["gtp-trail_0"], "'gtp-trail_0' has no entry"),
    ],
)
def test_a_study_has_trials_alone_and_as_many_of_each_method(methods, expected):
    with pytest.raises(UserError) as error:
        load_plan({**TUNING, "methods": methods}, *FILES, file="study.yaml")
    assert expected in str(error.value)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=7))
def test_expected_best_is_the_mean_over_all_subsets(scores):
    exact = expected_best(scores)
    for k in range(1, len(scores) + 1):
        mean = np.mean([max(subset) for subset in combinations(scores, k)])
        assert exact[k - 1] == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert exact[-1] == max(scores)


def test_every_trial_is_a_row_and_the_best_of_each_method_is_marked(tmp_path):
    scores, study, file = study_of_trials(tmp_path / "tuning")
    table, numbers = trial_table(scores, study, file)
    labels = [row.label for row in table.rows]
    trials = ["0: default", "1: eta = 1", "2: eta = 2"]
    assert labels == ["GTP", *trials, "Gaussian BC", *trials]
    assert table.headings == ("Trial", "Acting", *MAZE_TASKS.values(), "Average")
    averages = numbers[numbers["over"] == "all"]
    assert len(numbers) == 6 * 4
    for method in ("gtp", "gaussian_bc"):
        own = averages[averages["method"] == method]
        assert list(own["estimate"] == own["estimate"].max()) == list(own["best"])
    assert [row.cells[-1].bold for row in table.rows if row.cells] == list(averages["best"])
    first = numbers[(numbers["method"] == "gtp") & (numbers["trial"] == 1) & (numbers["over"] == "task")]
    name = study.methods[1].name
    assert list(first["estimate"]) == [scores.of(task, name, 5).mean() for task in MAZE_TASKS]


def test_a_diverged_trial_is_marked(tmp_path):
    scores, study, file = study_of_trials(
        tmp_path / "tuning", diverged=("pointmaze-medium", "gtp-no_consistency", 1)
    )
    table, numbers = trial_table(scores, study, file)
    assert table.rows[3].cells[2].text.endswith("†")
    assert "GTP, trial 2 on Medium (1 of 3)" in table.caption
    assert numbers["diverged"].sum() == 2  # on the task and in the average


def test_the_figure_has_a_line_for_each_method_from_the_mean_to_the_best_trial(tmp_path):
    scores, study, file = study_of_trials(tmp_path / "tuning", seeds=1)
    figure = figure_trials.draw(scores, study, file)
    _, numbers = trial_table(scores, study, file)
    averages = numbers[numbers["over"] == "all"].groupby("method", sort=False)["estimate"]
    drawn = [line.get_ydata() for line in figure.axes[0].get_lines()]
    assert len(drawn) == 2
    for line, (_, estimates) in zip(drawn, averages, strict=True):
        assert line[0] == pytest.approx(estimates.mean())
        assert line[-1] == pytest.approx(estimates.max())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GTP", "Gaussian BC"]


def test_data_of_two_sources_have_no_common_average(tmp_path):
    scores, _, file = study_of_trials(tmp_path / "tuning", tasks=MAZE_TASKS | LOCOMOTION_TASKS)
    record = json.loads(Path(file).read_text())
    for task in record["tasks"]:
        task["source"] = "generate" if task["suite"] == "pointmaze" else "d4rl"
    Path(file).write_text(json.dumps(record))
    study = read_study(file)
    table, numbers = trial_table(scores, study, file)
    assert table.headings[-2:] == ("Average, pointmaze", "Average, locomotion")
    assert set(numbers["over"]) == {"task", "suite"}
    assert len(figure_trials.draw(scores, study, file).axes) == 2


def test_a_study_without_trials_is_refused(tmp_path):
    write_study(tmp_path / "other")
    file = tmp_path / "other" / "study.json"
    with pytest.raises(UserError, match="gtp is no trial"):
        tuned_methods(read_study(file), str(file))
