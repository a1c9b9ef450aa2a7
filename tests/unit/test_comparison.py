"""A study against its reference: to the byte, within intervals, or apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.report.comparison import Agreement, agreement_of, compare, comparison_lines

from .results_fixtures import write_study


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("reference") / "study", tasks={"pointmaze-umaze": "U-Maze"})


@pytest.fixture
def study(reference, tmp_path) -> Path:
    return Path(shutil.copytree(reference, tmp_path / "study"))


def change(study: Path, name: str, edit) -> None:
    table = pd.read_csv(study / f"{name}.csv", keep_default_na=False)
    edit(table)
    table.to_csv(study / f"{name}.csv", index=False)


def told(study: Path, reference: Path) -> dict:
    return {table.file: table for table in compare(study, reference).tables}


def test_a_copy_is_the_same_to_the_byte(study, reference):
    comparison = compare(study, reference)
    assert all(table.same_bytes for table in comparison.tables)
    assert comparison.verdict() == f"{study} repeats {reference} to the byte, all but what was timed."
    assert {"study.json", "scores.csv", "cost.csv"} <= {table.file for table in comparison.tables}
    assert len(comparison_lines(comparison)) == 3


def test_times_alone_do_not_keep_a_study_from_repeating(study, reference):
    def edit(table):
        mine = table["quantity"] == "seconds_per_action"
        table.loc[mine, "value"] = 2.0 * table.loc[mine, "value"].astype(float)

    change(study, "cost", edit)
    assert "an action took 2.00 times as long" in told(study, reference)["cost.csv"].note
    assert "repeats" in compare(study, reference).verdict()


def test_a_cell_within_its_interval_agrees_and_one_beyond_is_apart(study, reference):
    def edit(table):
        cell = (table["nfe"] == 5) & (table["acting"] == "sample")
        one = cell & (table["method"] == "gtp") & (table["seed"] == 0) & (table["episode"] == 0)
        table.loc[one, "normalized_score"] = 100 - table.loc[one, "normalized_score"].astype(float)
        table.loc[cell & (table["method"] == "gtp-no_guidance"), "normalized_score"] = 1.0

    change(study, "scores", edit)
    table = told(study, reference)["scores.csv"]
    assert table.counts() == {Agreement.EQUAL: len(table.cells) - 2, Agreement.WITHIN: 1, Agreement.APART: 1}
    lines = comparison_lines(compare(study, reference))
    shown = [line for line in lines if " here, " in line]
    assert len(shown) == 1
    assert shown[0].startswith("    pointmaze-umaze, gtp-no_guidance, nfe 5, sample: 1.0 ± 0.0 here, ")
    assert "differs from" in lines[-1]
    assert f"in 1 of {len(table.cells)} cells" in lines[-1]


def test_a_study_whose_cells_all_lie_within_intervals_agrees(study, reference):
    def edit(table):
        one = (
            (table["method"] == "gtp") & (table["seed"] == 0) & (table["episode"] == 0) & (table["nfe"] == 1)
        )
        table.loc[one, "normalized_score"] = 100 - table.loc[one, "normalized_score"].astype(float)

    change(study, "scores", edit)
    assert " agrees with " in compare(study, reference).verdict()


def test_another_kind_of_cpu_is_told_where_bytes_differ(study, reference, tmp_path):
    reference = Path(shutil.copytree(reference, tmp_path / "reference"))
    record = {"study": "quick", "commit": None, "date": "2026-11-28", "minutes": None, "python": "3.11.7"}
    for folder, vectors in ((study, "AVX2"), (reference, "AVX-512")):
        (folder / "provenance.json").write_text(json.dumps({**record, "machine": f"2 CPUs ({vectors})"}))
    words = "2 CPUs (AVX2) here, 2 CPUs (AVX-512) in the reference"
    assert words not in str(comparison_lines(compare(study, reference)))
    (study / "rollouts.csv").unlink()
    assert words in str(comparison_lines(compare(study, reference)))
    shutil.copyfile(study / "provenance.json", reference / "provenance.json")
    assert "in the reference" not in str(comparison_lines(compare(study, reference)))


def test_a_study_may_repeat_what_another_machine_made(study, reference, tmp_path):
    """All of the tables that differ from the reference's own must be those of the other machine."""
    reference = Path(shutil.copytree(reference, tmp_path / "reference"))
    for name in ("scores.csv", "curves.csv"):
        with open(study / name, "a") as file:
            file.write("\n")  # another byte, the same content
    digests = {name: sha256_of(study / name) for name in ("scores.csv", "curves.csv", "cost.csv")}
    record = {"study": "quick", "commit": None, "date": "2026-11-29", "minutes": None, "python": "3.11.7"}
    other = reference / "elsewhere/2026-11-29.json"
    other.parent.mkdir()
    words = f"{study} repeats to the byte what 2 CPUs (AVX-512) made on 2026-11-29"
    for tables, told in (
        (digests, True),
        (digests | {"cost.csv": "0" * 64}, True),  # times
        (digests | {"curves.csv": "0" * 64}, False),
        ({"scores.csv": digests["scores.csv"]}, False),
    ):
        other.write_text(json.dumps({**record, "machine": "2 CPUs (AVX-512)", "tables": tables}))
        verdict = compare(study, reference).verdict()
        assert verdict.startswith(words) == told
        assert f"{study} agrees with {reference}" in verdict
    shutil.copyfile(reference / "scores.csv", study / "scores.csv")
    shutil.copyfile(reference / "curves.csv", study / "curves.csv")
    assert compare(study, reference).verdict().startswith(f"{study} repeats {reference} to the byte")


