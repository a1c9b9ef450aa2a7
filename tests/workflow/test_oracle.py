"""The study of known answers: independent of the default one, from cloning to a reference."""

import json
import re
import shutil

import pytest

TINY = """
mixtures: {off_centre: Four modes}
methods: [gtp, gtp-mean_flow]
seeds: [0, 1]
nfe: [1, 2]
train: {steps: 10, batch_size: 16, hidden_size: 8, learning_rate: 0.001}
samples: 200
execution: {device: cpu, compile: 'off', threads: 1}
"""


def test_the_shipped_study_plans_its_jobs_and_nothing_else(checkout):
    result = checkout.snakemake("-n", "oracle", "--configfile", "config/laptop.yaml")
    assert result.returncode == 0, result.stdout
    jobs = {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)$", result.stdout, re.MULTILINE)}
    assert jobs["clone_mixture"] == 7 * jobs["measure_theorem"]
    for product in ("figure_solution_map", "figure_theorem", "table_solution_map", "table_theorem"):
        assert jobs[product] == 1
    assert not any(name.startswith(("train_", "generate_", "evaluate_")) for name in jobs)
    assert "clone_mixture" not in checkout.snakemake("-n").stdout


def test_a_mistake_in_the_study_is_one_line(checkout):
    with checkout.edited("config/oracle.yaml", "\nsamples:", "\nsampels: 1\nsamples:"):
        result = checkout.snakemake("-n", "oracle")
    assert result.returncode != 0
    assert "error: config/oracle.yaml: sampels: unknown key; did you mean 'samples'?" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.fixture(scope="module")
def done(checkout):
    """The copy of the repository after a tiny study, which is committed."""
    (checkout.folder / "config/oracle.yaml").write_text(TINY)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    assert checkout.run("git", *identity, "commit", "--quiet", "--all", "--message", "tiny").returncode == 0
    result = checkout.snakemake("oracle", "--cores", "1")
    assert result.returncode == 0, result.stdout[-5000:]
    return checkout


@pytest.mark.slow
def test_a_study_ends_in_tables_and_figures(done):
    rows = (done.folder / "results/oracle/solution_map.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 * 2  # methods, seeds, K
    assert (done.folder / "figures/oracle/theorem.png").read_bytes().startswith(b"\x89PNG")
    assert "| GTP, mean-flow identity |" in (done.folder / "paper_tables/oracle/solution_map.md").read_text()
    assert "does not hold" in (done.folder / "paper_tables/oracle/theorem.md").read_text()
    assert "Nothing to be done" in done.snakemake("-n", "oracle").stdout


@pytest.mark.slow
def test_a_finished_study_becomes_a_reference_and_is_redrawn_to_the_byte(done):
    shutil.rmtree(done.folder / "results/reference")
    result = done.run("python", "workflow/scripts/adopt_reference.py", "config/oracle.yaml")
    assert result.returncode == 0, result.stdout
    record = json.loads((done.folder / "results/reference/oracle/provenance.json").read_text())
    assert set(record["tables"]) == {"solution_map.csv", "theorem.csv", "record.json"}
    assert record["minutes"] > 0
    result = done.snakemake("reference", "--cores", "1")
    assert result.returncode == 0, result.stdout[-5000:]
    for file in (
        "figures/oracle/solution_map.png",
        "figures/oracle/theorem.png",
        "paper_tables/oracle/theorem.tex",
    ):
        folder, *rest = file.split("/")
        copy = done.folder / folder / "reference" / "/".join(rest)
        assert copy.read_bytes() == (done.folder / file).read_bytes()
