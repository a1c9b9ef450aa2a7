"""Every number of the README that has a link to a table beside it stands in that table."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\((paper_tables/reference/[\w/]+)\.md\)")
NUMBER = re.compile(r"(?<![\w.])([−+]?)(\d+\.\d)(?![\d.])(?: ± (\d+\.\d)(?!\d))?")
PARAGRAPHS = [
    paragraph
    for paragraph in re.split(r"\n\n+", README)
    if LINK.search(paragraph) and not paragraph.startswith("|")
]


def numbers_of(tables: list[str]) -> pd.DataFrame:
    """Estimates of tables as the README prints them: sign, size and half of the interval."""
    frames = [pd.read_csv(ROOT / f"{table}.csv") for table in tables]
    # Those in the paper's form have no intervals.
    frame = pd.concat(frames).reindex(columns=["estimate", "low", "high"])
    half = ((frame["high"] - frame["low"]) / 2).map("{:.1f}".format)
    printed = frame["estimate"].map("{:.1f}".format)
    return pd.DataFrame(
        {"negative": printed.str.startswith("-"), "size": printed.str.lstrip("-"), "half": half}
    )


def stands_in(table: pd.DataFrame, sign: str, size: str, half: str) -> bool:
    """Whether a number is there. Without a sign it may be one of either sign: prose says what is lost."""
    rows = table[table["size"] == size]
    if sign:
        rows = rows[rows["negative"] == (sign == "−")]
    return bool((rows["half"] == half).any() if half else len(rows))


def test_there_is_prose_with_tables_to_check():
    assert len(PARAGRAPHS) >= 4
    assert sum(len(NUMBER.findall(LINK.sub("", paragraph))) for paragraph in PARAGRAPHS) >= 30


@pytest.mark.parametrize("paragraph", PARAGRAPHS, ids=lambda text: re.sub(r"\W+", " ", text)[:30].strip())
def test_numbers_in_prose_stand_in_a_table_that_the_paragraph_links(paragraph):
    table = numbers_of(LINK.findall(paragraph))
    found = NUMBER.findall(re.sub(r"\]\([^)]*\)", "]", paragraph))
    wrong = [" ".join(number) for number in found if not stands_in(table, *number)]
    assert not wrong


def test_the_table_of_results_is_that_of_the_reference():
    block = next(text for text in re.split(r"\n\n+", README) if text.startswith("| method | acting |"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
    folder = ROOT / "paper_tables/reference/quick"
    pages = [(folder / f"{name}.md").read_text(encoding="utf-8") for name in ("main", "cloning")]
    lines = [line for page in pages for line in page.splitlines() if line.startswith("| ")]
    printed = {line.split(" | ")[0].removeprefix("| "): line.strip("| ").split(" | ")[1:] for line in lines}
    assert len(rows) >= 10
    for method, acting, *cells in rows:
        way = acting if acting != "its mean" else "deterministic"
        theirs = [re.sub(r" \(\d+\)|†", "", cell) for cell in printed[f"{method} ({way})"]]
        assert cells == theirs[: len(cells)], f"{method}, {acting}"


def test_a_number_that_no_table_has_is_found():
    table = numbers_of(["paper_tables/reference/quick/main"])
    assert stands_in(table, "", "74.0", "1.9")
    assert not stands_in(table, "", "74.0", "1.6")
    assert not stands_in(table, "−", "74.0", "1.9")
    assert not stands_in(table, "", "74.3", "")


def ratios(record: str, column: int) -> dict[str, str]:
    """A column of a record's table, by its first: that of ratios between what was timed side by side."""
    lines = (ROOT / record).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[column] for row in rows[1:]}


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_the_ratios_beside_the_authors_code_are_those_of_the_record(page):
    recorded = ratios("docs/bench-peers.md", 3)
    assert set(recorded) == {"Diffusion-QL", "Consistency-AC", "FQL", "IQL"}
    text = (ROOT / page).read_text(encoding="utf-8")
    for method, ratio in recorded.items():
        assert re.search(rf"\b{method} (?:\| )?{re.escape(ratio)}\b", text), f"{method} {ratio}"
