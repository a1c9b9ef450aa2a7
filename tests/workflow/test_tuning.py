"""A study of trials: it makes scores, one table and one figure, and becomes a reference like any other."""

import json
import re
import shutil

import pytest

STUDY = ["--cores", "2", "--configfile", "config/pair.yaml"]
METHODS = "methods:\n  - gtp\n  - gtp-no_guidance\n  - gaussian_bc\n"


@pytest.fixture(scope="module")
def tuned(checkout):
    """The copy of the repository after a study of two trials of two methods on one task."""
    text = (checkout.folder / "config/smoke.yaml").read_text()
    for old, new in (
        ("study: smoke", "study: pair"),
        ("  - hopper-medium\n", ""),
        (METHODS, "methods: [gtp-trial_0, gtp-trial_1, iql-trial_0, iql-trial_2]\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (checkout.folder / "config/pair.yaml").write_text(text)
    result = checkout.snakemake("trials", *STUDY)
    assert result.returncode == 0, result.stdout[-5000:]
    return checkout


@pytest.mark.slow
def test_the_whole_study_is_its_scores_its_table_and_its_figure(tuned):
    assert {path.name for path in (tuned.folder / "results/pair").glob("*.*")} == {"scores.csv", "study.json"}
    assert {path.stem for path in (tuned.folder / "figures/pair").glob("*.*")} == {"trials"}
    assert {path.name for path in (tuned.folder / "paper_tables/pair").glob("*.*")} == {
        f"{table}.{ending}" for table in ("claims", "trials") for ending in ("md", "tex", "csv")
    }
    assert (
        "| 2: beta = 10.0, expectile = 0.9 | deterministic |"
        in (tuned.folder / "paper_tables/pair/trials.md").read_text()
    )
    assert "Nothing to be done" in tuned.snakemake("-n", *STUDY).stdout


@pytest.mark.slow
def test_a_trial_trains_with_its_changes(tuned):
    record = json.loads(
        (tuned.folder / "results/pair/runs/pointmaze-umaze/gtp-trial_1/seeds_0-1/run.json").read_text()
    )
    assert '"eta": 3.0' in json.dumps(record)


@pytest.mark.slow
def test_a_study_of_trials_becomes_a_reference(tuned):
    shutil.rmtree(tuned.folder / "results/reference")
    result = tuned.run("python", "workflow/scripts/adopt_reference.py", "config/pair.yaml")
    assert result.returncode == 0, result.stdout
    provenance = json.loads((tuned.folder / "results/reference/pair/provenance.json").read_text())
    assert "config/trials.yaml" in provenance["configuration"]
    result = tuned.snakemake("reference", "--cores", "1")
    assert result.returncode == 0, result.stdout[-5000:]
    for folder in ("figures", "paper_tables"):
        for path in (tuned.folder / folder / "pair").glob("*.*"):
            copy = tuned.folder / folder / "reference/pair" / path.name
            assert path.read_bytes() == copy.read_bytes()


def test_the_shipped_study_plans_every_trial_and_scores_alone(checkout):
    result = checkout.snakemake("-n", "trials", "--configfile", "config/tuning.yaml")
    assert result.returncode == 0, result.stdout
    jobs = {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)$", result.stdout, re.MULTILINE)}
    trials = jobs["train_pointmaze"]
    assert trials >= 24
    assert jobs["train_locomotion"] == trials
    assert jobs["evaluate_policy"] + jobs["evaluate_maze_policy"] == 2 * trials
    assert not {"evaluate_curve", "measure_cost", "draw_trajectories"} & set(jobs)


def test_other_studies_have_no_target_trials(checkout):
    result = checkout.snakemake("-n", "trials")
    assert result.returncode != 0
    assert "error: unknown target 'trials'" in result.stdout
