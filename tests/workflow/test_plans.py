"""Dry runs: every target of every study has a plan, and each mistake is one helpful line."""

import re

import pytest

from gtp.data.generate.behaviour.robots import ROBOTS
from gtp.studies.methods import load_methods

STUDIES = ["quick", "smoke"]
LARGER_STUDIES = ["laptop", "rivals", "paper", "tuning", "budget", "night"]
ABLATIONS = [
    "no_guidance",
    "no_consistency",
    "no_flow",
    "tau_zero",
    "ode_solver",
    "linear_q",
    "linear_q_tenth",
    "linear_q_one",
    "truncate",
    "choice_only",
    "value_policy_samples",
    "shortcut",
    "mean_flow",
]
SHIPPED = "gtp/data/generate/behaviour/policies"
TARGETS = ["all", "figures", "tables", "data", "ablations", *(f"ablation_{name}" for name in ABLATIONS)]


def planned(output: str, rule: str) -> int:
    """How many jobs of a rule a dry run announces."""
    count = re.search(rf"^{rule}\s+(\d+)$", output, re.MULTILINE)
    return int(count[1]) if count else 0


@pytest.mark.parametrize(
    "study", [*STUDIES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER_STUDIES)]
)
def test_every_target_has_a_plan(checkout, study):
    result = checkout.snakemake("-n", *TARGETS, "--cores", "1", "--configfile", f"config/{study}.yaml")
    assert result.returncode == 0, result.stdout
    for target in TARGETS:
        assert planned(result.stdout, target) == 1


def test_default_target_is_the_whole_quick_study(checkout):
    result = checkout.snakemake("-n")
    assert result.returncode == 0, result.stdout
    assert planned(result.stdout, "reproduce") == 1
    for suite, tasks in (("multigoal", 1), ("pointmaze", 1), ("locomotion", 1)):
        assert planned(result.stdout, f"train_{suite}") == 7 * tasks
    assert planned(result.stdout, "generate_dataset") == 3
    assert planned(result.stdout, "figure_nfe") == 1
    assert planned(result.stdout, "figure_coverage") == 1
    assert planned(result.stdout, "figure_dataset_returns") == 1


def test_no_run_touches_the_shipped_behaviour_policies(checkout):
    """Snakemake deletes what is a job's output before the job begins: --forceall must not reach them."""
    targets = ["reproduce", "data", "reference_returns"]
    result = checkout.snakemake(*targets, "--forceall", "--summary")
    assert result.returncode == 0, result.stdout
    jobs = [line.split("\t") for line in result.stdout.splitlines() if line.count("\t") >= 5]
    rules = {rule for _, _, rule, *_ in jobs}
    assert "generate_dataset" in rules
    assert "train_behaviour" not in rules
    assert not [output for output, *_ in jobs if output.startswith("gtp/")]


def test_behaviour_policies_are_trained_beside_the_shipped_ones_and_then_copied(checkout):
    result = checkout.snakemake("-n", "-p", "behaviour_policies")
    assert result.returncode == 0, result.stdout
    assert planned(result.stdout, "train_behaviour") == len(ROBOTS)
    assert re.search(rf"cp -v resources/behaviour/hopper.safetensors .* {SHIPPED} ", result.stdout)


def test_paper_study_plans_the_full_grid(checkout):
    """Every method but MBDPO, whose studies are its own."""
    known = load_methods(checkout.folder / "config/methods.yaml").values()
    methods = sum(method.algorithm != "mbdpo" for method in known)
    result = checkout.snakemake("-n", "--configfile", "config/paper.yaml")
    assert result.returncode == 0, result.stdout
    assert planned(result.stdout, "train_locomotion") == 9 * methods
    assert planned(result.stdout, "train_antmaze") == 6 * methods
    assert planned(result.stdout, "figure_dataset_returns") == 1


def test_an_ablation_trains_itself_and_its_parent_even_where_the_study_does_not_list_it(checkout):
    result = checkout.snakemake("-n", "ablation_tau_zero", "--configfile", "config/smoke.yaml")
    assert planned(result.stdout, "train_pointmaze") == 2
    for method in ("gtp", "gtp-tau_zero"):
        assert f"training {method} on pointmaze-umaze" in result.stdout
    assert planned(result.stdout, "table_ablations") == 1


