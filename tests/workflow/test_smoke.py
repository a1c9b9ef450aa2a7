"""The smoke study for real: from nothing to every figure and table, and what an edit makes run again.

The tests share one finished study and leave it as they found it: each runs alone and in any order.
"""

import csv
import json
import os
import re
import shutil

import pytest

from gtp.report.registry import FIGURES, PRINTED_TABLES, of_study
from gtp.report.results import read_study

from .conftest import Checkout

SMOKE = ["--cores", "2", "--configfile", "config/smoke.yaml"]
NOTHING = "Nothing to be done"


def rows_of(checkout, path: str) -> list[dict[str, str]]:
    with open(checkout.folder / path, newline="") as file:
        return list(csv.DictReader(file))


def planned(checkout, *arguments: str) -> dict[str, int]:
    """Rule -> number of jobs that a dry run of the smoke study announces."""
    output = checkout.snakemake(
        "-n", *arguments, *SMOKE
    ).stdout  # a list of files ends SMOKE: targets go first
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", output, re.MULTILINE)}


def will_train(checkout, *arguments: str) -> set[str]:
    """The methods that a dry run wants to train."""
    output = checkout.snakemake(
        "-n", *arguments, *SMOKE
    ).stdout  # a list of files ends SMOKE: targets go first
    return set(re.findall(r"training (\S+) on", output))


@pytest.fixture(scope="module")
def smoke(checkout):
    """The copy of the repository after the whole smoke study."""
    result = checkout.snakemake(*SMOKE)
    assert result.returncode == 0, result.stdout[-5000:]
    return checkout, result.stdout


def test_run_announces_itself_and_shows_progress(smoke):
    _, output = smoke
    assert "Study smoke: tasks x methods x seeds = 2 x 3 x 2, 20 updates each, on CPUs" in output
    assert "train pointmaze-umaze gtp: 20/20 steps (100 %)" in output
    assert re.search(r"\d+ of \d+ steps \(\d+%\) done", output)


def test_every_figure_and_table_is_there_and_not_empty(smoke):
    checkout, _ = smoke
    record = read_study(checkout.folder / "results/smoke/study.json")
    figures, tables = of_study(FIGURES, record), of_study(PRINTED_TABLES, record)
    assert {"nfe", "coverage", "dataset_returns"} < set(figures)  # the study has mazes and robots
    assert {"main", "cloning", "ablations"} < set(tables)
    for figure in figures:
        assert (checkout.folder / f"figures/smoke/{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert (checkout.folder / f"figures/smoke/{figure}.png").read_bytes().startswith(b"\x89PNG")
    for table in tables:
        for ending in ("md", "tex", "csv"):
            assert (checkout.folder / f"paper_tables/smoke/{table}.{ending}").stat().st_size > 0


def test_scores_have_one_row_per_episode(smoke):
    checkout, _ = smoke
    found = {
        (row["method"], row["acting"], row["seed"], row["nfe"], row["episode"])
        for row in rows_of(checkout, "results/smoke/scores.csv")
    }
    ways = [("gtp", "sample"), ("gtp", "best_of_4"), ("gtp-no_guidance", "sample")]
    generative = {
        (method, rule, seed, nfe, episode)
        for method, rule in ways
        for seed in "01"
        for nfe in "12"
        for episode in "01"
    }
    single = {("gaussian_bc", "deterministic", seed, "1", episode) for seed in "01" for episode in "01"}
    assert found == generative | single


def test_curves_have_every_kept_policy(smoke):
    checkout, _ = smoke
    assert {row["step"] for row in rows_of(checkout, "results/smoke/curves.csv")} == {"10", "20"}


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (
            "scores",
            "study,suite,task,method,seed,nfe,acting,episode,return,normalized_score,success,length,status",
        ),
        (
            "curves",
            "study,suite,task,method,seed,nfe,acting,episode,return,normalized_score,success,length,status,step",
        ),
        ("training", "study,task,method,seed,step,quantity,value"),
        ("cost", "study,task,method,device,quantity,nfe,acting,batch_size,repetition,value"),
        ("trajectories", "study,task,method,state,sample,kind,t,a0,a1"),
        ("endpoints", "study,task,method,kind,nfe,sample,x,y"),
        ("rollouts", "study,task,method,seed,episode,step,x,y,success"),
        ("coverage", "study,task,x,y,count"),
        ("episodes", "study,suite,task,episode,return,length,success"),
        ("mazes", "study,task,row,col,x,y,kind"),
    ],
)
def test_tables_are_tidy(smoke, table, columns):
    checkout, _ = smoke
    rows = rows_of(checkout, f"results/smoke/{table}.csv")
    assert list(rows[0]) == columns.split(",")
    assert {row["study"] for row in rows} == {"smoke"}


