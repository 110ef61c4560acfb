from __future__ import annotations

import csv
import io
from dataclasses import replace

from bench.report.formats.render import render_table
from bench.report.tables.options import NotesLevel, TableOptions
from bench.report.tables.presented import presented
from bench.report.tables.summaries import with_summaries
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow

HASH = "c0ffee"
GROUPS = tuple(ColumnGroup("beauty", setting, "holdout", f"Beauty, {setting}", HASH) for setting in ("warm", "cold"))
TABLE = Table(
    name="toy",
    caption=f"A title. Best in bold, second underlined. Candidates {HASH}.",
    title="A title.",
    legend="Best in bold, second underlined.",
    groups=GROUPS,
    metrics=("ndcg@1", "mrr@5"),
    rows=(
        TableRow("Text k-NN", "text-knn", (Cell("0.1", 0.1), Cell("0.2", 0.2, second=True), Cell(), Cell())),
        TableRow("Absent", "absent", (Cell(),) * 4),
        TableRow("Ours", "ours", (Cell("0.3", 0.3, best=True), Cell("0.4", 0.4, best=True), Cell(), Cell())),
    ),
    footnotes=("†toy: a toy.", "Departures --> from the paper."),
    key_notes=("†toy: a toy.",),
    missing=("bench run --method absent",),
)


def shown(notes: NotesLevel) -> Table:
    return presented(replace(TABLE, options=TableOptions(notes=notes)))


def test_rows_and_column_groups_without_scores_are_left_out_and_named() -> None:
    found = presented(TABLE)
    assert [row.label for row in found.rows] == ["Text k-NN", "Ours"]
    assert [group.title for group in found.groups] == ["Beauty, warm"]
    assert all(len(row.cells) == len(found.columns) == 2 for row in found.rows)
    assert found.footnotes[-1] == "Not shown, as no run is stored: Absent; Beauty, cold."
    assert found.missing == TABLE.missing


def test_in_latex_what_is_left_out_is_a_comment_as_missing_runs_are() -> None:
    (line,) = (line for line in render_table(TABLE, "latex").splitlines() if "Not shown" in line)
    assert line == "% Not shown, as no run is stored: Absent; Beauty, cold."


def test_numbers_over_all_columns_stay_with_their_rows() -> None:
    options = TableOptions(improvement="both", mean_rank=True)
    found = presented(with_summaries(replace(TABLE, options=options)))
    assert [found.summary_texts(summary) for summary in found.summaries] == [["2.00", "1.00"], ["+150.00", "–"]]
    assert "Mean rank: over the 2 columns, 1 is best." in found.caption
    assert [round(value or 0) for value in found.improvements] == [200, 100]


def test_a_table_without_any_run_keeps_its_rows() -> None:
    empty = replace(TABLE, rows=(TABLE.rows[1],))
    assert presented(empty) == empty


def test_csv_and_json_contain_every_cell() -> None:
    assert len(list(csv.DictReader(io.StringIO(render_table(TABLE, "csv"))))) == 12
    assert "Absent" in render_table(TABLE, "json")
    for output_format in ("text", "markdown", "html"):
        assert "–" not in render_table(TABLE, output_format)


def test_full_notes_are_all_printed() -> None:
    found = shown("full")
    assert (found.caption, found.comments) == (TABLE.caption, ())
    assert set(TABLE.footnotes) <= set(found.footnotes)


def test_short_notes_print_what_symbols_mean_and_keep_the_rest_as_comments() -> None:
    found = shown("short")
    assert found.caption == "A title. Best in bold, second underlined."
    assert found.footnotes == TABLE.key_notes
    assert found.comments[:2] == (TABLE.caption, TABLE.footnotes[1])


def test_no_notes_print_the_title_alone() -> None:
    found = shown("none")
    assert (found.caption, found.footnotes) == ("A title.", ())
    assert len(found.comments) == 4


def test_hidden_explanations_are_comments_that_no_reader_sees() -> None:
    table = replace(TABLE, options=TableOptions(notes="none", label="tab:main"))
    latex, markdown, html, text = (render_table(table, name) for name in ("latex", "markdown", "html", "text"))
    assert all(line.startswith("%") for line in latex.splitlines() if HASH in line or "Departures" in line)
    assert HASH in latex
    assert r"\caption{A title.}" in latex
    assert r"\label{tab:main}" in latex
    for page in (markdown, html):
        assert "<!-- Departures - -&gt; from the paper. -->" in page
        assert page.count("-->") == page.count("<!--")
    assert 'id="tab:main"' in html
    assert HASH not in text
