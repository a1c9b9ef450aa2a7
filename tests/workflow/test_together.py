"""Several calls of snakemake at once in one checkout: each ends right, or says who holds the lock."""

import subprocess
import sys

import pytest

from gtp.data.transitions import load_transitions

SMOKE = ["--configfile", "config/smoke.yaml"]
DATA = "results/smoke/data/pointmaze-umaze/transitions.safetensors"
pytestmark = pytest.mark.slow


def at_once(checkout, calls: list[list[str]]) -> list[tuple[int, str]]:
    """Status and output of calls of snakemake that are started together."""
    environment = checkout.environment()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", *call],
            cwd=checkout.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for call in calls
    ]
    said = [process.communicate()[0] for process in started]
    return list(zip([process.returncode for process in started], said, strict=True))


@pytest.mark.parametrize("count", [2, 8])
def test_one_study_at_once(checkout, count):
    (checkout.folder / DATA).unlink(missing_ok=True)
    ended = at_once(checkout, [[DATA, *SMOKE]] * count)
    for status, said in ended:
        assert "Traceback" not in said
        assert status == 0 or "Directory cannot be locked" in said
    assert 0 in {status for status, _ in ended}
    assert len(load_transitions(checkout.folder / DATA)) > 0
    result = checkout.snakemake(DATA, *SMOKE, "--cores", "1")
    assert "Nothing to be done" in result.stdout


def test_two_studies_run_side_by_side_once_their_data_are_there(checkout):
    studies = {"smoke": SMOKE, "other": [*SMOKE, "--config", "study=other"]}
    runs = {name: f"results/{name}/runs/pointmaze-umaze/gaussian_bc/seeds_0-1/run.json" for name in studies}
    for name, study in studies.items():
        data = DATA.replace("smoke", name)
        assert checkout.snakemake(data, *study, "--cores", "1").returncode == 0
    for status, said in at_once(checkout, [[runs[name], *study] for name, study in studies.items()]):
        assert status == 0, said
    assert all((checkout.folder / run).exists() for run in runs.values())
