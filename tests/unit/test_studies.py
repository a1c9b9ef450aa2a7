"""Studies, methods and tasks: the shipped files are sound, and each kind of mistake is one helpful line."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtp import algorithms
from gtp.config import TaskSpec, TrainConfig
from gtp.data.sources import abbreviate
from gtp.data.summaries.expectations import Expectations
from gtp.errors import UserError
from gtp.studies import flags, load_plan, read_mapping, suggest
from gtp.studies.methods import load_methods
from gtp.studies.reading import leaves, parse
from gtp.studies.study import Study
from gtp.studies.tasks import load_tasks

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = sorted(path for path in CONFIG.glob("*.yaml") if path.stem not in ("methods", "tasks", "trials"))
SMOKE = yaml.safe_load((CONFIG / "smoke.yaml").read_text())


class _Plain(yaml.SafeDumper):
    """Writes out what stands in several places, as files of the configuration must."""

    def ignore_aliases(self, data):
        return True


def dump(data, **options) -> str:
    return yaml.dump(data, Dumper=_Plain, **options)


def plan_of(settings, **files):
    """The plan of a study's settings, with the shipped methods and tasks unless given."""
    names = {f"{name}_file": CONFIG / f"{name}.yaml" for name in ("methods", "tasks", "trials")} | files
    return load_plan(settings, **names, file="study.yaml")


def changed(path: str, value) -> dict:
    """The smoke study with one key, such as train.steps, set to another value."""
    settings = copy.deepcopy(SMOKE)
    *parents, last = path.split(".")
    target = settings
    for parent in parents:
        target = target[parent]
    target[last] = value
    return settings


def key_paths(settings) -> set[str]:
    """Dotted names of all keys; lists, and what a study has by suite or by method, are values."""
    paths = set()
    evaluation = {**settings["evaluation"], "nfe_by_method": None}
    for path, _ in leaves({**settings, "train_by_suite": None, "evaluation": evaluation}):
        paths.add(".".join(key for key in path if isinstance(key, str)))
    return paths