def test_a_table_that_is_not_there_repeats_nothing(study, reference, tmp_path):
    reference = Path(shutil.copytree(reference, tmp_path / "reference"))
    (study / "rollouts.csv").unlink()
    (reference / "elsewhere").mkdir()
    record = {"study": "quick", "commit": None, "date": "2026-11-29", "minutes": None, "python": "3.11.7"}
    (reference / "elsewhere/one.json").write_text(json.dumps({**record, "machine": "2 CPUs (AVX-512)"}))
    assert "AVX-512" not in compare(study, reference).verdict()


def test_what_one_of_the_two_lacks_is_told(study, reference):
    change(
        study, "scores", lambda table: table.drop(table.index[table["method"] == "gaussian_bc"], inplace=True)
    )
    (study / "rollouts.csv").unlink()
    tables = told(study, reference)
    assert tables["rollouts.csv"].note == "is not there"
    assert tables["scores.csv"].counts()[Agreement.LACKING] == 1
    record = (study / "study.json").read_text().replace('"steps": 10000', '"steps": 20000')
    (study / "study.json").write_text(record)
    assert told(study, reference)["study.json"].note == "another steps"


def test_rows_of_tables_without_seeds_are_counted(study, reference):
    def edit(table):
        table.loc[:1, "x"] = 99.0

    change(study, "mazes", edit)
    rows = len(pd.read_csv(reference / "mazes.csv"))
    assert told(study, reference)["mazes.csv"].note == f"{rows - 2} of {rows} rows are the same"


@pytest.mark.parametrize(
    ("first", "second", "agreement"),
    [
        ([1.0, 2.0], [1.0, 2.0], "equal"),
        ([np.nan, 2.0], [np.nan, 2.0], "equal"),
        ([1.0, 2.0, 3.0], [1.5, 2.0, 3.5], "within intervals"),
        ([1.0, 2.0, 3.0], [11.0, 12.0, 13.0], "apart"),
        ([1.0, 1.0], [2.0, 2.0], "apart"),
        ([1.0], [2.0], "different, without an interval"),
    ],
)
def test_agreement_of_seeds(first, second, agreement):
    assert agreement_of(np.array(first), np.array(second), True) == agreement


def test_the_same_values_of_other_seeds_are_not_equal():
    assert agreement_of(np.array([1.0, 2.0]), np.array([1.0, 2.0]), False) == "within intervals"


def test_a_folder_without_a_study_is_one_line(reference, tmp_path):
    with pytest.raises(UserError, match="has no tables of a study; run the study first"):
        compare(tmp_path, reference)
    with pytest.raises(UserError, match="name another with --reference"):
        compare(reference, tmp_path)