def test_chunks_of_seeds_are_jobs_of_their_own(checkout):
    result = checkout.snakemake("-n", "--configfile", "config/smoke.yaml", "--config", "seeds_per_job=1")
    assert planned(result.stdout, "train_pointmaze") == 3 * 2
    assert "training gtp on pointmaze-umaze, seeds_1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["figurs"], "error: unknown target 'figurs'; did you mean 'figures'?"),
        (["ablation_no_guidence"], "did you mean 'ablation_no_guidance'?"),
        (["--config", "stduy=x"], "error: --config: stduy: unknown key; did you mean 'study'?"),
        (
            ["--config", "train={'stesp': 5}"],
            "--config: train.stesp: unknown key; did you mean 'steps'?",
        ),
        (
            ["--config", "methods=['gpt']"],
            "'gpt' has no entry in config/methods.yaml; did you mean 'gtp'?",
        ),
        (["--config", "tasks=['pointmase-large']"], "did you mean 'pointmaze-large'?"),
        (["--config", "seeds=[]"], "error: --config: seeds must not be empty"),
        (
            ["--config", "train.steps=3"],
            "error: --config train.steps=3: write a key inside another as --config 'train",
        ),
        (["--configfile", "config/smok.yaml"], "did you mean 'config/smoke.yaml'?"),
        (
            ["--configfile", "config/smoke.yaml", "figures"],
            "snakemake figures --configfile config/smoke.yaml",
        ),
        (["--directory", "docs"], "run snakemake in the folder of the checkout, without --directory"),
    ],
)
def test_mistakes_are_one_line_without_a_traceback(checkout, arguments, expected):
    result = checkout.snakemake("-n", *arguments)
    assert result.returncode != 0
    assert expected in result.stdout
    assert "Traceback" not in result.stdout
    assert "Error in" not in result.stdout


def test_key_given_twice_in_a_study_is_refused(checkout):
    (checkout.folder / "twice.yaml").write_text("study: a\nstudy: b\n")
    result = checkout.snakemake("-n", "--configfile", "twice.yaml")
    assert result.returncode != 0
    assert "error: twice.yaml, line 2: the key 'study' stands here twice" in result.stdout


def test_a_mistake_is_told_of_the_file_that_makes_it(checkout):
    (checkout.folder / "first.yaml").write_text("train: {stepz: 3}\n")
    (checkout.folder / "second.yaml").write_text("seeds: [0]\n")
    result = checkout.snakemake("-n", "--configfile", "first.yaml", "second.yaml", "--config", "study=mine")
    assert "error: first.yaml: train.stepz: unknown key; did you mean 'steps'?" in result.stdout


def test_lint_has_nothing_but_that_functions_stand_beside_their_rules(checkout):
    """A stage keeps its input functions in its own file, where Snakemake would have them in another."""
    findings = re.findall(r"^ {4}\* (.+)$", checkout.snakemake("--lint").stdout, re.MULTILINE)
    assert set(findings) == {"Mixed rules and functions in same snakefile.:"}


@pytest.mark.slow
def test_a_study_replaces_what_the_default_study_sets_for_suites(checkout):
    result = checkout.snakemake("-n", "-p", "--configfile", "config/laptop.yaml")
    assert set(re.findall(r"--train.steps (\d+)", result.stdout)) == {"12000", "24000"}  # not quick's 8000


def test_policies_are_scored_and_timed_at_the_methods_own_numbers_and_by_all_rules(checkout):
    result = checkout.snakemake("-n", "-p", "--configfile", "config/rivals.yaml")
    commands = [line for line in result.stdout.splitlines() if "/hopper-medium-replay/" in line]
    for method, scored in (("gtp", "1 2 5"), ("gmpo", "1 2 5 31")):
        own = [line for line in commands if f"/{method}/" in line]
        (score,) = [line for line in own if "gtp evaluate" in line and "scores.csv" in line]
        (curve,) = [line for line in own if "gtp evaluate" in line and "curve.csv" in line]
        (cost,) = [line for line in own if "gtp cost" in line]
        assert f"--nfe {scored} --acting sample best_of_16 --output" in score
        assert "--nfe 5 --acting sample --episodes" in curve
        assert "--nfe 1 2 3 5 8 31 --acting sample best_of_16 --batch_sizes" in cost  # all side by side


@pytest.mark.slow
def test_a_study_without_numbers_of_its_own_for_a_method_has_none_of_the_default_studys(checkout):
    """Snakemake alone would merge the two."""
    with checkout.edited("config/quick.yaml", "nfe_by_method: {}", "nfe_by_method: {gmpo: [5, 31]}"):
        result = checkout.snakemake("-n", "-p", "--configfile", "config/paper.yaml")
        other = checkout.snakemake("-n", "-p", "--config", "methods=[gmpo]")
    assert "--nfe 1 2 3 5 8 31 --acting" in result.stdout
    assert "--nfe 5 31 --acting" not in result.stdout
    assert "--nfe 5 31 --acting" in other.stdout
