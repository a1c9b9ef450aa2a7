"""The page of a study: one file, from the study's own tables, the same each time."""

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from gtp.errors import UserError
from gtp.files import sha256_of
from gtp.report.ledger.claims import Verdict, judge, judge_all
from gtp.report.ledger.results import read_folder
from gtp.report.page.figures import inline_svg
from gtp.report.page.ledger import (
    WIDTH,
    at_a_glance,
    ceiling_notice,
    interval_picture,
    ledger_entries,
    task_scores,
)
from gtp.report.page.numbers import curve_tables, data_card
from gtp.report.page.tables import PageCell, read_markdown
from gtp.report.provenance import Provenance, read_provenance
from gtp.report.registry import FIGURES
from gtp.report.results import read_results
from gtp.report.statistics import Estimate
from gtp.report.tables import Cell, Row, Table, markdown
from gtp.studies.claims import load_claims

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/report-quick.html"
REFERENCE = ROOT / "results/reference/quick"


class Reader(HTMLParser):
    """What tests ask of a page: its elements with their attributes, in order, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if attributes.get(name)]


@pytest.fixture(scope="module")
def page() -> Reader:
    return Reader(PAGE.read_text(encoding="utf-8"))


# the committed page


def test_the_page_has_every_claim_with_its_verdict_of_the_table_and_its_command(page):
    rows = read_results(ROOT / "paper_tables/reference/quick/claims.csv", "claims")
    best = read_results(ROOT / "paper_tables/reference/claims.csv", "claims").set_index("claim")
    text = " ".join(page.text.split())
    for row in rows.to_dict("records"):
        assert row["title"] in text
        other = best.loc[row["claim"]]
        elsewhere = row["verdict"] == "cannot be tested" != other["verdict"]
        study = other["study"] if elsewhere else "quick"
        assert f"gtp claims --study results/reference/{study} --claim {row['claim']}" in text
    for verdict, count in rows["verdict"].value_counts().items():
        sign = {"holds": "✓", "does not hold": "✗", "undecided": "?", "cannot be tested": "–"}[verdict]
        assert f"{count}{sign} {verdict}" in text.replace(f"{count} {sign}", f"{count}{sign}")


def test_the_page_begins_with_what_was_tested_and_how_long_was_trained(page):
    assert "4,000 to 6,000 updates by task; 3 training seeds" in " ".join(page.text.split())
    assert "glance" in page.values("id")


def test_the_page_loads_nothing_and_its_links_lead_somewhere(page):
    assert {a["href"] for tag, a in page.elements if tag == "link"} == {
        "data:,"
    }  # no icon, so none is asked for
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    assert not page.values("src")
    text = PAGE.read_text(encoding="utf-8")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    names = page.values("id")
    for address in page.values("href"):
        if address.startswith("#"):
            assert address[1:] in names
        elif not address.startswith("data:"):
            assert (PAGE.parent / address).exists(), address


def test_names_are_unique_and_headings_in_order(page):
    names = page.values("id")
    assert len(set(names)) == len(names)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_and_pictures_tell_those_who_cannot_see_them(page):
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table") > 10
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")
    pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(pictures) > 8
    assert all(attributes["role"] == "img" and len(attributes["aria-label"]) > 20 for attributes in pictures)
    assert {"header", "nav", "main", "footer"} <= set(tags)
    assert all(figure.alt.endswith(".") for figure in FIGURES)


def test_the_page_is_small_enough_to_keep(page):
    assert PAGE.stat().st_size < 3_000_000


# its parts


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    rows = (
        Row("robots | *both*"),
        Row("GTP_1", (Cell("−93.2 ± 5.8 (3)", bold=True), Cell("cpu"))),
        Row("<b>", (Cell("–"), Cell("cuda"))),
        Row("mazes"),
        Row("GTP_1", (Cell("+1,204.5†"), Cell("cpu"))),
    )
    table = Table(("Method", "Score", "Device"), rows, "Scores of all methods. More.", "tab:x", blocks=(1, 1))
    path = tmp_path / "x.md"
    path.write_text(markdown(table), encoding="utf-8")
    read = read_markdown(path)
    assert (read.title, read.notes) == ("Scores of all methods.", "More.")
    first, second = read.parts
    assert first.headings == ("Method", "Score")
    assert [group.heading for group in first.groups] == ["robots | *both*", "mazes"]
    assert first.groups[0].rows == ((PageCell("GTP_1"), PageCell("−93.2 ± 5.8 (3)", bold=True)),)
    assert [row[1].key for group in first.groups for row in group.rows] == [-93.2, 1204.5]
    assert first.is_numeric(1)
    assert not second.is_numeric(1)
    assert second.groups[0].rows[1] == (PageCell("<b>"), PageCell("cuda"))


@pytest.mark.parametrize("text", ["–", "", "cpu", "K = 5", "16 × (K + 1) and 3x"])
def test_words_do_not_sort_as_numbers(text):
    assert PageCell(text).key == (16.0 if text.startswith("16") else None)


def test_a_file_without_a_table_is_one_line(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("Words.\n")
    with pytest.raises(UserError, match=r"x\.md has no table; delete it"):
        read_markdown(path)


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt"'
    ' viewBox="0 0 486 200"><metadata>x</metadata><defs><style>*{fill: red}</style><path id="a"'
    ' d="M 1.23456 2&#10;L 3 4"/></defs><use xlink:href="#a" clip-path="url(#b)"/></svg>'
)


def test_a_figure_shares_no_names_or_styles_with_the_rest_of_the_page(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text(SVG)
    svg = inline_svg(path, "nfe", 'Lines "above" others.')
    assert 'id="nfe-a"' in svg
    assert 'href="#nfe-a"' in svg
    assert 'clip-path="url(#nfe-b)"' in svg
    assert 'd="M 1.23 2 L 3 4"' in svg
    assert "style>" not in svg
    assert "metadata" not in svg
    assert 'aria-label="Lines &quot;above&quot; others."' in svg
    assert "max-width: 60.0rem" in svg


@pytest.mark.parametrize("content", ["<svg", "<a/>"])
def test_a_damaged_figure_is_one_line(tmp_path, content):
    path = tmp_path / "x.svg"
    path.write_text(content)
    with pytest.raises(UserError, match=r"x\.svg .*; delete it and run snakemake again"):
        inline_svg(path, "x", "X.")


def test_an_interval_is_drawn_to_scale_with_the_effects_that_count():
    picture = interval_picture(Estimate(2.0, 1.0, 3.0, 3), (4.0, float("inf")), "points")
    unit = (WIDTH * 0.84) / 4.0
    assert picture.nothing == pytest.approx(WIDTH * 0.08, abs=0.1)
    assert picture.mean - picture.low == pytest.approx(unit, abs=0.2)
    assert picture.counts == (picture.lines[0], WIDTH)
    assert picture.high < picture.counts[0]
    ratio = interval_picture(Estimate(2.0, 1.0, 4.0, 3), (-float("inf"), 0.5), "times")
    assert ratio.mean - ratio.low == pytest.approx(ratio.high - ratio.mean, abs=0.2)
    assert ratio.counts == (0.0, ratio.lines[0])
    assert interval_picture(Estimate(2.0, float("nan"), float("nan"), 1), (4.0, 5.0), "points") is None


def test_what_another_reference_says_stands_beside_what_cannot_be_tested():
    results = read_folder(REFERENCE)
    findings = judge_all(load_claims(ROOT / "workflow/claims.yaml"), results)
    best = read_results(ROOT / "paper_tables/reference/claims.csv", "claims")
    entries = ledger_entries(findings, results, Path("results/reference/quick"), best)
    assert sum(map(len, entries.values())) == len(findings)
    rivals = {e.finding.claim.id: e.elsewhere for e in entries[Verdict.UNTESTED]}
    assert rivals["gtp-cloning"].study == "rivals"
    assert "(97.5 %), against " in rivals["gtp-cloning"].effect
    assert rivals["gtp-cloning"].basis.endswith("halfcheetah-medium-replay; 3 seeds; 6,000 updates")
    commands = {e.finding.claim.id: e.command for own in entries.values() for e in own}
    assert "--study results/reference/rivals --claim gtp-cloning" in commands["gtp-cloning"]
    assert "--study results/reference/quick --claim gtp-guidance" in commands["gtp-guidance"]
    assert rivals["gtp-perfect_antmaze"] is None
    lines = at_a_glance(entries, "quick")
    assert [line.claim for line in lines if line.study == "quick"] == [
        e.finding.claim.id for verdict in Verdict if verdict is not Verdict.UNTESTED for e in entries[verdict]
    ]
    assert {line.claim: line.study for line in lines}["gtp-cloning"] == "rivals"
    order = [list(Verdict).index(line.verdict) for line in lines]
    assert order == sorted(order)
    alone = ledger_entries(findings, results, REFERENCE, None)
    assert not any(e.elsewhere for e in alone[Verdict.UNTESTED])
    assert {line.study for line in at_a_glance(alone, "quick")} == {"quick"}


def test_scores_behind_a_claim_stand_by_task_and_ceilings_are_named():
    results = read_folder(REFERENCE)
    claims = load_claims(ROOT / "workflow/claims.yaml")
    finding = judge(claims["gtp-consistency_k5"], results)
    scores = task_scores(finding.deciding, results)
    assert {task: [round(value, 1) for value in both] for task, both in scores.items()} == {
        "Multi-goal": [93.2, 93.5],
        "PointMaze Fork": [100.0, 100.0],
        "Hopper medium-replay": [28.9, 27.9],
    }
    assert ceiling_notice(scores) == (
        "Little room for a difference on Multi-goal and PointMaze Fork, where both score above 90."
    )
    assert ceiling_notice({"Hopper": [95.0, 30.0]}) == ""
    cost = judge(claims["gtp-training_diffusion_ql"], results)
    assert task_scores(cost.deciding, results) == {}


def test_curves_and_cards_have_the_numbers_of_the_tables(results):
    study = read_folder(results)
    tables = dict(curve_tables(study))
    assert list(tables) == [task.label for task in study.study.tasks]
    task, method = study.study.tasks[0], study.study.methods[0]
    curve = study.curves.curve(task, method.name)
    part = tables[task.label].parts[0]
    assert part.headings[1:] == tuple(f"{step:,}" for step in curve)
    first = part.groups[0].rows[0]
    assert first[0].text == method.label
    assert first[-1].key == pytest.approx(list(curve.values())[-1].mean, abs=0.05)
    assert ("[" in first[-1].text) == task.is_goal_reaching
    robot = next(task for task in study.study.tasks if not task.maze)
    own = study.table("episodes").query("task == @robot.name")
    assert dict(data_card(robot, study))["Recorded"].startswith(f"{len(own):,} episodes")


def test_a_table_that_is_not_the_recorded_one_is_found(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("a\n")
    record = Provenance(
        study="s", commit=None, date="2026-01-01", minutes=None, machine="m", python="3.11",
        tables={"scores.csv": sha256_of(table), "gone.csv": "0"},
    )  # fmt: skip
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(asdict(record)))
    assert read_provenance(path) == record
    assert record.changed_tables(tmp_path) == ["gone.csv"]
    table.write_text("b\n")
    assert record.changed_tables(tmp_path) == ["scores.csv", "gone.csv"]
    path.write_text("{}")
    with pytest.raises(UserError, match="lacks the key 'study'"):
        read_provenance(path)


@pytest.mark.parametrize("folder", sorted((ROOT / "results/reference").iterdir()), ids=lambda f: f.name)
def test_every_committed_reference_has_the_tables_that_its_provenance_names(folder):
    assert read_provenance(folder / "provenance.json").changed_tables(folder) == []
