"""Committed references of several studies: each is drawn as far as it goes, from its own folder alone."""

import json
import re
import shutil

import pytest

from tests.unit.results_fixtures import LOCOMOTION_TASKS, MAZE_TASKS, write_study


@pytest.fixture(scope="module")
def references(checkout):
    """The copy of the repository with two references: one of robots, one of robots and mazes."""
    shutil.rmtree(checkout.folder / "results/reference")
    for name, tasks in {"robots": LOCOMOTION_TASKS, "mixed": MAZE_TASKS | LOCOMOTION_TASKS}.items():
        # Without its ablations, or methods that clone, a study has no table of them.
        methods = 1 if name == "robots" else 4
        folder = checkout.folder / "results/reference" / name
        write_study(folder, tasks=tasks, methods=methods, seeds=2, episodes=2)
    return checkout


def planned(references) -> dict[str, int]:
    """Figure or table -> how many references it is drawn for."""
    result = references.snakemake("reference", "-n")
    assert result.returncode == 0, result.stdout
    assert "collect_" not in result.stdout
    jobs = re.findall(r"^((?:figure|table)_\w+)\s+(\d+)$", result.stdout, re.MULTILINE)
    return {name: int(count) for name, count in jobs}


def test_every_reference_has_the_figures_and_tables_of_its_study(references):
    jobs = planned(references)
    assert (jobs["figure_dataset_returns"], jobs["table_main"]) == (2, 2)
    assert (jobs["figure_coverage"], jobs["table_ablations"], jobs["table_cloning"]) == (1, 1, 1)
    assert "figure_trials" not in jobs


def test_a_reference_without_a_table_is_drawn_as_far_as_the_others_go(references):
    before = planned(references)
    table = references.folder / "results/reference/robots/cost.csv"
    table.rename(table.with_suffix(".gone"))
    after = planned(references)
    table.with_suffix(".gone").rename(table)
    assert after == before | {"figure_speed": 1, "table_cost": 1}


def test_a_figure_of_a_reference_is_drawn_from_its_folder(references):
    files = ["figures/reference/robots/dataset_returns.pdf", "figures/reference/mixed/coverage.png"]
    result = references.snakemake(*files, "--cores", "1")
    assert result.returncode == 0, result.stdout[-5000:]
    assert (references.folder / files[0]).read_bytes().startswith(b"%PDF")
    assert (references.folder / files[1]).read_bytes().startswith(b"\x89PNG")


def test_a_damaged_reference_stops_nothing_but_its_redrawing(references):
    path = references.folder / "results/reference/robots/study.json"
    before = path.read_text()
    record = json.loads(before)
    record["tasks"][0]["source"] = "d4rl"  # the others of its suite are generated
    path.write_text(json.dumps(record))
    result, other = references.snakemake("reference", "-n"), references.snakemake("figures", "-n")
    path.write_text(before)
    assert result.returncode != 0
    lines = [line for line in result.stdout.splitlines() if "error:" in line]
    assert lines
    assert "share the suite locomotion but not the source of their data" in lines[0]
    assert "Traceback" not in result.stdout
    assert other.returncode == 0, other.stdout
