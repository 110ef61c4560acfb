"""Renderers against golden files; BENCH_UPDATE_GOLDEN=1 writes them anew, to be read before they are kept."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.report.formats.latex import to_latex
from bench.report.formats.latex_text import escape
from bench.report.formats.render import RENDERERS, render_table
from bench.report.tables.table import TABLE_FORMATS, Cell, ColumnGroup, Table, TableRow
from bench.report.tables.texts import shortened_letters

GOLDEN = Path(__file__).parent / "golden"
EXTENSIONS = {"text": "txt", "markdown": "md", "latex": "tex", "csv": "csv", "html": "html", "json": "json"}


def figure(value: float, **marks: object) -> Cell:
    cell = Cell(f"{value:.4f}", value, value - 0.01, value + 0.01, n=22363, n_seeds=1, run_ids=(f"run{value}",))
    return replace(cell, **marks)  # type: ignore[arg-type]


@pytest.fixture
def table() -> Table:
    return Table(
        name="small_table",
        caption="Warm & cold, 100 % of users; best in bold: p < 0.05.",
        groups=(
            ColumnGroup("beauty", "warm", "holdout", "Beauty, warm", "c0ffee", 22363),
            ColumnGroup("beauty", "cold", "natural", "Beauty, cold (natural)", "decade", 52),
        ),
        metrics=("ndcg@1", "mrr@5"),
        rows=(
            TableRow(
                "Text k-NN_2",
                "text-knn",
                (figure(0.1, ended="budget", arrow=True), figure(0.2, second=True, ended="converged"), Cell(), Cell()),
            ),
            TableRow(
                "RecCocktail",
                "reccocktail",
                (
                    figure(0.3, best=True, starred=True),
                    figure(0.4, best=True),
                    figure(0.25, best=True, sd=0.01, text="0.2500 ± 0.0100", n_seeds=3),
                    figure(0.35, note="2 of 3 seeds"),
                ),
                transductive=True,
            ),
            TableRow("RecCocktail (tiny)", "reccocktail", (figure(0.5),) * 4, toy=True, arrow=True),
        ),
        footnotes=("†toy: a toy.", "‡: read queries."),
        missing=("bench run --method text-knn --dataset beauty --setting cold",),
    )


@pytest.mark.parametrize("output_format", ["markdown", "latex", "text"])
def test_the_output_is_the_golden_file(table: Table, output_format: str) -> None:
    path = GOLDEN / f"small_table.{EXTENSIONS[output_format]}"
    text = render_table(table, output_format)
    if os.environ.get("BENCH_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_format_that_the_command_line_offers_has_its_renderer() -> None:
    assert tuple(RENDERERS) == TABLE_FORMATS


@pytest.mark.parametrize("output_format", RENDERERS)
def test_every_format_ends_with_one_line_end_and_shows_every_row(table: Table, output_format: str) -> None:
    text = render_table(table, output_format)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text.count("RecCocktail") >= 2


def test_latex_rows_have_as_many_cells_as_columns(table: Table) -> None:
    lines = to_latex(table).splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body] == [4, 4, 4]
    assert all(line.endswith(r" \\") for line in body)


def test_latex_braces_and_environments_are_balanced(table: Table) -> None:
    text = to_latex(table)
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    opened: list[str] = []
    for kind, environment in re.findall(r"\\(begin|end)\{(.+?)\}", text):
        if kind == "begin":
            opened.append(environment)
        else:
            assert opened.pop() == environment
    assert opened == []


def test_a_narrow_table_stays_in_one_text_column_and_a_wide_one_gets_smaller_letters(table: Table) -> None:
    narrow = replace(table, groups=table.groups[:1], rows=tuple(replace(r, cells=r.cells[:2]) for r in table.rows))
    wide = replace(table, groups=table.groups * 2, rows=tuple(replace(r, cells=r.cells * 2) for r in table.rows))
    assert r"\begin{table}" in to_latex(narrow)
    assert r"\begin{table*}" in to_latex(table)
    assert r"\small" in to_latex(table)
    assert r"\footnotesize" + "\n" + r"\setlength" in to_latex(wide)


def test_columns_that_no_page_can_hold_stand_in_panels_and_none_is_lost(table: Table) -> None:
    wide = replace(table, groups=table.groups * 6, rows=tuple(replace(r, cells=r.cells * 6) for r in table.rows))
    text = to_latex(wide)
    panels = re.findall(r"\\begin\{tabular\}\{l(r+)\}", text)
    assert len(panels) > 1
    assert sum(map(len, panels)) == 24
    assert text.count(r"\textbf{0.3000}") == 6
    assert text.count(r"\caption") == 1


def test_latex_escapes_every_sign_with_a_meaning() -> None:
    assert escape("a_b & 5% #1 $x {y} ~ ^ \\") == (
        r"a\_b \& 5\% \#1 \$x \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape("p < 1 – 2 ± 3 †") == r"p $<$ 1 -- 2 $\pm$ 3 $^{\dagger}$"


def test_csv_has_one_line_a_cell_with_interval_count_and_hash(table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(render_table(table, "csv"))))
    assert len(lines) == 3 * 4
    first, missing = lines[0], lines[2]
    assert (first["value"], first["low"], first["high"]) == ("0.1", "0.09", "0.11")
    assert (first["n"], first["candidates_hash"], first["metric"]) == ("22363", "c0ffee", "ndcg@1")
    assert (missing["value"], missing["policy"], missing["candidates_hash"]) == ("", "natural", "decade")
    assert [line["starred"] for line in lines].count("1") == 1


def test_json_holds_the_whole_table(table: Table) -> None:
    content = json.loads(render_table(table, "json"))
    assert content["rows"][1]["cells"][0]["starred"] is True
    assert content["groups"][0]["candidates_hash"] == "c0ffee"
    assert content["missing"] == list(table.missing)


class TagBalance(HTMLParser):
    """Collects the tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.cells += tag == "td"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_escaped(table: Table) -> None:
    parser = TagBalance()
    text = render_table(replace(table, name='a"b'), "html")
    parser.feed(text)
    assert parser.open == []
    assert parser.cells == 12
    assert "Warm &amp; cold" in text
    assert "p &lt; 0.05" in text
    assert 'id="a&quot;b"' in text


