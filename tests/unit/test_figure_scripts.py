"""The scripts of the figures, as the workflow runs them: the same bytes each time, one line on errors."""

import os
import re
import runpy
import zlib
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
INPUTS = {
    "learning_curves": ["curves", "scores"],
    "nfe": ["scores"],
    "speed": ["scores", "cost"],
    "budget": ["curves"],
    "support": ["support"],
    "profiles": ["scores"],
    "seeds": ["scores"],
    "trajectories": ["trajectories"],
    "dataset_returns": ["episodes"],
    "coverage": ["coverage", "mazes"],
    "rollouts": ["scores", "rollouts", "mazes"],
}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Files here need not survive a power cut, which takes long to ensure on a busy disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def run_script(name: str, results: Path, output: Path) -> list[bytes]:
    """Run a figure's script as Snakemake does; the bytes of its PDF, PNG and SVG."""
    files = {table: str(results / f"{table}.csv") for table in INPUTS[name]}
    paths = [str(output / f"{name}.{kind}") for kind in ("pdf", "png", "svg")]
    fake = SimpleNamespace(
        input=SimpleNamespace(study=str(results / "study.json"), more=[], **files),
        output=paths,
        params=SimpleNamespace(over="tasks"),
    )
    runpy.run_path(str(SCRIPTS / f"figure_{name}.py"), {"snakemake": fake}, "__main__")
    return [Path(path).read_bytes() for path in paths]


@pytest.mark.parametrize("name", INPUTS)
def test_the_same_tables_give_the_same_bytes(name: str, results: Path, tmp_path: Path):
    first = run_script(name, results, tmp_path)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        assert run_script(name, results, tmp_path) == first  # whatever the user's own settings
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
    for forbidden in (b"CreationDate", b"/Type3", b"matplotlib"):
        assert forbidden not in pdf_text(first[0])
    assert b"/FontFile2" in pdf_text(first[0])  # TrueType, embedded
    assert b"tEXt" not in first[1]  # no version, no date
    assert b"<svg" in first[2]
    assert b"dc:date" not in first[2]


def pdf_text(data: bytes) -> bytes:
    """A PDF with its compressed streams, which may hold font descriptors, unpacked."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    unpacked = []
    for stream in streams:
        try:
            unpacked.append(zlib.decompress(stream))
        except zlib.error:  # not compressed
            unpacked.append(stream)
    outside = re.sub(rb"stream\r?\n.*?\r?\nendstream", b"", data, flags=re.DOTALL)
    return outside + b"".join(part for part in unpacked if b"/Type" in part)


@pytest.mark.parametrize("name", INPUTS)
def test_a_missing_table_is_one_line(name: str, results: Path, tmp_path: Path):
    (tmp_path / "study.json").write_text((results / "study.json").read_text())
    with pytest.raises(SystemExit) as error:
        run_script(name, tmp_path, tmp_path)
    message = str(error.value)
    assert message.startswith("error: ")
    assert f"{INPUTS[name][0]}.csv" in message
    assert "\n" not in message
    assert not list(tmp_path.glob("*.p*"))
