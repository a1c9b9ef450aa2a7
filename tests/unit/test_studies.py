"""Studies: the shipped files are sound, a mistake is one helpful line, and what follows from the settings."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtp.errors import UserError
from gtp.studies import read_mapping
from gtp.studies.reading import leaves, parse
from gtp.studies.study import Study

from .study_fixtures import CONFIG, SMOKE, changed, dump, message_of, plan_of

STUDIES = sorted(
    path
    for path in CONFIG.glob("*.yaml")
    if path.stem not in ("methods", "online", "oracle", "tasks", "trials")
)


def key_paths(settings) -> set[str]:
    """Dotted names of all keys; lists, and what a study has by suite or by method, are values."""
    paths = set()
    evaluation = {**settings["evaluation"], "nfe_by_method": None}
    for path, _ in leaves({**settings, "train_by_suite": None, "evaluation": evaluation}):
        paths.add(".".join(key for key in path if isinstance(key, str)))
    return paths


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
        ("train.steps", 0, "study.yaml: train: steps "),
        ("train.steps", "many", "study.yaml: train.steps: expected a whole number"),
        ("train.steps", 1.5, "study.yaml: train.steps: expected a whole number"),
        ("train.learning_rate", "1e-3", "got '1e-3' (YAML reads it as text: write 0.001)"),
        ("train.learning_rate", True, "study.yaml: train.learning_rate: expected a number"),
        ("train.learning_rate", float("nan"), "study.yaml: train.learning_rate: "),
        ("train.normalize_observations", 1, "train.normalize_observations: expected true or false"),
        ("train", None, "study.yaml: train: expected a mapping"),
        ("execution.compile", False, "execution.compile: expected auto or off"),
        ("execution.device", "gpu", "execution.device: expected auto or cpu or cuda"),
        ("tasks", ["pointmaze-umase"], "'pointmaze-umase' has no entry"),
        ("tasks", ["pointmaze-umase"], "did you mean 'pointmaze-umaze'?"),
        ("tasks", [], "study.yaml: tasks "),
        ("tasks", "pointmaze-umaze", "study.yaml: tasks: expected a list"),
        ("methods", ["gpt"], "'gpt' has no entry"),
        ("methods", ["gtp", "gtp"], "methods contains gtp twice"),
        ("seeds", [0, 0], "seeds contains 0 twice"),
        ("seeds", [-1], "study.yaml: seeds "),
        ("seeds", [True], "study.yaml: seeds.0: expected a whole number"),
        ("seeds_per_job", 0, "study.yaml: seeds_per_job "),
        ("seeds_per_job", "some", "study.yaml: seeds_per_job: expected all or a whole number"),
        ("study", "reference", "study.yaml: study "),
        ("study", "a/b", "study 'a/b'"),
        ("study", "x$(touch y)", "study 'x$(touch y)'"),
        ("study", "a" * 200, "study 'aaaaaaaaaaaaaaaaaaaa…'"),
        ("evaluation.headline_nfe", 7, "evaluation: headline_nfe "),
        ("evaluation.rollout_episodes", 5, "evaluation: rollout_episodes "),
        ("seeds", [2**31], "study.yaml: seeds "),
        ("trajectories.methods", ["gaussian_bc"], "trajectories.methods: 'gaussian_bc'"),
        ("trajectories.methods", ["diffusion_ql"], "trajectories.methods: 'diffusion_ql'"),
        ("trajectories.task", "hopper-medium", "trajectories.task: "),
        ("trajectories.task", "nowhere", "study.yaml: trajectories.task: 'nowhere' has no entry"),
        (
            "train_by_suite",
            {"pointmase": {}},
            "pointmase: unknown suite; did you mean 'pointmaze'?",
        ),
        ("train_by_suite", {"pointmaze": {"stps": 1}}, "train_by_suite.pointmaze.stps: unknown key"),
        ("train_by_suite", {"pointmaze": {"steps": 0}}, "train_by_suite.pointmaze: steps "),
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


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("evaluation.acting", [], "study.yaml: evaluation: acting "),
        ("evaluation.acting", ["best_of_4"], "study.yaml: evaluation: acting "),
        ("evaluation.acting", ["sample", "best"], "'best'; it is one of sample"),
        ("evaluation.acting", ["sample", "sample"], "acting contains sample twice"),
        ("evaluation.acting", ["sample", "noise_0.50"], "acting: write 'noise_0.5' instead of 'noise_0.50'"),
        ("evaluation.nfe_by_method", {"gmop": [2]}, "'gmop' has no entry in"),
        ("evaluation.nfe_by_method", {"gmpo": [1]}, "nfe_by_method.gmpo "),
        ("evaluation.nfe_by_method", {"gmpo": [0, 2]}, "nfe_by_method.gmpo "),
    ],
)
def test_rules_and_numbers_that_make_no_sense_are_refused(path, value, expected):
    assert expected in message_of(changed(path, value))


def test_long_values_are_shortened():
    message = message_of(changed("train.steps", ["x" * 500] * 50))
    assert "train.steps: expected a whole number, got ['xxx" in message
    assert len(message) < 200
    assert "Exceeds the limit" in message_of(changed("dataset_steps", 16**6000))


def test_times_are_measured_at_all_numbers_of_evaluations_that_are_scored():
    assert "study.yaml: cost.nfe " in message_of(changed("cost.nfe", [1]))
    assert plan_of(changed("cost.nfe", [1, 2, 8])).study.cost.nfe == (1, 2, 8)


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
    ("environment", "expected"),
    [
        ("PointMaze_UMase-v3", "unknown environment 'PointMaze_UMase-v3'; did you mean 'PointMaze_UMaze"),
        ("no_such_module:Maze-v0", "cannot make environment 'no_such_module:Maze-v0': No module named"),
    ],
)
def test_an_environment_that_there_is_none_of_is_told_by_the_plan(tmp_path, environment, expected):
    tasks = yaml.safe_load((CONFIG / "tasks.yaml").read_text())
    tasks["pointmaze-umaze"]["environment"] = environment
    (tmp_path / "tasks.yaml").write_text(dump(tasks))
    with pytest.raises(UserError, match=f"tasks.yaml: pointmaze-umaze: {expected}"):
        plan_of(SMOKE, tasks_file=tmp_path / "tasks.yaml")


def test_trajectories_of_more_than_two_dimensions_are_told_by_the_plan_whatever_the_source():
    settings = changed("source", "minari") | {"tasks": ["hopper-medium"]}
    settings["trajectories"] = settings["trajectories"] | {"task": "hopper-medium"}
    with pytest.raises(UserError, match="trajectories.task: actions of 'hopper-medium' have more than two"):
        plan_of(settings)
