"""What a stranger's experiment calls its rows and datasets is shown, and neither runs nor breaks anything."""

from __future__ import annotations

import csv
import io

import pytest

from bench.report.formats.latex import to_latex
from bench.report.formats.latex_text import escape
from bench.report.formats.render import render_table
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow

COMMAND = "bench run --method x --dataset 'shop\ntouch PWNED\n\\input{secret}'"


def table_of(label: str) -> Table:
    return Table(
        name="small",
        caption=f"A caption.\n\nA second paragraph with {label}",
        groups=(ColumnGroup("beauty", "warm", "holdout", label, "c0ffee", 3),),
        metrics=("ndcg@1",),
        rows=(TableRow(label, "popularity", (Cell("0.1000", 0.1, 0.0, 0.2, n=3, n_seeds=1, note=label),)),),
        footnotes=(label,),
        missing=(COMMAND,),
    )


@pytest.mark.parametrize("label", ["=1+1", "@SUM(A1:A9)", '+cmd|"/C calc"!A0', "-2+3"])
def test_a_spreadsheet_computes_no_label(label: str) -> None:
    line = next(csv.DictReader(io.StringIO(render_table(table_of(label), "csv"))))
    assert line["row"] == f"'{label}"
    assert line["note"] == f"'{label}"
    assert line["value"] == "0.1"


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!-- x", "</td>"])
def test_markdown_shows_elements_as_text(label: str) -> None:
    text = render_table(table_of(label), "markdown")
    assert label not in text
    assert label.replace("<", "&lt;").split("(")[0] in text.replace("\\", "")


def test_markdown_has_a_line_for_each_row_and_no_link() -> None:
    text = render_table(table_of("one\ntwo\r\n| three | [a](javascript:x)"), "markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert "one two \\| three \\| [a]\\(javascript:x)" in rows[-1]


def test_markdown_keeps_what_is_smaller_than_something() -> None:
    assert "p < 0.05" in render_table(table_of("p < 0.05"), "markdown")


@pytest.mark.parametrize("output_format", ["text", "markdown", "latex"])
def test_a_missing_command_stays_in_its_line(output_format: str) -> None:
    lines = render_table(table_of("x"), output_format).splitlines()
    assert [line for line in lines if "touch PWNED" in line] == [line for line in lines if "--dataset 'shop" in line]
    assert not [line for line in lines if line.startswith(("touch", "\\input"))]


def test_a_caption_of_several_paragraphs_is_one_in_latex() -> None:
    caption = next(line for line in to_latex(table_of("x")).splitlines() if line.startswith(r"\caption"))
    assert caption == r"\caption{A caption.  A second paragraph with x}"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\u202eb", r"a\texttt{U+202E}b"),
        ("\U0001f600", r"\texttt{U+1F600}"),
        ("\u4e2d", r"\texttt{U+4E2D}"),
        ("a\x07b", r"a\texttt{U+0007}b"),
        ("Schr\u00f6der \u0161", "Schr\u00f6der \u0161"),
        ("\u03b1 \u2264 1", r"$\alpha$ $\leq$ 1"),
        ("a\n\nb", "a  b"),
    ],
)
def test_latex_prints_signs_without_a_font_as_code_points(text: str, printed: str) -> None:
    assert escape(text) == printed


def test_a_terminal_gets_no_control_characters() -> None:
    text = render_table(table_of("a\x1b]0;title\x07\u202eb"), "text")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"a\x1b]0;title\x07\u202eb" in text
