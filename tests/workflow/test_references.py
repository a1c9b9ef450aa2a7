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


def test_every_reference_has_the_figures_and_tables_of_its_study(references):
    result = references.snakemake("reference", "-n")
    assert result.returncode == 0, result.stdout
    jobs = dict(re.findall(r"^((?:figure|table)_\w+)\s+(\d+)$", result.stdout, re.MULTILINE))
    both = (
        "figure_learning_curves",
        "figure_nfe",
        "figure_speed",
        "figure_profiles",
        "figure_flow_map",
        "figure_returns",
        "table_main",
        "table_aggregates",
        "table_cost",
        "table_published",
    )
    assert jobs == dict.fromkeys(both, "2") | {
        "figure_coverage": "1",
        "figure_rollouts": "1",
        "table_ablations": "1",
        "table_cloning": "1",
    }
    assert "collect_" not in result.stdout


def test_a_figure_of_a_reference_is_drawn_from_its_folder(references):
    files = ["figures/reference/robots/returns.pdf", "figures/reference/mixed/coverage.png"]
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