def test_mazes_mark_start_and_goal_once(smoke):
    checkout, _ = smoke
    kinds = [row["kind"] for row in rows_of(checkout, "results/smoke/mazes.csv")]
    assert kinds.count("start") == kinds.count("goal") == 1
    assert {"wall", "free"} < set(kinds)


def test_second_run_has_nothing_to_do(smoke):
    checkout, _ = smoke
    assert NOTHING in checkout.snakemake(*SMOKE).stdout


def test_touching_sources_reruns_nothing(smoke):
    checkout, _ = smoke
    files = [
        checkout.folder / path
        for path in ("gtp/training/loop.py", "config/methods.yaml", "config/smoke.yaml")
    ]
    times = [file.stat() for file in files]
    for file in files:
        file.touch()
    output = checkout.snakemake("-n", *SMOKE).stdout
    for file, before in zip(files, times, strict=True):
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert NOTHING in output


def test_deleted_figure_is_rebuilt_alone_and_to_the_byte(smoke):
    checkout, _ = smoke
    figure = checkout.folder / "figures/smoke/nfe.pdf"
    before = figure.read_bytes()
    figure.unlink()
    assert planned(checkout) == {"figure_nfe": 1, "reproduce": 1, "total": 2}
    assert checkout.snakemake(*SMOKE).returncode == 0
    assert figure.read_bytes() == before


def test_editing_a_method_trains_that_method_only(smoke):
    checkout, _ = smoke
    with checkout.edited("config/methods.yaml", "set: {eta: 0.0}", "set: {eta: 0.0, grid_points: 20}"):
        assert will_train(checkout) == {"gtp-no_guidance"}
    assert NOTHING in checkout.snakemake("-n", *SMOKE).stdout


def test_editing_a_label_trains_nothing(smoke):
    checkout, _ = smoke
    with checkout.edited("config/methods.yaml", "label: Gaussian BC", "label: Gaussian cloning"):
        jobs = planned(checkout)
    assert jobs["collect_study"] == 1
    assert not any(name.startswith(("train", "evaluate", "generate")) for name in jobs)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("gtp/algorithms/gaussian_bc.py", {"gaussian_bc"}),
        ("gtp/algorithms/gtp.py", {"gtp", "gtp-no_guidance"}),
        ("gtp/training/learner.py", {"gtp", "gtp-no_guidance", "gaussian_bc"}),
        ("gtp/report/style.py", set()),
        ("gtp/cli/main.py", set()),
    ],
)
def test_editing_code_trains_the_methods_that_use_it(smoke, path, methods):
    checkout, _ = smoke
    with checkout.extended(path, "\nEDITED = True\n"):
        assert will_train(checkout) == methods


def test_a_comment_is_no_edit(smoke):
    checkout, _ = smoke
    with checkout.extended("gtp/networks.py", "\n# edited\n"):
        assert NOTHING in checkout.snakemake("-n", *SMOKE).stdout


def test_copied_results_count_as_made_here_once_they_are_touched(smoke, tmp_path):
    checkout, _ = smoke
    left_out = shutil.ignore_patterns(".snakemake", ".cache", "checkpoints", "benchmarks", "logs")
    shutil.copytree(checkout.folder, tmp_path / "copy", ignore=left_out, copy_function=shutil.copy)
    copy = Checkout(tmp_path / "copy")
    assert copy.snakemake(*SMOKE, "--touch").returncode == 0
    assert NOTHING in copy.snakemake("-n", *SMOKE).stdout
    with copy.edited("config/methods.yaml", "set: {eta: 0.0}", "set: {eta: 0.0, grid_points: 20}"):
        assert will_train(copy) == {"gtp-no_guidance"}


def test_another_seed_in_a_chunk_of_its_own_trains_that_seed_only(smoke):
    checkout, _ = smoke
    output = checkout.snakemake("-n", *SMOKE, "--config", "seeds=[0,1,2]", "seeds_per_job=2").stdout
    assert set(re.findall(r"training \S+ on \S+, (\S+)", output)) == {"seeds_2"}


