"""Choose a table's placement on the page, font size and number of panels, from estimates without LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.report.formats.latex_text import width_in_points
from bench.report.tables.summaries import IMPROVEMENT_TITLE
from bench.report.tables.texts import shortened_letters

if TYPE_CHECKING:
    from bench.report.tables.table import Cell, Summary, Table, TableRow


@dataclass(frozen=True)
class Layout:
    """A layout of a table; all lengths are in points."""

    environment: str
    size: str
    """Command for the font size."""
    letters: float
    """Height of large letters of the same width: small letters are wider relative to their height."""
    row: float
    """Distance between rows, including rules."""
    separation: float
    """Space on either side of a column."""
    width: float
    """Maximum width."""


COLUMN, PAGE = 240.0, 500.0
"""Width of one column of a two-column page, and of the page."""
FLOAT_HEIGHT = 640.0
"""Maximum height of a float on a page with a running head."""
LAYOUTS = (
    Layout("table", r"\small", 9.3, 11.5, 4.0, COLUMN),
    Layout("table*", r"\small", 9.3, 11.5, 6.0, PAGE),
    Layout("table*", r"\small", 9.3, 11.5, 3.0, PAGE),
    Layout("table*", r"\footnotesize", 8.5, 10.0, 3.0, PAGE),
    Layout("table*", r"\scriptsize", 8.0, 8.8, 2.0, PAGE),
)
SPREAD_LETTERS = 6.6
"""Height of the tiny letters of a standard deviation; see :class:`Layout`."""
CAPTION, NOTES = (9.2, 12.0), (7.4, 9.5)
"""Letter height and line distance of captions and of notes."""
HEAD_LINES = 5
"""Lines of a panel other than rows, including rules."""


def laid_out(table: Table) -> tuple[list[list[Table]], Layout]:
    """Return a table's panels grouped by float, and their layout.

    The number of panels is the smallest for which a layout is wide enough, and the first such layout is used. A float
    contains as many panels as fit on a page, and at least one.
    """
    for n_panels in range(1, len(table.groups) + 1):
        panels = _panels(table, n_panels)
        for layout in LAYOUTS:
            is_too_tall = layout.width == COLUMN and height_in_points(table, n_panels, layout) > FLOAT_HEIGHT
            if not is_too_tall and all(_fits(panel, layout) for panel in panels):
                return _floats(panels, layout), layout
    return _floats(_panels(table, len(table.groups)), LAYOUTS[-1]), LAYOUTS[-1]


def height_in_points(table: Table, n_panels: int, layout: Layout, *, has_caption: bool = True) -> float:
    """Estimate the height of a float with ``n_panels`` panels of a table, including its notes."""
    notes = sum(_lines_height(note, layout.width, *NOTES) for note in table.footnotes)
    return has_caption * _caption_height(table, layout) + n_panels * _panel_height(table, layout) + notes


def _floats(panels: list[Table], layout: Layout) -> list[list[Table]]:
    height = _panel_height(panels[0], layout)
    first = max(1, int((FLOAT_HEIGHT - _caption_height(panels[0], layout)) // height))
    other = max(1, int(FLOAT_HEIGHT // height))
    starts = range(first, len(panels), other)
    return [panels[:first], *(panels[start : start + other] for start in starts)]


def _caption_height(table: Table, layout: Layout) -> float:
    return _lines_height(table.caption, layout.width, *CAPTION)


def _panel_height(table: Table, layout: Layout) -> float:
    n_lines = len(table.rows) + len({row.group for row in table.rows}) + HEAD_LINES + bool(table.improvements)
    return n_lines * layout.row


def _lines_height(text: str, width: float, letters: float, distance: float) -> float:
    return distance * math.ceil(width_in_points(text, letters) / width)


def _panels(table: Table, n_panels: int) -> list[Table]:
    """Split a table by its column groups."""
    size, span = math.ceil(len(table.groups) / n_panels), len(table.metrics)
    starts = range(0, len(table.groups), size)
    return [
        replace(
            table,
            groups=table.groups[start : start + size],
            rows=tuple(replace(row, cells=row.cells[start * span : (start + size) * span]) for row in table.rows),
            improvements=table.improvements[start * span : (start + size) * span],
            summaries=table.summaries if start + size >= len(table.groups) else (),
        )
        for start in starts
    ]


def _fits(table: Table, layout: Layout) -> bool:
    """Return whether the columns and their headers, estimated letter by letter, fit the page width."""
    letters = layout.letters
    names = [table.row_title, *map(_printed_label, table.rows), IMPROVEMENT_TITLE * bool(table.improvements)]
    labels = max(width_in_points(label, letters) for label in names)
    gaps, span = 2 * layout.separation, len(table.metrics)
    total = labels + gaps
    for number, group in enumerate(table.groups):
        columns = range(number * span, (number + 1) * span)
        figures = sum(_column_width(table, column, letters) + gaps for column in columns)
        total += max(figures, width_in_points(group.title, letters) + gaps)
    total += sum(_summary_width(table, summary, letters) + gaps for summary in table.summaries)
    across = max((width_in_points(row.group, letters) + gaps for row in table.rows), default=0.0)
    return max(total, across) <= layout.width


def _column_width(table: Table, number: int, letters: float) -> float:
    cells = [row.cells[number] for row in table.rows]
    head = width_in_points(table.metric_header(table.columns[number][1]), letters)
    figures = max((_figure_width(cell, letters) for cell in cells), default=0.0)
    improved = max(
        (width_in_points(text, letters) for text in table.improvement_texts[number : number + 1]), default=0.0
    )
    marks = max((marks_width(cell, letters) for cell in cells), default=0.0)
    return max(head, max(figures, improved) + marks)


def _summary_width(table: Table, summary: Summary, letters: float) -> float:
    return max(width_in_points(text, letters) for text in [summary.title, *table.summary_texts(summary)])


def _figure_width(cell: Cell, letters: float) -> float:
    mean, _, spread = cell.text.partition(" ± ")
    return (1.15 if cell.best else 1.0) * width_in_points(mean, letters) + _spread_width(spread)


def marks_width(cell: Cell, letters: float) -> float:
    """Return the width of marks, which a column keeps free in each of its rows."""
    raised = "*" * cell.starred + shortened_letters(cell.better_than)
    return width_in_points(raised, letters * 0.75) + width_in_points(cell.arrow_text, letters)


def _spread_width(spread: str) -> float:
    return width_in_points(f" ± {spread}", SPREAD_LETTERS) if spread else 0.0


def _printed_label(row: TableRow) -> str:
    return "mi" * bool(row.letter) + row.label + "".join(row.marks)
