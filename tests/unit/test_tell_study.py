"""What `make reproduce` prints at its end, and the verbs `gtp claims` and `gtp compare`."""

import shutil
from pathlib import Path

import pytest

from gtp.cli.claims import claims, compare
from gtp.errors import UserError
from workflow.scripts.tell_study import table_text, tell

from .results_fixtures import write_study

LEDGER = Path(__file__).parents[2] / "workflow/claims.yaml"
PAGE = """A caption.

| Method (acting) | U-Maze |
| --- | ---: |
| *rl* |  |
| GTP (one sample) | **93.1 ± 2.0 (3)** |
| gtp\\_x (one sample) | −4.0 |
"""


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Path:
    """A folder with a finished study, its printed table, its reference and the ledger."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "results/study", tasks={"pointmaze-umaze": "U-Maze"}, episodes=5)
    shutil.copytree("results/study", "results/reference/study")
    Path("paper_tables/study").mkdir(parents=True)
    Path("paper_tables/study/main.md").write_text(PAGE, encoding="utf-8")
    Path("workflow").mkdir()
    shutil.copy(LEDGER, "workflow/claims.yaml")
    return Path("results/study")


def test_a_page_becomes_aligned_columns(finished):
    assert list(table_text(Path("paper_tables/study/main.md"))) == [
        f"{'Method (acting)':18}  {'U-Maze':>14}",
        "*rl*",
        f"{'GTP (one sample)':18}  93.1 ± 2.0 (3)",
        f"{'gtp_x (one sample)':18}  {'−4.0':>14}",
    ]


def test_the_end_of_a_study_says_what_came_out_and_where_it_lies(finished):
    text = "\n".join(tell(finished))
    assert text.startswith("paper_tables/study/main.md:\nMethod (acting)")
    assert "Value guidance matters (gtp-guidance)" in text
    assert "gtp-perfect_antmaze" not in text  # which a study without AntMaze cannot test
    assert "results/study repeats results/reference/study to the byte" in text
    assert "Figures: figures/study/. Tables for print: paper_tables/study/." in text
    assert "on one page" not in text
    Path("report/study").mkdir(parents=True)
    Path("report/study/index.html").touch()
    assert "All of it on one page: report/study/index.html." in tell(finished)
    assert (
        text.index("main.md")
        < text.index("gtp-guidance")
        < text.index("to the byte")
        < text.index("Figures:")
    )


def test_a_study_without_a_reference_or_tables(finished):
    shutil.rmtree("results/reference")
    assert "results/reference" not in "\n".join(tell(finished))
    shutil.rmtree("paper_tables")
    with pytest.raises(UserError, match="there is no table in paper_tables/study; run snakemake first"):
        list(tell(finished))
    with pytest.raises(UserError, match="neither study.json nor record.json; name a folder such as"):
        list(tell(Path("results/other")))


def test_the_verb_prints_the_ledger_or_one_claim_with_its_rows(finished, capsys):
    claims(study=finished)
    ledger = capsys.readouterr().out
    assert "(gtp-guidance): " in ledger
    claims(study=finished, claim="gtp-guidance")
    rows = capsys.readouterr().out
    assert "results/study/scores.csv" in rows
    assert "gtp-no_guidance" in rows
    with pytest.raises(UserError, match="there is no claim 'gtp-guidence'; did you mean 'gtp-guidance'"):
        claims(study=finished, claim="gtp-guidence")
    with pytest.raises(UserError, match="cannot be read"):
        claims(study=finished, ledger=Path("none.yaml"))


def test_the_verb_compares_with_the_reference_of_the_same_name(finished, capsys):
    compare(study=finished)
    assert "to the byte" in capsys.readouterr().out
    with pytest.raises(UserError, match="results/none has no tables of a study; run the study first"):
        compare(study=Path("results/none"), reference=finished)
    shutil.rmtree("results/reference")
    with pytest.raises(
        UserError, match="results/reference/study has no tables of a study; name another with"
    ):
        compare(study=finished)
