"""The online study: independent of the default one, from scratch and after training offline."""

import json
import re
import shutil

import pytest

TINY = """
environments: [Pendulum-v1]
seeds: [3, 5]
steps: 30
evaluate_every: 15
evaluation_episodes: 2
execution: {device: cpu, compile: 'off', threads: 1}
methods:
  mbdpo:
    algorithm: mbdpo
    label: MBDPO
    set: {size: nano, nfe: 2, batch_size: 4, samples: 8, elites: 4, prior_sequences: 2,
                 max_episode_steps: 10, seed_steps: 10}
  mbdpo-after:
    algorithm: mbdpo
    label: MBDPO, offline first
    set: {size: nano, nfe: 2, batch_size: 4, samples: 8, elites: 4, prior_sequences: 2, max_episode_steps: 10}
    offline_first: {data_of: mbdpo, updates: 5, train: {discount: 0.95}, keep_data: true}
  sac:
    algorithm: sac
    label: SAC
    set: {max_episode_steps: 10}
"""


def jobs_of(output: str) -> dict[str, int]:
    return {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)$", output, re.MULTILINE)}


def test_the_shipped_study_plans_every_run_and_nothing_else(checkout):
    result = checkout.snakemake("-n", "online", "--configfile", "config/laptop.yaml")
    assert result.returncode == 0, result.stdout
    jobs = jobs_of(result.stdout)
    runs = sum(jobs.get(name, 0) for name in ("online_run", "online_run_kept", "online_continue"))
    assert runs % 3 == 0
    assert runs >= 9
    assert jobs["collect_online"] == jobs["online_figure"] == jobs["online_table"] == 1
    assert not any(name.startswith(("train_", "generate_", "evaluate_")) for name in jobs)
    assert "online_run" not in jobs_of(checkout.snakemake("-n").stdout)


def test_a_mistake_in_the_study_is_one_line(checkout):
    with checkout.edited("config/online.yaml", "\nsteps: 4", "\nstepps: 1\nsteps: 4"):
        result = checkout.snakemake("-n", "online")
    assert result.returncode != 0
    assert "error: config/online.yaml: stepps: unknown key; did you mean 'steps'?" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.fixture(scope="module")
def done(checkout):
    """The copy of the repository after a tiny study."""
    (checkout.folder / "config/online.yaml").write_text(TINY)
    result = checkout.snakemake("online", "--cores", "2")
    assert result.returncode == 0, result.stdout[-5000:]
    return checkout


@pytest.mark.slow
def test_a_study_ends_in_a_table_and_a_figure(done):
    rows = (done.folder / "results/online/online.csv").read_text().splitlines()
    # Two seeds, evaluations at 0, 15 and 30, two episodes; SAC has one way to act, the others two.
    assert len(rows) == 1 + 2 * 3 * 2 * (2 + 2 + 1)
    assert (done.folder / "figures/online/online.png").read_bytes().startswith(b"\x89PNG")
    table = (done.folder / "paper_tables/online/online.md").read_text()
    assert "| MBDPO, offline first |" in table
    assert re.search(r"\| SAC \| −[\d.]+ ± [\d.]+ \| – \| – \| – \|", table)
    assert "Nothing to be done" in done.snakemake("-n", "online").stdout


@pytest.mark.slow
def test_a_run_goes_on_from_its_training_offline(done):
    folder = done.folder / "results/online/runs/Pendulum-v1/mbdpo-after/seed_5"
    assert (folder / "offline/policy-5.safetensors").exists()
    record = (folder / "run.json").read_text()
    assert re.search(r'"seed_steps": 0\b', record)
    assert re.search(r'"start": "[0-9a-f]{64}"', record)
    assert re.search(r'"data": "[0-9a-f]{64}"', record)


@pytest.mark.slow
def test_a_finished_study_becomes_a_reference_and_is_redrawn_to_the_byte(done):
    adopt = ["python", "workflow/scripts/adopt_reference.py", "config/online.yaml"]
    assert "commit config/online.yaml first" in done.run(*adopt).stdout
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    assert done.run("git", *identity, "commit", "--quiet", "--all", "--message", "tiny").returncode == 0
    shutil.rmtree(done.folder / "results/reference")
    result = done.run(*adopt)
    assert result.returncode == 0, result.stdout
    record = json.loads((done.folder / "results/reference/online/provenance.json").read_text())
    assert set(record["tables"]) == {"online.csv", "record.json"}
    assert record["minutes"] > 0
    result = done.snakemake("reference", "--cores", "1")
    assert result.returncode == 0, result.stdout[-5000:]
    for file in ("figures/online/online.png", "paper_tables/online/online.tex"):
        folder, *rest = file.split("/")
        copy = done.folder / folder / "reference" / "/".join(rest)
        assert copy.read_bytes() == (done.folder / file).read_bytes()