def message_of(settings) -> str:
    with pytest.raises(UserError) as error:
        plan_of(settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_sound_and_named_like_their_files(path):
    assert plan_of(read_mapping(path)).study.study == path.stem


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_share_their_key_paths(path):
    """Snakemake merges a study over the default one, so a key that it lacks would keep that one's value."""
    assert key_paths(read_mapping(path)) == key_paths(SMOKE)


def test_paper_study_has_the_papers_grid_and_budget():
    study = plan_of(read_mapping(CONFIG / "paper.yaml")).study
    assert len(study.tasks) == 15
    assert len(study.seeds) == 5
    assert (study.train.hidden_size, study.train.batch_size) == (256, 256)
    assert study.train_config("locomotion").steps == 2_000_000
    assert study.train_config("antmaze").steps == 1_000_000


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("stdy", "x", "study.yaml: stdy: unknown key; did you mean 'study'?"),
        ("train.stesp", 5, "study.yaml: train.stesp: unknown key; did you mean 'steps'?"),
        ("train.steps", 0, "study.yaml: train: steps must be at least 1, got 0"),
        ("train.steps", "many", "study.yaml: train.steps: expected a whole number, got 'many'"),
        ("train.steps", 1.5, "study.yaml: train.steps: expected a whole number, got 1.5"),
        ("train.learning_rate", "1e-3", "got '1e-3' (YAML reads it as text: write 0.001)"),
        ("train.learning_rate", True, "study.yaml: train.learning_rate: expected a number, got True"),
        ("train.learning_rate", float("nan"), "study.yaml: train.learning_rate: must be finite, got nan"),
        ("train.normalize_observations", 1, "expected true or false, got 1"),
        ("train", None, "study.yaml: train: expected a mapping, got None"),
        ("execution.compile", False, "expected auto or off, got False (YAML reads a bare on, off"),
        (
            "execution.device",
            "gpu",
            "device: expected auto or cpu or cuda, got 'gpu'; did you mean",
        ),
        ("tasks", ["pointmaze-umase"], "'pointmaze-umase' has no entry"),
        ("tasks", ["pointmaze-umase"], "did you mean 'pointmaze-umaze'?"),
        ("tasks", [], "study.yaml: tasks must not be empty"),
        ("tasks", "pointmaze-umaze", "study.yaml: tasks: expected a list, got 'pointmaze-umaze'"),
        ("methods", ["gpt"], "'gpt' has no entry"),
        ("methods", ["gtp", "gtp"], "methods contains gtp twice"),
        ("seeds", [0, 0], "seeds contains 0 twice"),
        ("seeds", [-1], "seeds must be at least 0, got -1"),
        ("seeds", [True], "study.yaml: seeds.0: expected a whole number, got True"),
        ("seeds_per_job", 0, "seeds_per_job must be at least 1, got 0"),
        ("seeds_per_job", "some", "study.yaml: seeds_per_job: expected all or a whole number, got 'some'"),
        ("study", "reference", "study must be another name than reference"),
        ("study", "a/b", "study 'a/b' is not a name"),
        ("study", "x$(touch y)", "study 'x$(touch y)' is not a name"),
        ("study", "a" * 200, "study 'aaaaaaaaaaaaaaaaaaaa…' is not a name"),
        ("evaluation.headline_nfe", 7, "headline_nfe must be one of nfe, got 7 and [1, 2]"),
        ("evaluation.rollout_episodes", 5, "rollout_episodes must not exceed episodes, got 5 and 2"),
        ("seeds", [2**31], "seeds must be below 2^31, got 2147483648"),
        ("trajectories.methods", ["gaussian_bc"], "'gaussian_bc' learns no solution map"),
        ("trajectories.methods", ["diffusion_ql"], "'diffusion_ql' learns no solution map"),
        ("trajectories.task", "hopper-medium", "actions of 'hopper-medium' have more than two dimensions"),
        ("trajectories.task", "nowhere", "study.yaml: trajectories.task: 'nowhere' has no entry"),
        (
            "train_by_suite",
            {"pointmase": {}},
            "pointmase: unknown suite; did you mean 'pointmaze'?",
        ),
        ("train_by_suite", {"pointmaze": {"stps": 1}}, "train_by_suite.pointmaze.stps: unknown key"),
        ("train_by_suite", {"pointmaze": {"steps": 0}}, "train_by_suite.pointmaze: steps must be at least 1"),
    ],
)
def test_mistakes_in_a_study_are_one_line(path, value, expected):
    assert expected in message_of(changed(path, value))


@pytest.mark.parametrize("key", sorted(SMOKE))
def test_missing_key_is_named(key):
    assert (
        message_of({name: value for name, value in SMOKE.items() if name != key})
        == f"study.yaml: {key} is missing"
    )


METHOD = {"algorithm": "gtp", "label": "L", "group": "rl"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"a": {**METHOD, "set": {"etaa": 1.0}}}, "a.set.etaa: unknown key; did you mean 'eta'?"),
        ({"a": {**METHOD, "set": {"eta": -1.0}}}, "a.set: eta must be finite and not negative, got -1.0"),
        ({"a": {**METHOD, "set": {"score": "sde_solver"}}}, "did you mean 'ode_solver'?"),
        (
            {"a": {**METHOD, "set_by_suite": {"antmaze": {"etaa": 1.0}}}},
            "a.set_by_suite.antmaze.etaa: unknown",
        ),
        (
            {"a": {**METHOD, "set_by_suite": {"antmaze": {"eta": -1.0}}}},
            "a.set_by_suite.antmaze: eta must be",
        ),
        ({"a": {**METHOD, "algorithm": "gpt"}}, "a.algorithm: unknown algorithm 'gpt'; did you mean 'gtp'?"),
        ({"a": {**METHOD, "grp": "rl"}}, "a.grp: unknown key; did you mean 'group'?"),
        ({"a": {"algorithm": "gtp", "group": "rl"}}, "a.label is missing"),
        ({"a": {**METHOD, "label": " "}}, "a.label is empty"),
        ({"a": METHOD, "b": METHOD}, "b.label: 'L' is a's label; choose another"),
        ({"a": None}, "a: expected a mapping, got None"),
        ({"a b": METHOD}, "'a b' is not a name"),
        ({"a;touch b": METHOD}, "'a;touch b' is not a name"),
        ({"gtp": METHOD, "gtp-x": {**METHOD, "ablation_of": "gpt"}}, "unknown method 'gpt'; did you mean"),
        ({"gtp": METHOD, "no_x": {**METHOD, "ablation_of": "gtp"}}, "is named gtp-<what>; rename 'no_x'"),
        (
            {
                "gtp": METHOD,
                "fql": METHOD,
                "gtp-x": {**METHOD, "ablation_of": "gtp"},
                "fql-x": {**METHOD, "ablation_of": "fql"},
            },
            "'gtp-x' has the target ablation_x already",
        ),
    ],
)
def test_mistakes_in_methods_are_one_line(tmp_path, entries, expected):
    file = tmp_path / "methods.yaml"
    file.write_text(dump(entries, sort_keys=False))
    with pytest.raises(UserError) as error:
        load_methods(file)
    assert expected in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_settings_of_a_suite_are_put_over_those_of_the_method(tmp_path):
    file = tmp_path / "methods.yaml"
    settings = {"set": {"eta": 2.0, "rho": 5.0}, "set_by_suite": {"antmaze": {"eta": 3.0}}}
    file.write_text(dump({"a": {**METHOD, **settings}}))
    method = load_methods(file)["a"]
    assert method.settings("antmaze") == {"eta": 3.0, "rho": 5.0}
    assert method.settings("locomotion") == {"eta": 2.0, "rho": 5.0}


