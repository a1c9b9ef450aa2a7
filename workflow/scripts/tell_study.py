"""Print what a finished study says: main table, claims, how it stands to its reference, where all lies.

`python workflow/scripts/tell_study.py results/quick` is the end of `make reproduce`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from gtp.errors import UserError, ending_in_one_line
from gtp.report.comparison import compare, comparison_lines
from gtp.report.ledger.claims import judge_all
from gtp.report.ledger.printed import verdict_lines
from gtp.report.ledger.results import read_folder
from gtp.report.registry import CLAIMS
from gtp.studies.claims import load_claims

MAIN = ("main", "trials", "cloning", "online")
"""The table to print: the first of these that a study has."""


def table_text(page: Path) -> Iterator[str]:
    """The tables of a page of Markdown in aligned columns, without its marks."""
    block: list[list[str]] = []
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            cells = [
                cell.strip().replace("**", "").replace("\\", "") for cell in line.strip("|").split(" | ")
            ]
            if not set("".join(cells)) <= set("-: |"):
                block.append(cells)
        elif block:
            widths = [
                max(len(row[place]) for row in block if place < len(row)) for place in range(len(block[0]))
            ]
            for row in block:
                padded = [
                    cell.ljust(w) if place == 0 else cell.rjust(w)
                    for place, (cell, w) in enumerate(zip(row, widths, strict=False))
                ]
                yield "  ".join(padded).rstrip()
            block = []


def tell(folder: Path) -> Iterator[str]:
    """The lines. Raises UserError when the study is not finished."""
    results = read_folder(folder)
    if folder.parts[0] != "results":
        raise UserError(f"{folder} is not below results; name a folder such as results/quick")
    tables, figures = (Path(kind) / folder.relative_to("results") for kind in ("paper_tables", "figures"))
    pages = [tables / f"{name}.md" for name in MAIN if (tables / f"{name}.md").exists()]
    if not pages:
        raise UserError(f"there is no table in {tables}; run snakemake first")
    yield f"{pages[0]}:"
    yield from table_text(pages[0])
    yield ""
    yield f"The papers' claims, as {results.name} sees them:"
    yield from verdict_lines(judge_all(load_claims(Path(CLAIMS)), results), tested=True)
    reference = Path("results/reference") / results.name
    if reference.exists() and reference != folder:
        yield ""
        yield from comparison_lines(compare(folder, reference))
    yield ""
    page = Path("report") / folder.relative_to("results") / "index.html"
    if page.exists():
        yield f"All of it on one page: {page}."
    yield f"Figures: {figures}/. Tables for print: {tables}/. Rows behind them: {folder}/."
    yield f"What cannot be tested: gtp claims --study {folder}; rows behind a verdict: --claim <name>."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="tables of a study, such as results/quick")
    with ending_in_one_line():
        print("\n".join(tell(parser.parse_args().folder)))
