"""Where a table stands on the page of a paper, in what letters and how many panels: estimated without LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.report.formats.latex_text import width_in_points
from bench.report.tables.table import Cell, Table, TableRow, shortened_letters


@dataclass(frozen=True)
class Layout:
    """A way to set a table; all lengths in points."""

    environment: str
    size: str
    """Command for the size of its letters."""
    letters: float
    """Height of large letters as wide as these: small letters are wider for their height."""
    row: float
    """Distance of rows, the rules between them included."""
    separation: float
    """Space on either side of a column."""
    width: float
    """What it may be wide."""


COLUMN, PAGE = 240.0, 500.0
"""Width of one column of a two-column page, and of the page."""
FLOAT_HEIGHT = 640.0
"""What a page has room for, under a running head."""
LAYOUTS = (
    Layout("table", r"\small", 9.3, 11.5, 4.0, COLUMN),
    Layout("table*", r"\small", 9.3, 11.5, 6.0, PAGE),
    Layout("table*", r"\small", 9.3, 11.5, 3.0, PAGE),
    Layout("table*", r"\footnotesize", 8.5, 10.0, 3.0, PAGE),
    Layout("table*", r"\scriptsize", 8.0, 8.8, 2.0, PAGE),
)
SPREAD_LETTERS = 6.6
"""Height of the tiny letters of a standard deviation, as in a layout."""
CAPTION, NOTES = (9.2, 12.0), (7.4, 9.5)
"""Letters and distance of lines of captions and of notes."""
HEAD_LINES = 5
"""Lines of a panel that are no rows, rules included."""


def laid_out(table: Table) -> tuple[list[list[Table]], Layout]:
    """Return a table's panels by the float they stand in, one above another, and the layout of all.

    They are the fewest panels that fit a layout in width, in the first such layout. A float has as many as a page has
    room for, and one at least.
    """
    for n_panels in range(1, len(table.groups) + 1):
        panels = _panels(table, n_panels)
        for layout in LAYOUTS:
            is_too_tall = layout.width == COLUMN and height_in_points(table, n_panels, layout) > FLOAT_HEIGHT
            if not is_too_tall and all(_fits(panel, layout) for panel in panels):
                return _floats(panels, layout), layout
    return _floats(_panels(table, len(table.groups)), LAYOUTS[-1]), LAYOUTS[-1]


def height_in_points(table: Table, n_panels: int, layout: Layout, *, has_caption: bool = True) -> float:
    """Estimate how tall so many panels of a table are in a float, its notes included."""
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
    n_lines = len(table.rows) + len({row.group for row in table.rows}) + HEAD_LINES
    return n_lines * layout.row


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
    signs = width_in_points(raised, letters * 0.75) + width_in_points(cell.arrow_text, letters)
    return bold * width_in_points(mean, letters) + signs + _spread_width(spread)


def _spread_width(spread: str) -> float:
    return width_in_points(f" ± {spread}", SPREAD_LETTERS) if spread else 0.0


def _printed_label(row: TableRow) -> str:
    return "mi" * bool(row.letter) + row.label + "".join(row.marks)