def test_settings_of_an_unknown_suite_are_refused(tmp_path):
    file = tmp_path / "methods.yaml"
    methods = yaml.safe_load((CONFIG / "methods.yaml").read_text())
    methods["gtp"]["set_by_suite"] = {"antmase": {"eta": 3.0}}
    file.write_text(dump(methods))
    with pytest.raises(UserError, match="gtp.set_by_suite.antmase: unknown suite; did you mean 'antmaze'"):
        plan_of(SMOKE, methods_file=file)


TASK = yaml.safe_load((CONFIG / "tasks.yaml").read_text())["pointmaze-umaze"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_episode_stps": 3}, "t.max_episode_stps: unknown key; did you mean 'max_episode_steps'?"),
        ({"suite": "x$(touch y)"}, "t: suite 'x$(touch y)' is not a name of at most 100 letters"),
        ({"suite": "../../.."}, "t: suite '../../..' is not a name"),
        ({"sources": {"minari": {"ids": ["../../x-v0"]}}}, "t.sources.minari: a Minari id looks like"),
        ({"sources": {"minari": {"ids": ["/x/y-v0"]}}}, "t.sources.minari: a Minari id looks like"),
        ({"max_episode_steps": 0}, "t.sources.generate: max_episode_steps must be at least 1, got 0"),
        ({"start_cell": [1]}, "t.sources.generate.start_cell.1 is missing"),
        ({"sources": {}}, "t.sources: name at least one of generate, minari, d4rl"),
        ({"sources": {"generated": {}}}, "'generated'; did you mean 'generate'?"),
        ({"sources": {"generate": {}}}, "t.sources.generate.recipe: expected waypoint or locomotion or ant"),
        ({"sources": {"generate": {"recipe": "antmase"}}}, "did you mean 'antmaze'?"),
        ({"sources": {"generate": {"recipe": "locomotion"}}}, "t.sources.generate.maze: unknown key"),
        ({"sources": {"generate": {"recipe": "waypoint", "steps": 5}}}, "the study decides the steps"),
        ({"sources": {"generate": {"recipe": "waypoint", "goal_cells": [[0, 0]]}}}, "is a wall or outside"),
        ({"sources": {"generate": {"recipe": "waypoint", "sed": 5}}}, "generate.sed: unknown key; did you m"),
        ({"sources": {"generate": {"expect": {"succes": [0, 1]}}}}, "expect.succes: unknown key; did you me"),
        ({"sources": {"generate": {"expect": {"success": [1, 0]}}}}, "success must be a range"),
        ({"sources": {"minari": {"ids": ["hopper"]}}}, "t.sources.minari: a Minari id looks like"),
        ({"sources": {"minari": {"ids": []}}}, "t.sources.minari: ids must name a Minari dataset"),
        ({"sources": {"d4rl": {"id": "hopper"}}}, "t.sources.d4rl: a D4RL id looks like"),
        ({"sources": {"d4rl": {"idd": "hopper-v2"}}}, "t.sources.d4rl.idd: unknown key; did you mean 'id'?"),
    ],
)
def test_mistakes_in_tasks_are_one_line(tmp_path, change, expected):
    file = tmp_path / "tasks.yaml"
    file.write_text(dump({"t": {**TASK, **change}}))
    with pytest.raises(UserError) as error:
        load_tasks(file)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "../a", "x$(touch y)", "-a", "a" * 101])
