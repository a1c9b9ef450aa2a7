"""What a cluster needs of the workflow and of profiles/slurm, without a Slurm; tests/cluster starts one."""

import os
import re
import stat
from pathlib import Path

import pytest

from .conftest import ROOT, Checkout

SLURM = ("--workflow-profile", "profiles/slurm", "--configfile", "config/smoke.yaml")
JOBS = [
    block
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for block in re.split(r"(?m)^(?= *(?:rule\b|use rule))", path.read_text())
    if "shell:" in block and "localrule: True" not in block
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: " ".join(job.split()[:4]))
def test_every_job_says_how_much_memory_and_time_it_wants(job: str):
    assert re.search(r"mem_mb=\d+", job)
    assert re.search(r'runtime="\d+[mh]"', job)


def test_the_profile_has_no_option_that_snakemake_does_not_know(checkout: Checkout):
    run = checkout.snakemake("-n", "--quiet", "rules", *SLURM)
    assert run.returncode == 0, run.stdout
    assert "train_pointmaze" in run.stdout


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """Commands of Slurm that print what files of their names ending in .txt hold; sbatch accepts nothing."""
    for name in ("squeue", "scontrol", "sinfo", "sacctmgr", "sshare"):
        (tmp_path / f"{name}.txt").touch()
        (tmp_path / name).write_text(f'#!/bin/sh\ncat "{tmp_path}/{name}.txt"\n')
    (tmp_path / "scontrol.txt").write_text("MaxArraySize = 1001\nMinJobAge = 300 sec\n")
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho no job is taken today >&2\nexit 1\n")
    for path in tmp_path.iterdir():
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def test_a_start_beside_jobs_of_an_earlier_one_is_refused(checkout: Checkout, slurm: Path):
    here, elsewhere = checkout.folder, checkout.folder.parent
    (slurm / "squeue.txt").write_text(f"17|{here}\n18|{elsewhere}\n19_2|{here}\n")
    run = checkout.snakemake(*SLURM, "--slurm-status-command", "squeue")
    assert run.returncode != 0
    assert "`scancel 17 19_2`" in run.stdout
    assert "no job is taken" not in run.stdout
    assert "Traceback" not in run.stdout


@pytest.mark.slow
def test_a_start_beside_jobs_of_other_folders_goes_on(checkout: Checkout, slurm: Path, monkeypatch):
    here, elsewhere = checkout.folder, checkout.folder.parent
    (slurm / "squeue.txt").write_text(f"17|{here}\n18|{elsewhere}\n")
    monkeypatch.setenv("SLURM_JOB_ID", "17")  # the head is itself a job
    run = checkout.snakemake(*SLURM, "--slurm-status-command", "squeue", "--retries", "0")
    assert "scancel" not in run.stdout
    assert "no job is taken" in run.stdout
