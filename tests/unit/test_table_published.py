"""What others have published: the committed cells, and the table of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.studies.methods import load_methods
from workflow.scripts.table_published import published_table, read_published

from .results_fixtures import D4RL_TASKS
from .table_fixtures import make_study, method, row_of, task

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "workflow/published"


@pytest.fixture(scope="module")
def published() -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_published(PUBLISHED / "scores.csv", []), read_published(PUBLISHED / "sources.csv", [])


# Looked up one by one, and not by the program that wrote the file.
KNOWN = {
    ("hopper-medium-expert", "GTP", "gtp_table_2"): ("112.2", "0.6"),
    ("antmaze-large-play", "GTP", "gtp_table_2"): ("53.5", "2.2"),
    ("hopper-medium-expert", "GTP, ODE solver of at most 3 steps", "gtp_table_3"): ("99.7", "1.7"),
    ("hopper-medium-expert", "GTP-BC and linear Q-term, λ = 0.1", "gtp_table_3"): ("", ""),
    ("hopper-medium", "D-QL", "gtp_table_2"): ("90.5", ""),
    ("hopper-medium", "Diffusion-QL", "flowrl_table_2"): ("80.4", "15.7"),
    ("antmaze-large-diverse", "Diffusion-QL", "diffcps_table_1"): ("57.3", ""),
    ("antmaze-medium-diverse", "C-AC", "fql_table_3"): ("0", "1"),
    ("antmaze-umaze-diverse", "C-AC", "gtp_table_2"): ("77.6", ""),
    ("antmaze-large-diverse", "FQL", "fql_table_3"): ("83", "4"),
    ("walker2d-medium-replay", "FQL", "gtp_poster"): ("38.8", ""),
    ("hopper-medium-replay", "BC", "corl_last"): ("29.81", "2.07"),
    ("hopper-medium-replay", "BC", "corl_best"): ("68.88", "10.33"),
    ("antmaze-large-diverse", "GMPO, GVP", "generativerl"): ("69.4", "15.2"),
    ("hopper-medium", "GMPG, VP-SDE", "generativerl"): ("101.1", "2.6"),
    ("walker2d-medium-expert", "GMPO, I-CFM", "generativerl"): ("110.3", "0.7"),
}
# Averages that differ from the mean of the printed cells by more than rounding.
INEXACT = {
    ("locomotion", "D-BC", "gtp_table_1"),
    ("locomotion", "Diffusion-QL", "generativerl"),
    ("antmaze", "GMPO, GVP", "generativerl"),
    ("locomotion", "GMPG, VP-SDE", "generativerl"),
}


def test_published_cells_are_those_of_their_sources(published):
    cells = {
        (row.task, row.printed, row.source): (row.score, row.spread) for row in published[0].itertuples()
    }
    assert {key: cells[key] for key in KNOWN} == KNOWN


def test_no_published_cell_stands_twice_and_all_name_a_source(published):
    scores, sources = published
    assert not scores.duplicated(["suite", "task", "printed", "source"]).any()
    assert set(scores["source"]) == set(sources["source"])
    assert not sources["source"].duplicated().any()
    assert (sources[["label", "reference", "protocol"]] != "").all(axis=None)
    assert (scores.loc[scores["score"] == "", "note"] == "diverged").all()
    for column in ("score", "spread"):
        assert np.isfinite(pd.to_numeric(scores.loc[scores[column] != "", column])).all()


def test_published_scores_are_of_the_fifteen_tasks_and_of_methods_that_exist(published):
    scores, _ = published
    assert set(scores["method"]) <= set(load_methods(ROOT / "config/methods.yaml"))
    assert set(scores["task"]) == {*D4RL_TASKS, "average"}
    suites = {task: "antmaze" if "antmaze" in task else "locomotion" for task in D4RL_TASKS}
    assert all(row.suite == suites.get(row.task, row.suite) for row in scores.itertuples())
    unversioned = scores["dataset"].str.removesuffix("-v2").str.removesuffix("-v0")
    assert (unversioned == scores["task"].where(scores["task"] != "average", "")).all()


def test_published_averages_are_those_of_their_cells(published):
    scores = published[0]
    scores = scores[scores["score"] != ""].assign(score=lambda rows: rows["score"].astype(float))
    checked, inexact = 0, set()
    for key, rows in scores.groupby(["suite", "printed", "source"]):
        cells, average = rows[rows["task"] != "average"], rows.loc[rows["task"] == "average", "score"]
        if len(cells) == {"locomotion": 9, "antmaze": 6}[key[0]] and len(average):
            checked += 1
            if abs(cells["score"].mean() - average.iloc[0]) > 0.06:
                inexact.add(key)
    assert checked > 30
    assert inexact == INEXACT


def test_published_table_has_rows_by_source_and_no_score_of_ours(published):
    methods = (
        method("gtp", "GTP"),
        method("gtp-linear_q", "GTP, linear", parent="gtp"),
        method("consistency_ac", "Consistency-AC"),
    )
    study = make_study(tasks=(task("hopper-medium-expert", "locomotion"), task("near")), methods=methods)
    table, numbers = published_table(*published, study, "scores.csv")
    assert table.headings == ("Method: source", "Hopper-medium-expert")
    assert {row.label: row.cells[0].text for row in table.rows if row.cells} == {
        "GTP: GTP paper, Table 2": "112.2 ± 0.6",
        "GTP: GTP paper, Table 3": "112.2 ± 0.6",
        "GTP-BC and linear Q-term, λ = 0.01: GTP paper, Table 3": "111.4 ± 0.9",
        "GTP-BC and linear Q-term, λ = 0.1: GTP paper, Table 3": "diverged",
        "GTP-BC and linear Q-term, λ = 1.0: GTP paper, Table 3": "diverged",
        "C-AC: GTP paper, Table 2": "100.4",
    }
    assert [row.label for row in table.rows if not row.cells] == ["GTP", "GTP, linear", "Consistency-AC"]
    assert "None was made here" in table.caption
    assert "arXiv 2510.11499" in table.caption
    assert "CORL" not in table.caption  # a source of none of these
    assert numbers["reference"].str.contains("Generative Trajectory Policies").all()
    with pytest.raises(UserError, match="scores.csv"):
        published_table(*published, make_study(), "scores.csv")


def test_published_averages_stand_beside_all_tasks_of_a_suite_only(published):
    tasks = tuple(task(name, "locomotion" if "maze" not in name else "antmaze") for name in D4RL_TASKS)
    methods = (method("iql", "IQL"), method("fql", "FQL"))
    whole, _ = published_table(*published, make_study(tasks=tasks, methods=methods), "scores.csv")
    assert whole.blocks == (10, 7)
    assert whole.headings.count("Average") == 2
    assert row_of(whole, "IQL: CORL, last").cells[9].text == "81.63"
    # Flow Q-Learning's table has no locomotion; its row is in the second part alone.
    locomotion, antmaze = ([row.label for row in rows] for _, rows in whole.parts())
    assert "FQL: FQL paper, Table 3" not in locomotion
    assert "FQL: FQL paper, Table 3" in antmaze
    part, _ = published_table(*published, make_study(tasks=tasks[1:], methods=methods), "scores.csv")
    assert part.headings.count("Average") == 1