@pytest.mark.parametrize("field", ["name", "maze"])
def test_names_that_become_paths_are_names_wherever_a_task_comes_from(field, name):
    given = {"name": "t", "environment": "PointMaze_UMaze-v3", "max_episode_steps": 5, field: name}
    with pytest.raises(ValueError, match=f"^{field} '.*' is not a name"):
        TaskSpec(**given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "line 2: the key 'a' stands here twice"),
        ("a: {b: 1, b: 2}\n", "the key 'b' stands here twice"),
        ("a: [1\n", "line 2: "),
        ("- a\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: &x [1]\nb: *x\n", "line 1: write out 'x'; anchors (&, *) are not read"),
        ("b: *x\n", "line 1: write out 'x'; anchors"),
        ("a: " + "[" * 30 + "]" * 30, "line 1: nested more than 20 levels deep"),
        ("a: " + "[" * 5000, "nested more than 20 levels deep"),
        ("a: !!python/object/apply:os.system [true]\n", "line 1: could not determine a constructor"),
        ("a: 2020-13-45\n", "is not YAML: month must be in 1..12"),
        ("a: " + "9" * 5000, "is not YAML: Exceeds the limit"),
        ("a: b\0\n", "is not YAML"),
        ("a: " + "b" * 300_000, "is larger than 256 kB"),
    ],
)
def test_unsound_yaml_is_one_line(tmp_path, text, expected):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_mapping(file)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_long_values_are_shortened():
    message = message_of(changed("train.steps", ["x" * 500] * 50))
    assert "train.steps: expected a whole number, got ['xxx" in message
    assert len(message) < 200
    assert "Exceeds the limit" in message_of(changed("dataset_steps", 16**6000))


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read: No such file"):
        read_mapping(tmp_path / "nowhere.yaml")


def tasks_file(folder: Path, **tasks) -> Path:
    """A file of tasks; each is given as its sources."""
    file = folder / "tasks.yaml"
    entries = {name.replace("_", "-"): {**TASK, "sources": sources} for name, sources in tasks.items()}
    file.write_text(dump(entries))
    return file


GENERATE = TASK["sources"]["generate"]


def test_tasks_that_would_write_one_dataset_with_two_seeds_are_refused(tmp_path):
    file = tasks_file(
        tmp_path, pointmaze_umaze={"generate": GENERATE}, umaze={"generate": {**GENERATE, "seed": 1}}
    )
    with pytest.raises(UserError, match=r"both make generated/pointmaze/umaze-2k-v0"):
        plan_of(changed("tasks", ["pointmaze-umaze", "umaze"]), tasks_file=file)


def on_umaze(**settings) -> dict:
    """The smoke study on one task, with some settings of its own."""
    return {**SMOKE, "tasks": ["pointmaze-umaze"], **settings}


def test_study_takes_each_task_from_its_source(tmp_path):
    minari = {"minari": {"ids": ["a/b-v0"], "reference_max": 5.0}}
    file = tasks_file(tmp_path, pointmaze_umaze={"generate": GENERATE, **minari})
    generated = plan_of(on_umaze(), tasks_file=file)
    assert generated.dataset_id("pointmaze-umaze") == "generated/pointmaze/umaze-2k-v0"
    assert generated.origin("pointmaze-umaze").spec.reference_max == 1.0
    downloaded = plan_of(on_umaze(source="minari"), tasks_file=file)
    assert downloaded.dataset_id("pointmaze-umaze") == "a/b-v0"
    assert downloaded.origin("pointmaze-umaze").spec.reference_max == 5.0
    with pytest.raises(
        UserError, match="pointmaze-umaze has no data from d4rl, only from generate and minari"
    ):
        plan_of(on_umaze(source="d4rl"), tasks_file=file)


def test_task_with_one_source_is_that_ones_whatever_the_study_says():
    assert plan_of(changed("source", "minari")).origin("pointmaze-umaze").source == "generate"


