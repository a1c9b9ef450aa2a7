"""workflow/claims.yaml: it is checked, names what is there, and computes on every committed reference."""

import re
from pathlib import Path

import pytest
import yaml

from gtp.errors import UserError
from gtp.report.ledger.claims import Verdict, best_study, judge_all
from gtp.report.ledger.evidence import evidence_lines
from gtp.report.ledger.printed import claims_over_studies, claims_table, verdict_lines
from gtp.report.ledger.results import RECORDS, read_folder
from gtp.report.results import read_results
from gtp.report.tables import latex, markdown, write_table
from gtp.studies.claims import load_claims

ROOT = Path(__file__).parents[2]
FILE = ROOT / "workflow/claims.yaml"
REFERENCES = sorted(
    {path.parent for name in RECORDS for path in (ROOT / "results/reference").glob(f"*/{name}")}
)
ENTRY = {
    "paper": "GTP",
    "title": "Guidance",
    "claim": "Guidance matters.",
    "source": "Table 2",
    "why": "half of it",
    "measure": {"score_difference": {"method": "gtp", "minus": ["iql"]}},
    "rule": {"at_least": 5},
}


@pytest.fixture(scope="module")
def claims():
    return load_claims(FILE)


@pytest.fixture(scope="module")
def studies():
    return {folder.name: read_folder(folder) for folder in REFERENCES}


@pytest.fixture(scope="module")
def everywhere(claims, studies):
    return {name: judge_all(claims, results) for name, results in studies.items()}


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())


def test_claims_name_methods_and_studies_that_there_are(claims):
    known = set(read("methods"))
    for claim in claims.values():
        # Without a study it waits for a method that is to come.
        assert not claim.studies or set(claim.measure.methods()) <= known, claim.id
        for study in claim.studies:
            configuration = read(study)
            methods = configuration["methods"]
            if methods == "trials":
                methods = read("trials")
            assert set(claim.measure.methods()) <= set(methods), f"{claim.id}: {study} lacks a method"


def test_every_claim_says_where_it_is_made_and_where_its_line_comes_from(claims):
    for claim in claims.values():
        for text in (claim.title, claim.claim, claim.source, claim.why):
            assert text.strip() == text
            assert text
        assert len(claim.title) <= 48
        assert claim.claim.endswith(".")
        assert len(claim.measure.in_words()) < 250


def test_every_claim_computes_on_every_committed_reference(claims, everywhere):
    assert {"quick", "rivals", "tuning", "online"} <= set(everywhere)
    for findings in everywhere.values():
        assert [finding.claim.id for finding in findings] == list(claims)
        for finding in findings:
            assert finding.reason
            if finding.verdict in (Verdict.HOLDS, Verdict.FAILS):
                assert finding.estimate.low < finding.estimate.high


def test_a_study_that_a_claim_names_can_test_it(claims, everywhere):
    """Where its reference is committed; seeds may be too few."""
    for name, findings in everywhere.items():
        for finding in findings:
            if name in finding.claim.studies:
                assert finding.deciding is not None, f"{name}: {finding.claim.id}: {finding.reason}"


def test_claims_that_quick_decides(everywhere):
    """What was found when the ledger began; the tables behind it are committed."""
    verdicts = {finding.claim.id: finding.verdict for finding in everywhere["quick"]}
    assert verdicts["gtp-guidance"] == "holds"
    assert verdicts["gtp-consistency_k5"] == "does not hold"
    assert verdicts["gtp-above_earlier"] == "undecided"
    assert verdicts["gtp-perfect_antmaze"] == "cannot be tested"


def test_the_table_and_its_rows_say_the_same(claims, studies, everywhere, tmp_path):
    table, numbers = claims_table(everywhere["quick"], studies["quick"])
    paths = {ending: tmp_path / f"claims.{ending}" for ending in ("md", "tex", "csv")}
    write_table(table, numbers, **paths)
    back = read_results(paths["csv"], "claims")
    assert back["claim"].tolist() == list(claims)
    guided = back.set_index("claim").loc["gtp-guidance"]
    assert (guided["verdict"], guided["replicates"], guided["nfe"]) == ("holds", 3.0, "5")
    assert guided["low"] > guided["line"]
    page = paths["md"].read_text()
    assert f"+{guided['estimate']:.1f} [{guided['low']:.1f}, {guided['high']:.1f}]" in page
    assert page.count("| Value guidance matters |") == 2  # verdict and what it rests on, in two parts
    assert not set(latex(table)) & set("±−†–×")


def test_one_table_has_each_claim_with_the_study_that_tests_it_best(claims, studies, everywhere):
    chosen = [best_study(findings) for findings in zip(*everywhere.values(), strict=True)]
    table, numbers = claims_over_studies(chosen, list(everywhere.values()), studies)
    by_claim = numbers.set_index("claim")
    assert by_claim.loc["gtp-above_earlier", "study"] == "rivals"  # which has all five
    assert by_claim.loc["mbdpo-online_gain", "study"] == "online"
    assert "quick: undecided" in markdown(table)
    assert len(numbers) == len(claims)


def test_the_ledger_as_text_has_a_line_for_each_claim_and_their_number(claims, everywhere):
    lines = verdict_lines(everywhere["quick"])
    assert sum(f"({name})" in line for name in claims for line in lines) == len(claims)
    counts = [int(count) for count in re.findall(r"(\d+) (?=holds|does|undecided|cannot)", lines[-1])]
    assert sum(counts) == len(claims)
    assert lines[-1].startswith(f"{len(claims)} claims: ")
    tested = verdict_lines(everywhere["quick"], tested=True)
    assert tested[-1] == lines[-1]
    untested = [finding for finding in everywhere["quick"] if finding.verdict is Verdict.UNTESTED]
    assert sum("(" in line for line in tested) == len(claims) - len(untested)


@pytest.mark.parametrize("name", ["quick", "rivals", "online"])
def test_every_verdict_can_be_traced_to_rows(studies, everywhere, name):
    for finding in everywhere[name]:
        lines = evidence_lines(finding, studies[name])
        assert lines[0].startswith(f"{finding.claim.title} ({finding.claim.id})")
        shown = sum(str(folder) in line for folder in studies[name].files.values() for line in lines)
        assert shown == len(finding.tested)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": {"at_least": 5, "within": 2}}, "a.rule: Value error, a rule has one of|rule has one of"),
        ({"measure": {"score_diference": {}}}, "unknown measure 'score_diference'; did you mean"),
        ({"measure": {}}, "a.measure: name one measure, got 0"),
        ({"measure": {"score_difference": {"method": "gtp"}}}, "a.measure.score_difference.minus is missing"),
        ({"measure": {"score_difference": {"method": "gtp", "minus": ["iql"], "k": 5}}}, "k: unknown key"),
        ({"titel": "x"}, "a.titel: unknown key; did you mean 'title'"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(tmp_path, changes, message):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"a": ENTRY | changes}))
    with pytest.raises(UserError, match=message) as caught:
        load_claims(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_an_entry_is_read_whole(tmp_path):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"a": ENTRY}))
    claim = load_claims(file)["a"]
    assert (claim.id, claim.measure.minus, claim.rule.at_least) == ("a", ("iql",), 5.0)
