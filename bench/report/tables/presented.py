"""What a printed table shows: no empty rows and columns, and as many explanations as its options ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from bench.report.tables.table import Table, TableRow

NOT_SHOWN = "Not shown, as no run is stored: {labels}."
NOT_COUNTED = "Not shown, as not counted: {labels}."
Kind = TypeVar("Kind")


def presented(table: Table) -> Table:
    """Return a table as text, Markdown, LaTeX and HTML show it; CSV and JSON contain all of it."""
    return _with_notes(without_empty(table))


def without_empty(table: Table) -> Table:
    """Leave out rows and column groups without any score, and name them in a note; an empty table stays as it is."""
    rows = [number for number, row in enumerate(table.rows) if not _is_empty(row)]
    groups = [
        number for number in range(len(table.groups)) if any(_has_scores(table, row, number) for row in table.rows)
    ]
    if not rows or (len(rows) == len(table.rows) and len(groups) == len(table.groups)):
        return table
    labels = [row.label for number, row in enumerate(table.rows) if number not in rows]
    labels += [group.title for number, group in enumerate(table.groups) if number not in groups]
    note = (NOT_SHOWN if table.groups[0].title else NOT_COUNTED).format(labels=", ".join(labels))
    columns = [column for group in groups for column in _columns_of(table, group)]
    return replace(
        table,
        groups=tuple(table.groups[number] for number in groups),
        rows=tuple(replace(row, cells=_chosen(row.cells, columns)) for row in _chosen(table.rows, rows)),
        summaries=tuple(replace(one, values=_chosen(one.values, rows)) for one in table.summaries),
        improvements=_chosen(table.improvements, columns) if table.improvements else (),
        footnotes=(*table.footnotes, note),
    )


def _with_notes(table: Table) -> Table:
    """Move the explanations that are not to be printed into comments."""
    level = table.options.notes
    if level == "full":
        return table
    title = table.title or table.caption
    caption, notes = (
        (title, ()) if level == "none" else (" ".join(filter(None, [title, table.legend])), table.key_notes)
    )
    hidden = [table.caption] * (table.caption != caption) + [note for note in table.footnotes if note not in notes]
    return replace(table, caption=caption, footnotes=notes, comments=tuple(hidden))


def _has_scores(table: Table, row: TableRow, group: int) -> bool:
    return any(row.cells[column].value is not None for column in _columns_of(table, group))


def _is_empty(row: TableRow) -> bool:
    return all(cell.value is None for cell in row.cells)


def _columns_of(table: Table, group: int) -> range:
    span = len(table.metrics)
    return range(group * span, (group + 1) * span)


def _chosen(values: Sequence[Kind], numbers: Sequence[int]) -> tuple[Kind, ...]:
    return tuple(values[number] for number in numbers)
