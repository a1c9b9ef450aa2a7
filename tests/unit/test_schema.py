"""One declaration of each table: what is written is what is collected and read."""

import csv
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from gtp.errors import UserError
from gtp.report.record import StudyRecord
from gtp.report.results import read_results, read_study
from gtp.schema import (
    NUMBER,
    OPTIONAL,
    OPTIONAL_WHOLE,
    TABLES,
    TEXT,
    WHOLE,
    Episode,
    Reference,
    column_kinds,
    write_rows,
)
from gtp.studies import load_plan, read_mapping
from gtp.training.loop import measurements
from workflow.scripts.collect_table import collect

ROOT = Path(__file__).parents[2]
SCORES = [
    Episode(0, 20, 5, "sample", 0, 1234567.8, 61.25, None, 300, "ok"),
    Episode(1, 20, 5, "sample", -1, None, None, None, None, "diverged@13"),
]


def collected(tmp_path: Path, table: str) -> Path:
    """SCORES as a run writes them, then collected as a table."""
    write_rows(tmp_path / "run.csv", Episode, SCORES)
    labels = {"study": "s", "suite": "maze", "task": "t", "method": "m"}
    collect([(tmp_path / "run.csv", labels)], list(TABLES[table].columns), tmp_path / "table.csv")
    return tmp_path / "table.csv"


@pytest.mark.parametrize("table", ["scores", "curves"])
def test_what_a_run_writes_is_collected_and_read(tmp_path, table):
    frame = read_results(collected(tmp_path, table), table)
    assert list(frame) == list(TABLES[table].columns)
    assert frame["seed"].tolist() == [0, 1]
    assert frame["return"].tolist()[0] == 1234570.0  # six significant digits
    assert frame["normalized_score"].isna().tolist() == [False, True]
    assert frame["status"].tolist() == ["ok", "diverged@13"]
    assert ("step" in frame) == (table == "curves")


def test_columns_say_what_they_contain():
    kinds = TABLES["scores"].columns
    assert (kinds["task"], kinds["acting"], kinds["seed"]) == (TEXT, TEXT, WHOLE)
    assert (kinds["return"], kinds["success"]) == (OPTIONAL, OPTIONAL_WHOLE)
    assert column_kinds(Reference)["success"] == OPTIONAL
    assert TABLES["reference_returns"].columns["mean"] == NUMBER


def test_a_file_without_a_column_is_refused_when_it_is_collected(tmp_path):
    (tmp_path / "old.csv").write_text("seed,step\n0,1\n")
    with pytest.raises(UserError, match=r"old\.csv lacks the column acting"):
        collect([(tmp_path / "old.csv", {"study": "s"})], ["study", "seed", "acting"], tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_training_writes_the_columns_of_its_table(tmp_path):
    log = [[5, 1.25, ["loss"], [[0.5, 1234567.8]]]]
    write_rows(tmp_path / "t.csv", TABLES["training"].row, measurements(log, (0, 1)))
    rows = list(csv.reader((tmp_path / "t.csv").open()))
    assert rows[0] == ["step", "seed", "quantity", "value"]
    assert rows[1:3] == [["5", "0", "seconds", "1.25"], ["5", "0", "loss", "0.5"]]
    assert rows[4] == ["5", "1", "loss", "1.23457e+06"]


def test_the_record_of_a_study_is_read_as_it_was_written(tmp_path):
    files = [ROOT / f"config/{name}.yaml" for name in ("methods", "tasks", "trials")]
    for study in ("smoke", "tuning"):
        plan = load_plan(read_mapping(ROOT / f"config/{study}.yaml"), *files)
        record = plan.record(plan.study.methods)
        assert isinstance(record, StudyRecord)
        (tmp_path / "study.json").write_text(json.dumps(asdict(record)))
        assert read_study(tmp_path / "study.json") == record


def test_writing_needs_neither_pandas_nor_matplotlib():
    code = "import sys; sys.path.insert(0, '.'); import gtp.schema; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert not {"pandas", "matplotlib", "gymnasium"} & set(result.stdout.split())