@pytest.mark.parametrize(
    ("letters", "short"),
    [((), ""), (("a",), "a"), (("a", "b"), "a,b"), (("a", "b", "c", "e"), "a–c,e"), (("9", "10", "11"), "9–11")],
)
def test_letters_in_a_row_are_a_range(letters: tuple[str, ...], short: str) -> None:
    assert shortened_letters(letters) == short


def test_datasets_stand_over_their_settings_and_row_groups_over_their_rows(table: Table) -> None:
    groups = tuple(replace(group, dataset_title="Beauty") for group in table.groups)
    rows = tuple(replace(row, group=name) for row, name in zip(table.rows, ("Text", "Merged", "Merged"), strict=True))
    lettered = tuple(replace(row, letter=letter) for row, letter in zip(rows, "abc", strict=True))
    text = to_latex(replace(table, groups=groups, rows=lettered, title="Warm & cold"))
    path = GOLDEN / "grouped_table.tex"
    if os.environ.get("BENCH_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert text.count(r"\midrule") == 2


def test_two_hyphens_stay_two_hyphens_and_greek_is_written_out() -> None:
    assert escape("--force, α [x] *") == r"-{}-force, $\alpha$ {[}x{]} {*}"


def test_a_figure_whose_training_had_not_converged_has_an_arrow_and_a_field(table: Table) -> None:
    assert "0.1000$\\nearrow$" in render_table(table, "latex")
    assert "RecCocktail (tiny)$^{\\dagger}$toy$\\nearrow$" in render_table(table, "latex")
    assert "0.1000<sup>↗</sup></td>" in render_table(table, "html")
    lines = list(csv.DictReader(io.StringIO(render_table(table, "csv"))))
    assert [line["ended"] for line in lines[:3]] == ["budget", "converged", ""]
