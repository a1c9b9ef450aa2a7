"""Rendering of tables: Markdown and LaTeX, wide tables, numbers for print."""

from dataclasses import replace

import pytest

from gtp.report.statistics import Estimate
from gtp.report.tables import Cell, Row, Table, even_blocks, latex, markdown, plus_minus, signed, with_limits

NASTY = Table(
    headings=("Task", "50 % & more_or {less}", "B"),
    rows=(
        Row("group #1"),
        Row("a|b", (Cell("−1.0 ± 2.0†", bold=True), Cell("[3, 4]"))),
        Row("[c]", (Cell("–"), Cell("$5^2~\\")), rule=True),
    ),
    caption="Costs 5 % of_it.",
    label="tab:nasty",
)


def test_latex_is_escaped_and_uses_booktabs():
    assert latex(NASTY) == (
        "% needs the packages booktabs\n"
        "\\begin{table}\n"
        "\\centering\n"
        "\\caption{Costs 5 \\% of\\_it.}\n"
        "\\label{tab:nasty}\n"
        "\\begin{tabular}{lrr}\n"
        "\\toprule\n"
        "Task & \\shortstack[r]{50 \\% \\& more\\_or\\\\\\{less\\}} & B \\\\\n"
        "\\midrule\n"
        "\\emph{group \\#1} \\\\\n"
        "a\\textbar{}b & \\textbf{\\boldmath $-$1.0 $\\pm$ 2.0$^\\dagger$} & {[}3, 4] \\\\\n"
        "\\midrule\n"
        "{[}c] & -- & \\$5\\textasciicircum{}2\\textasciitilde{}\\textbackslash{} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_markdown_is_escaped():
    assert markdown(NASTY) == (
        "Costs 5 % of\\_it.\n"
        "\n"
        "| Task | 50 % & more\\_or {less} | B |\n"
        "| --- | ---: | ---: |\n"
        "| *group \\#1* |  |  |\n"
        "| a\\|b | **−1.0 ± 2.0†** | [3, 4] |\n"
        "| [c] | – | $5^2~\\\\ |\n"
    )


def test_parts_stand_below_each_other_and_leave_out_rows_of_dashes():
    rows = (
        Row("left"),
        Row("a", (Cell("1"), Cell("2"), Cell("–"))),
        Row("right", rule=True),
        Row("b", (Cell("–"), Cell("–"), Cell("3"))),
    )
    table = Table(("Task", "A", "B", "C"), rows, "Parts.", "tab:parts", blocks=(2, 1))
    assert markdown(table) == (
        "Parts.\n"
        "\n| Task | A | B |\n| --- | ---: | ---: |\n| *left* |  |  |\n| a | 1 | 2 |\n"
        "\n| Task | C |\n| --- | ---: |\n| *right* |  |\n| b | 3 |\n"
    )
    tex = latex(table)
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 2
    assert tex.count("\\caption") == 1
    assert "\\begin{tabular}{lrr}" in tex
    assert "\\begin{tabular}{lr}" in tex


@pytest.mark.parametrize(
    ("columns", "blocks"), [(1, ()), (7, ()), (8, (4, 4)), (13, (7, 6)), (15, (5, 5, 5)), (16, (6, 5, 5))]
)
def test_parts_are_as_even_as_possible(columns, blocks):
    assert even_blocks(columns) == blocks


def test_wide_tables_are_scaled_to_the_line():
    wide = Table(("Task", *"ABCDEFG"), (Row("x", (Cell("1"),) * 7),), "Wide.", "tab:wide")
    text = latex(wide)
    assert text.startswith("% needs the packages booktabs, graphicx\n")
    assert "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}" in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("write", "estimate", "expected"),
    [
        (plus_minus, Estimate(-0.04, -1.04, 0.96, 3), "0.0 ± 1.0"),
        (plus_minus, Estimate(-1.26, -2.26, -0.26, 3), "−1.3 ± 1.0"),
        (plus_minus, Estimate(7.0, float("nan"), float("nan"), 1), "7.0"),
        (with_limits, Estimate(7.0, -1.0, 9.0, 3), "7.0 [−1.0, 9.0]"),
        (with_limits, Estimate(7.0, float("nan"), float("nan"), 1), "7.0"),
    ],
)
def test_numbers_for_print(write, estimate, expected):
    assert write(estimate) == expected


def test_a_number_that_is_none_is_a_dash():
    assert signed(float("nan")) == "–"


def test_a_table_of_words_is_set_to_the_left_and_broken_into_lines():
    table = Table(("Claim", "Why"), (Row("x", (Cell("because"),)),), "Words.", "tab:words", prose=True)
    assert "| --- | --- |" in markdown(table)
    text = latex(table)
    assert r"\begin{tabular}{*{2}{>{\raggedright\arraybackslash}p{0.450\linewidth}}}" in text
    assert "% needs the packages booktabs, array" in text
    assert r"\resizebox" not in latex(replace(table, headings=("Claim", *"ABCDEFG")))
