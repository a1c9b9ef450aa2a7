"""A finished study becomes a reference, or a record beside one; the rest is in test_smoke.py."""

import dataclasses
import json
import sys

import pytest

from gtp.errors import UserError
from gtp.report.provenance import Provenance, read_provenance
from workflow.scripts import adopt_reference
from workflow.scripts.adopt_reference import keep_beside, replace_reference

RECORD = Provenance(
    study="quick",
    commit="1" * 40,
    date="2026-11-28",
    minutes=51.2,
    machine="2 CPUs (AVX2)",
    python="3.11.7",
    tables={"study.json": "0" * 64, "scores.csv": "1" * 64},
)
OTHER = dataclasses.replace(
    RECORD,
    date="2026-11-29",
    machine="2 CPUs (AVX-512)",
    tables={"study.json": "0" * 64, "scores.csv": "2" * 64},
)


@pytest.fixture
def reference(tmp_path):
    """A folder with a reference of one table."""
    table = tmp_path / "results/scores.csv"
    table.parent.mkdir()
    table.write_text("a\n1\n")
    replace_reference(tmp_path / "reference", [table], RECORD)
    return tmp_path / "reference"


def test_another_machine_leaves_its_record_and_the_reference_as_it_is(reference, capsys):
    before = {path: path.read_bytes() for path in reference.rglob("*.*")}
    keep_beside(reference, OTHER)
    path = reference / "elsewhere/2026-11-29.json"
    assert read_provenance(path) == OTHER
    assert capsys.readouterr().out.splitlines()[-1] == f"{path} has the digests of what 2 CPUs (AVX-512) made"
    assert {path: path.read_bytes() for path in before} == before


def test_a_record_of_another_study_is_refused(reference):
    other = dataclasses.replace(OTHER, tables={"study.json": "3" * 64})
    with pytest.raises(UserError, match="is of another study than quick here: adopt a reference first"):
        keep_beside(reference, other)
    assert not (reference / "elsewhere").exists()


def test_without_a_reference_there_is_nothing_to_stand_beside(tmp_path):
    with pytest.raises(UserError, match=r"provenance\.json"):
        keep_beside(tmp_path, OTHER)


def test_a_new_reference_forgets_other_machines(reference, tmp_path):
    keep_beside(reference, OTHER)
    replace_reference(reference, [tmp_path / "results/scores.csv"], RECORD)
    assert sorted(path.name for path in reference.iterdir()) == ["provenance.json", "scores.csv"]
    assert json.loads((reference / "provenance.json").read_text())["date"] == "2026-11-28"


def test_a_study_beside_others_has_no_other_machines(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["adopt_reference.py", "config/online.yaml", "--elsewhere"])
    with pytest.raises(SystemExit) as caught:
        adopt_reference.main()
    assert caught.value.code == 2
    assert "--elsewhere is for studies of a workflow" in capsys.readouterr().err
