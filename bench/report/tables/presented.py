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


def presented(table: Table, for_paper: bool = False) -> Table:
    """Return a table as text, Markdown, LaTeX and HTML show it; CSV and JSON contain all of it.

    ``for_paper`` is for LaTeX, in which what is left out is a comment, as commands of missing runs are.
    """
    shown, note = without_empty(table)
    if not note:
        return _with_notes(table)
    if for_paper:
        return _with_notes(replace(shown, comments=(*table.comments, note)))
    return _with_notes(replace(shown, footnotes=(*table.footnotes, note)))


def without_empty(table: Table) -> tuple[Table, str]:
    """Leave out rows and column groups without any score, and return a note that names them.

    An empty table stays as it is; the note is empty if nothing is left out.
    """
    rows = [number for number, row in enumerate(table.rows) if not _is_empty(row)]
    groups = table.shown_groups
    if not rows or (len(rows) == len(table.rows) and len(groups) == len(table.groups)):
        return table, ""
    labels = [row.label for number, row in enumerate(table.rows) if number not in rows]
    labels += [group.title for number, group in enumerate(table.groups) if number not in groups]
    note = (NOT_SHOWN if table.groups[0].title else NOT_COUNTED).format(labels="; ".join(labels))
    columns = table.shown_columns
    shown = replace(
        table,
        groups=tuple(table.groups[number] for number in groups),
        rows=tuple(replace(row, cells=_chosen(row.cells, columns)) for row in _chosen(table.rows, rows)),
        summaries=tuple(replace(one, values=_chosen(one.values, rows)) for one in table.summaries),
        improvements=_chosen(table.improvements, columns) if table.improvements else (),
    )
    return shown, note


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
    return replace(table, caption=caption, footnotes=notes, comments=(*table.comments, *hidden))


def _is_empty(row: TableRow) -> bool:
    return all(cell.value is None for cell in row.cells)


def _chosen(values: Sequence[Kind], numbers: Sequence[int]) -> tuple[Kind, ...]:
    return tuple(values[number] for number in numbers)
