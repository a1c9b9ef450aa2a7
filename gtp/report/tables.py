"""A table for print as plain data, written as Markdown and LaTeX (booktabs), and its numbers as CSV.

The text of a cell is Unicode in all formats; LaTeX replaces the few signs that it writes differently. Nothing
here depends on the time, the machine or the order of a hash, so equal tables are equal bytes.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gtp.files import write_text
from gtp.report.record import StudyRecord
from gtp.report.statistics import Estimate, SeedScores

HEADING_WIDTH = 14
"""Characters after which LaTeX breaks a heading; Markdown leaves that to the reader."""
WIDE = 6
"""Columns above which LaTeX scales the table to the width of the line."""

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "[": "{[}",  # not the optional argument of a line break
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "−": r"$-$",
        "†": r"$^\dagger$",
        "µ": r"$\mu$",
        "λ": r"$\lambda$",
        "η": r"$\eta$",
        "–": "--",
        "×": r"$\times$",
    }
)
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\|*_<`#"})


@dataclass(frozen=True)
class Cell:
    """Text of one cell, emphasised or not."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table; one without cells is a heading over the rows that follow."""

    label: str
    cells: tuple[Cell, ...] = ()
    rule: bool = False
    """Whether a line separates it from the row above."""


@dataclass(frozen=True)
class Table:
    """A table as print shows it; every row has one cell for each heading after the first."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str
    label: str
    """Name for references in LaTeX, such as tab:main."""
    blocks: tuple[int, ...] = ()
    """Numbers of columns, after the first, of parts that stand below each other; empty for a single part."""
    prose: bool = False
    """Whether its cells are words, which stand to the left and which LaTeX breaks into lines."""

    def parts(self) -> Iterator[tuple[tuple[str, ...], tuple[Row, ...]]]:
        """Headings and rows of every part; each has the first column.

        One of several parts leaves out rows that have nothing but dashes there, and headings over such rows.
        """
        start = 1
        for columns in self.blocks or (len(self.headings) - 1,):
            end = start + columns
            rows = [replace(row, cells=row.cells[start - 1 : end - 1]) for row in self.rows]
            yield (self.headings[0], *self.headings[start:end]), tuple(_told(rows) if self.blocks else rows)
            start = end


def _told(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows with more than dashes, and the headings that have such rows below them."""
    heading = None
    for row in rows:
        if not row.cells:
            heading = row
        elif any(cell.text != "–" for cell in row.cells):
            if heading:
                yield heading
            heading = None
            yield row