def test_two_sources_in_one_suite_are_refused(tmp_path):
    file = tasks_file(tmp_path, pointmaze_umaze={"generate": GENERATE}, other={"minari": {"ids": ["a/b-v0"]}})
    with pytest.raises(UserError, match="share the suite pointmaze but not the source"):
        plan_of(changed("tasks", ["pointmaze-umaze", "other"]), tasks_file=file)


def test_several_minari_datasets_are_one_under_a_name_of_their_own(tmp_path):
    file = tasks_file(tmp_path, pointmaze_umaze={"minari": {"ids": ["a/b-v0", "a/c-v0"]}})
    assert plan_of(on_umaze(), tasks_file=file).dataset_id("pointmaze-umaze") == "combined/pointmaze/umaze-v0"


def test_recipe_is_where_the_task_is_and_holds_actions_as_long():
    plan = plan_of(SMOKE)
    options = plan.origin("pointmaze-umaze").dataset.recipe_options(2000)
    assert (options["maze"], options["action_repeat"], options["steps"]) == ("umaze", 5, 2000)
    assert options["goal_cells"] == ((1, 1), (3, 1), (2, 3))


def test_ablations_are_named_without_their_parent():
    ablations = plan_of(SMOKE).ablations()
    assert ablations["no_guidance"] == "gtp-no_guidance"
    assert "gtp" not in ablations.values()


def test_record_keeps_the_order_of_the_study():
    record = plan_of(SMOKE).record(["gaussian_bc", "gtp"])
    assert [method.name for method in record.methods] == ["gaussian_bc", "gtp"]
    assert [method.generative for method in record.methods] == [False, True]
    assert record.tasks[0].source == "generate"
    assert record.tasks[0].environment == "PointMaze_UMaze-v3"


def test_a_method_has_one_place_in_every_study_and_ablations_are_counted_apart():
    def places(settings):
        plan = plan_of(settings)
        return {method.name: method.order for method in plan.record(plan.methods).methods}

    everything = places(SMOKE)
    assert everything == places(changed("methods", ["gaussian_bc", "gtp"]))
    assert [everything[name] for name in ("gtp", "gaussian_bc", "iql")] == [0, 1, 2]
    assert [everything[name] for name in ("gtp-no_guidance", "gtp-choice_only")] == [0, 1]
    listed = plan_of(SMOKE).record(["gaussian_bc"]).methods
    assert [method.order for method in listed] == [1]


def test_times_are_measured_at_all_numbers_of_evaluations_that_are_scored():
    assert (
        message_of(changed("cost.nfe", [1]))
        == "study.yaml: cost.nfe must contain all of evaluation.nfe, and lacks 2"
    )
    assert plan_of(changed("cost.nfe", [1, 2, 8])).study.cost.nfe == (1, 2, 8)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True), st.integers(1, 9))