@pytest.mark.slow
def test_new_entry_in_methods_becomes_a_row_of_a_table(smoke):
    checkout, _ = smoke
    entry = (
        "\ngtp-eta_2:\n  algorithm: gtp\n  set: {eta: 2.0}\n  label: Twice the guidance\n  group: rl\n"
        "  ablation_of: gtp\n"
    )
    with checkout.extended("config/methods.yaml", entry):
        assert will_train(checkout, "ablation_eta_2") == {"gtp-eta_2"}
        result = checkout.snakemake("ablation_eta_2", *SMOKE)
    assert result.returncode == 0, result.stdout[-5000:]
    assert (
        "Twice the guidance"
        in (checkout.folder / "paper_tables/smoke/ablation_eta_2/ablations.md").read_text()
    )


def test_report_contains_figures_and_tables_with_their_captions(smoke):
    checkout, _ = smoke
    result = checkout.snakemake("--configfile", "config/smoke.yaml", "--report", "report.html")
    assert result.returncode == 0, result.stdout[-5000:]
    report = (checkout.folder / "report.html").read_text()
    figures = ("learning curves", "learned trajectories", "score against the time of an action")
    for label in (*figures, "scores of every seed", "main scores", "cost", "published scores"):
        assert label in report
    assert "<p>Cost of training and acting of each method of smoke: parameters" in report
    assert "<em>K</em> of function evaluations" in report


@pytest.mark.slow
def test_finished_study_becomes_the_reference_and_is_redrawn_to_the_byte(smoke):
    checkout, _ = smoke
    references = checkout.folder / "results/reference"
    others = references / "quick"
    before = {path: path.read_bytes() for path in others.rglob("*.*")}
    assert checkout.snakemake("reference_returns", *SMOKE).returncode == 0
    result = checkout.run("python", "workflow/scripts/adopt_reference.py", "config/smoke.yaml")
    assert result.returncode == 0, result.stdout
    assert {path: path.read_bytes() for path in others.rglob("*.*")} == before
    record = json.loads((checkout.folder / "results/reference/smoke/provenance.json").read_text())
    assert {"scores.csv", "reference_returns.csv", "study.json"} < set(record["tables"])
    assert "training.csv" not in record["tables"]
    assert record["study"] == "smoke"
    assert record["commit"] == checkout.run("git", "rev-parse", "HEAD").stdout.strip()
    assert record["minutes"] > 0
    result = checkout.run("python", "workflow/scripts/adopt_reference.py", "config/smoke.yaml", "--elsewhere")
    assert result.returncode == 0, result.stdout
    beside = references / "smoke/elsewhere" / f"{record['date']}.json"
    assert json.loads(beside.read_text())["tables"] == record["tables"]
    beside.unlink()
    beside.parent.rmdir()
    aside = checkout.folder / "aside"  # redrawing all takes minutes
    references.rename(aside)
    references.mkdir()
    (aside / "smoke").rename(references / "smoke")
    result = checkout.snakemake("reference", "--cores", "2")
    (references / "smoke").rename(aside / "smoke")
    references.rmdir()
    aside.rename(references)
    assert result.returncode == 0, result.stdout[-5000:]
    for path in (checkout.folder / "figures/smoke").glob("*.*"):
        assert path.read_bytes() == (checkout.folder / "figures/reference/smoke" / path.name).read_bytes()
    for path in (checkout.folder / "paper_tables/smoke").glob("*.*"):
        assert (
            path.read_bytes() == (checkout.folder / "paper_tables/reference/smoke" / path.name).read_bytes()
        )


def test_reference_is_refused_when_the_code_has_changed(smoke):
    checkout, _ = smoke
    with checkout.extended("gtp/cli/main.py", "\n# edited\n"):
        result = checkout.run("python", "workflow/scripts/adopt_reference.py", "config/smoke.yaml")
    assert result.returncode != 0
    assert "commit gtp/cli/main.py first" in result.stdout


def test_failing_job_shows_one_line_and_leaves_no_result(smoke):
    checkout, _ = smoke
    data = "results/smoke/data/pointmaze-umaze/transitions.safetensors"
    half = (checkout.folder / data).read_bytes()[:1000]
    with checkout.holding(data, half, unnoticed=True):  # else what the other methods have learned goes too
        result = checkout.snakemake("ablation_no_flow", *SMOKE)
    assert result.returncode != 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("gtp: error:")]
    assert lines
    assert "transitions.safetensors" in lines[0]
    assert "Traceback" not in result.stdout
    assert not list((checkout.folder / "results/smoke/runs/pointmaze-umaze").glob("gtp-no_flow/*/*"))