def even_blocks(columns: int, most: int = 7) -> tuple[int, ...]:
    """Columns of each part when at most `most` stand side by side, as evenly as possible; () for one part."""
    parts = math.ceil(columns / most)
    return tuple(columns // parts + (part < columns % parts) for part in range(parts)) if parts > 1 else ()


def markdown(table: Table) -> str:
    """The table as GitHub's Markdown, the caption above it."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def content(cell: Cell) -> str:
        text = cell.text.translate(MARKDOWN)
        return f"**{text}**" if cell.bold else text

    lines = []
    for headings, rows in table.parts():
        blank = [""] * (len(headings) - 1)
        lines += ["", line([heading.translate(MARKDOWN) for heading in headings])]
        lines.append(line(["---", *["---" if table.prose else "---:"] * len(blank)]))
        for row in rows:
            label = row.label.translate(MARKDOWN)
            cells = [label, *map(content, row.cells)] if row.cells else [f"*{label}*", *blank]
            lines.append(line(cells))
    return "\n".join([table.caption.translate(MARKDOWN), *lines]) + "\n"


def latex(table: Table) -> str:
    """The table as a LaTeX float; its first line names the packages that the document needs."""

    def heading(text: str) -> str:
        lines = [part.translate(LATEX) for part in textwrap.wrap(text, HEADING_WIDTH)]
        return r"\shortstack[r]{" + r"\\".join(lines) + "}" if len(lines) > 1 else "".join(lines)

    def content(cell: Cell) -> str:
        text = cell.text.translate(LATEX)
        return rf"\textbf{{\boldmath {text}}}" if cell.bold else text

    def columns(count: int) -> str:
        if not table.prose:
            return f"l{'r' * (count - 1)}"
        return rf"*{{{count}}}{{>{{\raggedright\arraybackslash}}p{{{0.9 / count:.3f}\linewidth}}}}"

    def tabular(headings: Sequence[str], rows: Sequence[Row]) -> list[str]:
        lines = [rf"\begin{{tabular}}{{{columns(len(headings))}}}", r"\toprule"]
        first, *others = headings
        lines += [" & ".join([first.translate(LATEX), *map(heading, others)]) + r" \\", r"\midrule"]
        for row in rows:
            if row.rule:
                lines.append(r"\midrule")
            label = row.label.translate(LATEX)
            cells = [label, *map(content, row.cells)] if row.cells else [rf"\emph{{{label}}}"]
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        if len(headings) > WIDE and not table.prose:
            lines = [r"\resizebox{\linewidth}{!}{%", *lines[:-1], r"\end{tabular}}"]
        return lines

    parts = [tabular(*part) for part in table.parts()]
    wide = any(len(headings) > WIDE for headings, _ in table.parts())
    packages = "booktabs, array" if table.prose else "booktabs, graphicx" if wide else "booktabs"
    top = [
        f"% needs the packages {packages}",
        r"\begin{table}",
        r"\footnotesize" if table.prose else r"\centering",
        rf"\caption{{{table.caption.translate(LATEX)}}}",
        rf"\label{{{table.label}}}",
    ]
    between = [r"\par\medskip"]
    body = [line for place, part in enumerate(parts) for line in (between if place else []) + part]
    return "\n".join([*top, *body, r"\end{table}"]) + "\n"


ROUNDING = 1e-12
"""What is smaller is 0 but for rounding: tables hold scores, shares, seconds and orders."""


def write_table(table: Table, numbers: pd.DataFrame, *, md: Path, tex: Path, csv: Path) -> None:
    """Write the table for people, and its numbers, to twelve digits and one a row, for programs."""
    write_text(md, markdown(table))
    write_text(tex, latex(table))
    # Processors differ in what is beyond, and a reference is redrawn to the byte on any.
    floats = numbers.select_dtypes("float")
    settled = numbers.assign(**floats.mask(floats.abs() < ROUNDING, 0.0))
    write_text(csv, settled.to_csv(index=False, lineterminator="\n", float_format="%.12g"))


def protocol(scores: SeedScores, study: StudyRecord) -> str:
    """One sentence on what was evaluated: checkpoint, seeds, episodes and function evaluations."""
    single = [method.label for method in study.methods if not method.generative]
    exception = f" (K = 1: {', '.join(single)})" if single else ""
    return (
        f"Last checkpoint of n = {len(study.seeds)} training seeds, {scores.episodes()} episodes for each,"
        f" K = {study.headline_nfe} function evaluations for an action{exception}."
    )


def signed(value: float, digits: int = 1) -> str:
    """A number with a true minus sign; what rounds to zero has none."""
    text = f"{value:.{digits}f}"
    return (text.replace("-", "−") if float(text) else text.removeprefix("-")) if np.isfinite(value) else "–"


def plus_minus(estimate: Estimate, digits: int = 1) -> str:
    """Mean ± half-width; the mean alone when there is no interval."""
    mean = signed(estimate.mean, digits)
    return f"{mean} ± {estimate.half_width:.{digits}f}" if np.isfinite(estimate.half_width) else mean


def score(estimate: Estimate, shares: bool, digits: int = 1) -> str:
    """A score with its interval: limits for shares of episodes, whose interval is lopsided, else ±."""
    return (with_limits if shares else plus_minus)(estimate, digits)


def with_limits(estimate: Estimate, digits: int = 1) -> str:
    """Centre [low, high], for lopsided intervals; the centre alone when there is no interval."""
    mean, low, high = (signed(value, digits) for value in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]" if np.isfinite(estimate.half_width) else mean
