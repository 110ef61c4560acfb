"""Convergence in tables: ↗ at rows or scores, the caption's sentence, and ``--strict``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.learning.convergence import IN_WORDS

if TYPE_CHECKING:
    from bench.report.tables.layout import RowSlots
    from bench.report.tables.table import Cell, Table, TableRow

UNCHECKED_NOTE = "Pre-trained for a fixed number of epochs without validation: {labels}."


def with_arrows(row: TableRow) -> TableRow:
    """Return a row with ↗ at its label if no score's training converged, else at each such score."""
    trained = [cell for cell in row.cells if cell.ended is not None]
    if trained and all(map(_is_open, trained)):
        return replace(row, arrow=True)
    return replace(row, cells=tuple(replace(cell, arrow=_is_open(cell)) for cell in row.cells))


def convergence_sentence(rows: Sequence[TableRow]) -> str:
    """Return the caption's sentence on ↗: how many rows have it and why; empty if none has."""
    counts = Counter(row.ended for row in rows if row.ended is not None)
    reasons = [f"{IN_WORDS[ended]} ({counts[ended]})" for ended in IN_WORDS if counts[ended] and ended != "converged"]
    n_open = counts.total() - counts["converged"]
    if not n_open:
        return ""
    return f"↗: not trained to convergence ({n_open} of {counts.total()} trained rows: {', '.join(reasons)})."


def unchecked_notes(rows: Sequence[RowSlots]) -> tuple[str, ...]:
    """Return a note on rows with a training stage without validation; empty if there are none."""
    labels = [row.label for row in rows if any(record.fit.unchecked_stages for record in row.records)]
    return (UNCHECKED_NOTE.format(labels=", ".join(labels)),) if labels else ()


def require_converged(table: Table) -> None:
    """Raise BenchError if rows were not trained to convergence, listing them and how to train longer."""
    found = [f"{row.label} ({row.ended})" for row in table.rows if row.ended not in (None, "converged")]
    if found:
        raise BenchError(
            f"Not trained to convergence in table '{table.name}': {', '.join(found)}. Run these again with a higher "
            "-p epochs and -p patience=5 or more, or remove --strict to print the table with these rows marked."
        )


def _is_open(cell: Cell) -> bool:
    return cell.ended not in (None, "converged")
