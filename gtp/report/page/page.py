"""One page for a study: reads its tables, figures and provenance, and fills the template."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from gtp.errors import UserError
from gtp.report.ledger.claims import Claim, Verdict, judge_all
from gtp.report.ledger.results import read_folder
from gtp.report.page.figures import inline_svg
from gtp.report.page.ledger import WIDTH, at_a_glance, ledger_entries
from gtp.report.page.numbers import WORDS, cost_summary, curve_tables, data_card, headline
from gtp.report.page.tables import MARKDOWN, read_markdown
from gtp.report.provenance import read_provenance
from gtp.report.registry import FIGURES, PRINTED_TABLES, Product

TEMPLATES = Path(__file__).parent / "templates"
ELSEWHERE = ("claims", "cost")
"""Printed tables with a section of their own."""


@dataclass(frozen=True)
class Place:
    """Where the files of a study lie, relative to the root of the repository, and where its page goes."""

    results: Path
    figures: Path
    tables: Path
    page: Path

    def link(self, path: Path | str) -> str:
        """The address of a file of the repository from the page."""
        return Path(os.path.relpath(path, self.page.parent)).as_posix()


def study_page(
    place: Place, tables: Iterable[str], claims: Mapping[str, Claim], best: pd.DataFrame | None = None
) -> str:
    """The page of a study as HTML; equal files give equal bytes.

    `tables` are the results tables that may be used (keys of gtp.schema.TABLES), `best` the rows of the table
    of claims over all references, for what this study cannot test. Raises: UserError when a file is missing
    or cannot be read, or when a results table is not the one that the provenance names.
    """
    results = read_folder(place.results, tables)
    provenance = read_provenance(place.results / "provenance.json")
    if changed := provenance.changed_tables(place.results):
        raise UserError(
            f"{place.results / changed[0]} is not the table that {place.results / 'provenance.json'} names;"
            " run snakemake again, or restore it with git"
        )
    printed = [product for product in PRINTED_TABLES if (place.tables / f"{product.name}.md").exists()]
    drawn = [product for product in FIGURES if (place.figures / f"{product.name}.svg").exists()]
    view = place.results.relative_to("results").as_posix()
    records = (place.results / "study.json", place.results / "provenance.json")
    ledger = ledger_entries(judge_all(claims, results), results, place.results, best)
    contents = {
        "study": results.study,
        "headline": headline(results),
        "words": WORDS,
        "provenance": provenance,
        "Verdict": Verdict,
        "ledger": ledger,
        "glance": at_a_glance(ledger, results.name),
        "picture_width": WIDTH,
        "tables": [shown_table(p, place) for p in printed if p.name not in ELSEWHERE],
        "figures": [shown_figure(p, place, view) for p in drawn],
        "curves": list(curve_tables(results)) if "curves" in results.files else [],
        "cards": [(task.label, data_card(task, results)) for task in results.study.tasks],
        "cost": cost_summary(results) if "cost" in results.files else None,
        "cost_table": next((shown_table(p, place) for p in printed if p.name == "cost"), None),
        "files": [(path.name, place.link(path)) for path in (*sorted(results.files.values()), *records)],
        "results": place.results.as_posix(),
        "link": place.link,
        "style": (TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "script": (TEMPLATES / "sort.js").read_text(encoding="utf-8"),
    }
    return environment().get_template("page.html").render(contents)


def shown_table(product: Product, place: Place) -> dict[str, Any]:
    """A printed table for the template: its name, label, content, and links to its files."""
    content = read_markdown(place.tables / f"{product.name}.md")
    files = {kind: place.link(place.tables / f"{product.name}.{kind}") for kind in ("csv", "tex", "md")}
    return {"name": product.name, "label": product.label, "content": content, "files": files}


def shown_figure(product: Product, place: Place, view: str) -> dict[str, Any]:
    """A figure for the template: its name, label, caption and picture, and links to its files and rows."""
    svg = inline_svg(place.figures / f"{product.name}.svg", product.name, product.alt)
    files = {kind: place.link(place.figures / f"{product.name}.{kind}") for kind in ("pdf", "png")}
    files |= {f"{table}.csv": place.link(place.results / f"{table}.csv") for table in product.tables}
    caption = Markup(MARKDOWN.renderInline(product.caption.format(view=view)))
    return {
        "name": product.name,
        "label": product.label,
        "caption": caption,
        "svg": Markup(svg),
        "files": files,
    }


def environment() -> jinja2.Environment:
    """Jinja2 as the page needs it: names that are unknown are errors, text is escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    options: dict[str, Any] = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    result = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **options)
    result.filters["upper_first"] = lambda text: text[:1].upper() + text[1:]
    return result
