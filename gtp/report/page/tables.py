"""Tables of the page, from the Markdown of the printed ones: what a cell holds, and by what it sorts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from gtp.errors import UserError

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
SHORT_TITLE = 15
"""Characters of a caption within which its first sentence does not end the title."""
NUMBER = re.compile(r"[+−-]?\d[\d,]*(?:\.\d+)?(?=$|[\s%†])")
"""How a cell begins that sorts as a number: its mean, without interval, number of seeds or dagger."""


@dataclass(frozen=True)
class PageCell:
    """A cell: its text, whether it is emphasised, and the number by which it sorts, if any."""

    text: str
    bold: bool = False

    @property
    def key(self) -> float | None:
        """The number with which the text begins; None for words and dashes, which sort after all numbers."""
        found = NUMBER.match(self.text)
        return float(found[0].replace("−", "-").replace(",", "")) if found else None


@dataclass(frozen=True)
class PageGroup:
    """Rows below one heading, which sort among themselves; the first cell of each names the row."""

    heading: str
    rows: tuple[tuple[PageCell, ...], ...]


@dataclass(frozen=True)
class PagePart:
    """One of the tables that stand below each other."""

    headings: tuple[str, ...]
    groups: tuple[PageGroup, ...]

    def is_numeric(self, column: int) -> bool:
        """Whether the cells of a column are numbers, apart from dashes: then they stand to the right."""
        cells = [row[column] for group in self.groups for row in group.rows]
        return all(cell.key is not None or cell.text in ("–", "") for cell in cells)


@dataclass(frozen=True)
class PageTable:
    """A table: the beginning of its caption, the rest of it, and its parts."""

    title: str
    notes: str
    parts: tuple[PagePart, ...]


def read_markdown(path: Path) -> PageTable:
    """A table that `gtp.report.tables.write_table` wrote. Raises UserError when the file has none."""
    try:
        tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and run snakemake again") from error
    caption = next((_text(token) for token in tokens if token.type == "inline"), "")
    parts = tuple(_parts(tokens))
    if not parts:
        raise UserError(f"{path} has no table; delete it and run snakemake again")
    # A first sentence of a word or two is no more than the heading says.
    end = caption.find(". ", SHORT_TITLE) + 1 or len(caption)
    return PageTable(caption[:end], caption[end:].strip(), parts)


def _parts(tokens: Sequence[Token]) -> Iterator[PagePart]:
    """The tables among the tokens of a page."""
    rows: list[list[tuple[PageCell, bool]]] = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            inline = tokens[place + 1]
            kinds = {child.type for child in inline.children or ()}
            rows[-1].append((PageCell(_text(inline), "strong_open" in kinds), "em_open" in kinds))
        elif token.type == "table_close":
            headings, *body = rows
            yield PagePart(tuple(cell.text for cell, _ in headings), tuple(_groups(body)))
            rows = []


def _groups(rows: Sequence[Sequence[tuple[PageCell, bool]]]) -> Iterator[PageGroup]:
    """Rows by the headings over them, which are the rows with an emphasised first cell and nothing else."""
    members: list[tuple[PageCell, ...]]
    heading, members = "", []
    for row in rows:
        (first, is_heading), *_ = row
        if is_heading:
            if members:
                yield PageGroup(heading, tuple(members))
            heading, members = first.text, []
        else:
            members.append(tuple(cell for cell, _ in row))
    if members:
        yield PageGroup(heading, tuple(members))


def _text(inline: Token) -> str:
    """The words of a cell or paragraph without marks."""
    return "".join(
        "\n" if child.type == "softbreak" else child.content
        for child in inline.children or ()
        if child.type in ("text", "text_special", "code_inline", "softbreak")
    )