def test_chunks_hold_every_seed_once_in_order_under_different_names(seeds, size):
    chunks = parse(Study, {**SMOKE, "seeds": seeds, "seeds_per_job": size}, "study.yaml").seed_chunks()
    assert [seed for chunk in chunks.values() for seed in chunk] == seeds
    assert all(len(chunk) <= size for chunk in chunks.values())
    assert len(chunks) == -(-len(seeds) // size)


def test_chunk_names():
    def names(**settings):
        return list(parse(Study, {**SMOKE, **settings}, "study.yaml").seed_chunks())

    assert names(seeds=[0, 1, 2], seeds_per_job="all") == ["seeds_0-2"]
    assert names(seeds=[0, 2, 3], seeds_per_job="all") == ["seeds_0_2_3"]
    assert names(seeds=[0, 1, 2], seeds_per_job=2) == ["seeds_0-1", "seeds_2"]


@pytest.mark.parametrize(
    ("steps", "name"),
    [(2000, "2k"), (100_000, "100k"), (1_000_000, "1m"), (1_500_000, "1500k"), (2500, "2500")],
)
def test_abbreviations(steps, name):
    assert abbreviate(steps) == name


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_different_counts_have_different_abbreviations(a, b):
    assert (abbreviate(a) == abbreviate(b)) == (a == b)


def test_flags_are_the_words_that_the_command_line_expects():
    values = {"steps": 5, "flag": True, "cells": ((6, 1), (2, 3)), "none": None, "empty": ()}
    words = ["--task.steps", "5", "--task.flag", "True", "--task.cells", "6", "1", "2", "3"]
    assert flags(values, "task.") == words


def test_suggest_is_empty_without_choices():
    assert suggest("a", []) == ""


def test_every_algorithms_defaults_pass_the_check_of_methods():
    for name in algorithms.names():
        parse(algorithms.get(name), {}, "methods.yaml")


def test_train_config_is_read_without_conversion():
    assert parse(TrainConfig, {"learning_rate": 1, "steps": 3}, "f").learning_rate == 1.0


PAPER_TASKS = read_mapping(CONFIG / "paper.yaml")["tasks"]


@pytest.mark.parametrize("task", PAPER_TASKS)
def test_every_task_of_the_paper_comes_from_every_source_that_has_it(task):
    origins = load_tasks(CONFIG / "tasks.yaml")[task].origins
    unpublished = {"minari"} if task.endswith("medium-replay") else set()
    assert set(origins) == {"generate", "minari", "d4rl"} - unpublished
    assert origins["generate"].expect != Expectations()


def test_laptop_study_has_the_papers_tasks_and_the_point_mazes():
    tasks = read_mapping(CONFIG / "laptop.yaml")["tasks"]
    mazes = {f"pointmaze-{name}" for name in ("umaze", "medium", "large", "fork")}
    assert set(tasks) == {*PAPER_TASKS, *mazes, "multigoal"}


def test_methods_are_scored_by_the_rules_and_numbers_that_they_can_follow():
    settings = changed("evaluation.nfe_by_method", {"gmpo": [2, 31]})
    settings = {**settings, "methods": ["gtp", "gtp-no_guidance", "gtp-choice_only", "gmpo", "iql", "fql"]}
    settings["evaluation"]["acting"] = ["sample", "noise_0.5", "best_of_4"]
    records = {method.name: method for method in plan_of(settings).record(settings["methods"]).methods}
    every = ("sample", "noise_0.5", "best_of_4")
    assert {name: (record.nfe, record.acting) for name, record in records.items()} == {
        "gtp": ((1, 2), every),
        "gtp-no_guidance": ((1, 2), every[:2]),
        "gtp-choice_only": ((1, 2), every),
        "gmpo": ((2, 31), every),
        "iql": ((1,), ("deterministic",)),
        "fql": ((1,), every),
    }


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("evaluation.acting", [], "evaluation: acting must not be empty"),
        ("evaluation.acting", ["best_of_4"], "acting must begin with sample"),
        ("evaluation.acting", ["sample", "best"], "unknown acting rule 'best'; it is one of sample"),
        ("evaluation.acting", ["sample", "sample"], "acting contains sample twice"),
        ("evaluation.acting", ["sample", "noise_0.50"], "acting: write 'noise_0.5' instead of 'noise_0.50'"),
        ("evaluation.nfe_by_method", {"gmop": [2]}, "'gmop' has no entry in"),
        ("evaluation.nfe_by_method", {"gmpo": [1]}, "nfe_by_method.gmpo must contain headline_nfe, 2"),
        ("evaluation.nfe_by_method", {"gmpo": [0, 2]}, "nfe_by_method.gmpo must be at least 1, got 0"),
    ],
)
def test_rules_and_numbers_that_make_no_sense_are_refused(path, value, expected):
    assert expected in message_of(changed(path, value))


@pytest.mark.parametrize(
    ("text", "problem"), [("label: {{name}}\n", "a key must be a name"), ("a: \x07\n", "is not YAML")]
)
def test_unreadable_yaml_is_one_line(tmp_path, text, problem):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=problem) as caught:
        read_mapping(tmp_path / "study.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["def broken(:", "raise ImportError('no such thing')", "x = 1"])
def test_an_unsound_file_of_a_method_is_named(tmp_path, monkeypatch, source):
    (tmp_path / "unsound.py").write_text(source)
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str(tmp_path)])
    with pytest.raises(UserError, match=r"gtp/algorithms/unsound\.py is not a method \(") as caught:
        algorithms.get("unsound")
    assert "\n" not in str(caught.value)
