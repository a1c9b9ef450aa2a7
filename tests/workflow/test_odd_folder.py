"""A checkout in a folder with a space and an umlaut: prepared, trained and evaluated like any other."""

import csv

import pytest

from .conftest import Checkout, copy_checkout

RUN = "results/smoke/runs/pointmaze-umaze/gaussian_bc/seeds_0-1"


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Checkout:
    return copy_checkout(tmp_path_factory.mktemp("odd") / "mein Häuschen $HOME")


@pytest.mark.slow
def test_workflow_runs_in_a_folder_with_a_space_and_an_umlaut(odd):
    options = ["--configfile", "config/smoke.yaml", "--config", "execution={compile: auto}"]
    result = odd.snakemake(f"{RUN}/scores.csv", "--cores", "1", *options)
    assert result.returncode == 0, result.stdout[-5000:]
    assert "compiling, which may take a minute" in result.stdout
    with open(odd.folder / RUN / "scores.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok"] * 4
    assert {path.name for path in odd.folder.parent.iterdir()} == {odd.folder.name}
    logs = {path.relative_to(odd.folder / "logs").as_posix() for path in odd.folder.rglob("logs/**/*.log")}
    assert f"smoke/train/{RUN.removeprefix('results/smoke/runs/')}.log" in logs
