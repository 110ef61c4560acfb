"""Where a table stands on the page of a paper, in what letters and how many panels: estimated without LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.report.latex_text import width_in_points
from bench.report.table import Cell, Table, TableRow, shortened_letters


@dataclass(frozen=True)
class Layout:
    """A way to set a table; all lengths in points."""

    environment: str
    size: str
    """Command for the size of its letters."""
    letters: float
    """Height of large letters as wide as these: small letters are wider for their height."""
    separation: float
    """Space on either side of a column."""
    width: float
    """What it may be wide."""


COLUMN, PAGE = 240.0, 500.0
"""Width of one column of a two-column page, and of the page."""
FLOAT_HEIGHT = 640.0
"""What a page has room for, under a running head."""
LAYOUTS = (
    Layout("table", r"\small", 9.3, 4.0, COLUMN),
    Layout("table*", r"\small", 9.3, 6.0, PAGE),
    Layout("table*", r"\small", 9.3, 3.0, PAGE),
    Layout("table*", r"\footnotesize", 8.5, 3.0, PAGE),
    Layout("table*", r"\scriptsize", 8.0, 2.0, PAGE),
)
SPREAD_LETTERS = 6.6
"""Height of the tiny letters of a standard deviation, as in a layout."""
CAPTION, NOTES, ROW = (9.2, 12.0), (7.4, 9.5), 11.5
"""Letters and distance of lines of captions and of notes, and distance of rows."""


def laid_out(table: Table) -> tuple[list[Table], Layout]:
    """Return the fewest panels, one above another, and for them the first layout in which they fit."""
    for n_panels in range(1, len(table.groups) + 1):
        panels = _panels(table, n_panels)
        for layout in LAYOUTS:
            is_too_tall = layout.width == COLUMN and height_in_points(table, n_panels, COLUMN) > FLOAT_HEIGHT
            if not is_too_tall and all(_fits(panel, layout) for panel in panels):
                return panels, layout
    return _panels(table, len(table.groups)), LAYOUTS[-1]


def height_in_points(table: Table, n_panels: int, width: float) -> float:
    """Estimate how tall a table is in a width, caption and notes included."""
    rows = n_panels * (len(table.rows) + 5)  # heads and rules
    notes = sum(_lines_height(note, width, *NOTES) for note in table.footnotes)
    return _lines_height(table.caption, width, *CAPTION) + rows * ROW + notes


def _lines_height(text: str, width: float, letters: float, distance: float) -> float:
    return distance * math.ceil(width_in_points(text, letters) / width)


def _panels(table: Table, n_panels: int) -> list[Table]:
    """Part a table by its column groups."""
    size, span = math.ceil(len(table.groups) / n_panels), len(table.metrics)
    starts = range(0, len(table.groups), size)
    return [
        replace(
            table,
            groups=table.groups[start : start + size],
            rows=tuple(replace(row, cells=row.cells[start * span : (start + size) * span]) for row in table.rows),
        )
        for start in starts
    ]


def _fits(table: Table, layout: Layout) -> bool:
    """Whether the columns and the heads over them, estimated letter by letter, are no wider than the page."""
    letters = layout.letters
    labels = max(width_in_points(label, letters) for label in [table.row_title, *map(_printed_label, table.rows)])
    gaps, span = 2 * layout.separation, len(table.metrics)
    total = labels + gaps
    for number, group in enumerate(table.groups):
        columns = range(number * span, (number + 1) * span)
        figures = sum(_column_width(table, column, letters) + gaps for column in columns)
        total += max(figures, width_in_points(group.title, letters) + gaps)
    across = max((width_in_points(row.group, letters) + gaps for row in table.rows), default=0.0)
    return max(total, across) <= layout.width


def _column_width(table: Table, number: int, letters: float) -> float:
    head = width_in_points(table.metric_header(table.columns[number][1]), letters)
    return max([head, *(_cell_width(row.cells[number], letters) for row in table.rows)])


def _cell_width(cell: Cell, letters: float) -> float:
    mean, _, spread = cell.text.partition(" ± ")
    raised = "*" * cell.starred + shortened_letters(cell.better_than)
    bold = 1.15 if cell.best else 1.0
    return bold * width_in_points(mean, letters) + width_in_points(raised, letters * 0.75) + _spread_width(spread)


def _spread_width(spread: str) -> float:
    return width_in_points(f" ± {spread}", SPREAD_LETTERS) if spread else 0.0


def _printed_label(row: TableRow) -> str:
    return "mi" * bool(row.letter) + row.label + "".join(row.marks)
