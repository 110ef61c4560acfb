"""Where a table is set on a page, from estimates of its width and height."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.formats.latex import to_latex
from bench.report.formats.latex_layout import COLUMN, FLOAT_HEIGHT, LAYOUTS, PAGE, height_in_points, laid_out
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow

IN_COLUMN, ON_PAGE = LAYOUTS[:2]
NOTE = (
    "Departures from the paper: titles are cut to twelve tokens, histories to eight items, and an epoch is a sample. "
)


def table_of(n_groups: int = 1, n_rows: int = 3, n_notes: int = 0) -> Table:
    """A table of one metric a dataset, with notes of one sentence."""
    groups = tuple(ColumnGroup(f"d{n}", "warm", "holdout", f"Dataset {n}") for n in range(n_groups))
    rows = tuple(TableRow(f"Method {n}", f"m{n}", (Cell("0.1234", 0.1234),) * n_groups) for n in range(n_rows))
    return Table("toy", "A caption.", groups, ("ndcg@1",), rows, footnotes=(NOTE,) * n_notes)


def test_a_small_table_takes_one_column() -> None:
    (panels,), layout = laid_out(table_of())
    assert (len(panels), layout.environment, layout.width) == (1, "table", COLUMN)


def test_a_narrow_table_whose_notes_are_taller_than_the_page_takes_both_columns() -> None:
    table = table_of(n_notes=40)
    assert height_in_points(table, 1, IN_COLUMN) > FLOAT_HEIGHT > height_in_points(table, 1, ON_PAGE)
    (panels,), layout = laid_out(table)
    assert (len(panels), layout.environment, layout.width) == (1, "table*", PAGE)


def test_notes_too_many_for_any_page_follow_the_table_as_text() -> None:
    few, many = to_latex(table_of(n_notes=40)), to_latex(table_of(n_notes=150))
    assert few.index(NOTE) < few.index(r"\end{table*}")
    assert many.index(NOTE) > many.index(r"\end{table*}")
    assert r"Notes to table~\ref{tab:toy}: " in many
    assert many.count(NOTE) == 150


def test_many_datasets_stand_in_panels_that_hold_every_column_once() -> None:
    table = table_of(n_groups=20)
    (panels,), layout = laid_out(table)
    assert len(panels) > 1
    assert layout.width == PAGE
    assert [group for panel in panels for group in panel.groups] == list(table.groups)


def test_panels_taller_than_a_page_go_on_in_another_float_and_keep_their_order() -> None:
    table = table_of(n_groups=20, n_rows=40)
    floats, layout = laid_out(table)
    assert len(floats) > 1
    assert [group for panels in floats for panel in panels for group in panel.groups] == list(table.groups)
    heights = [height_in_points(table, len(panels), layout, has_caption=panels is floats[0]) for panels in floats]
    assert max(heights) <= FLOAT_HEIGHT
    latex = to_latex(table)
    assert latex.count(r"\begin{table*}") == len(floats)
    assert latex.count(r"\caption") == latex.count(r"\label{tab:toy}") == 1
    assert latex.count(r"Table~\ref{tab:toy}, continued.") == len(floats) - 1


def test_notes_stand_under_the_last_panels() -> None:
    text = to_latex(table_of(n_groups=20, n_rows=40, n_notes=1))
    ends = (text.rindex(r"\end{tabular}"), text.index(NOTE), text.rindex(r"\end{table*}"))
    assert text.index("continued.") < ends[0] < ends[1] < ends[2]


@given(
    st.integers(min_value=1, max_value=8), st.integers(min_value=0, max_value=30), st.integers(min_value=0, max_value=9)
)
def test_more_rows_and_notes_are_taller_and_a_wider_page_never_is(n_groups: int, n_rows: int, n_notes: int) -> None:
    table = table_of(n_groups, n_rows, n_notes)
    assert height_in_points(table, 1, ON_PAGE) <= height_in_points(table, 1, IN_COLUMN)
    assert height_in_points(table_of(n_groups, n_rows + 1, n_notes), 1, ON_PAGE) > height_in_points(table, 1, ON_PAGE)
    longer = replace(table, footnotes=(*table.footnotes, NOTE))
    assert height_in_points(longer, 1, IN_COLUMN) > height_in_points(table, 1, IN_COLUMN)


@pytest.mark.parametrize("n_groups", [1, 3, 7, 20])
def test_panels_have_every_row(n_groups: int) -> None:
    (panels,), _ = laid_out(table_of(n_groups=n_groups, n_rows=4))
    assert all(len(panel.rows) == 4 for panel in panels)
    assert all(len(row.cells) == len(panel.columns) for panel in panels for row in panel.rows)
