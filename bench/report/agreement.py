"""Whether frozen lists and the whole catalogue order a table's rows alike: Kendall's tau and the pairs that swap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

from bench.report.table import CatalogueGroup, ColumnGroup, Table, TableRow, metric_title

EQUAL_WITHIN = 1e-12
"""Values this close are a tie."""
MOST_PAIRS = 12
"""Swapped pairs that a note names."""


@dataclass(frozen=True)
class Agreement:
    """How two columns order the same rows."""

    tau: float | None
    """Kendall's tau-b; None where a column puts all rows level."""
    n_rows: int
    swapped: tuple[tuple[str, str], ...]
    """Labels of two rows of which the first column puts the first higher, and the second the other one."""


def agreement(labels: Sequence[str], first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Compare two columns of values of the rows ``labels``.

    tau-b = (concordant - discordant) / sqrt((pairs - tied in the first)(pairs - tied in the second)),
    Kendall 1945; the same as scipy.stats.kendalltau, which takes longer to import than a table to build.
    """
    n_concordant = n_apart_first = n_apart_second = 0
    swapped = []
    for a, b in combinations(range(len(labels)), 2):
        by_first, by_second = _sign(first[a] - first[b]), _sign(second[a] - second[b])
        n_apart_first += by_first != 0
        n_apart_second += by_second != 0
        n_concordant += by_first * by_second > 0
        if by_first * by_second < 0:
            swapped.append((labels[a], labels[b]) if by_first > 0 else (labels[b], labels[a]))
    scale = sqrt(n_apart_first * n_apart_second)
    tau = (n_concordant - len(swapped)) / scale if scale else None
    return Agreement(tau, len(labels), tuple(swapped))


def agreement_notes(table: Table) -> tuple[str, ...]:
    """Return a note for each metric of each place of which the table has both kinds of candidates.

    Rows count that may take a mark and have a figure in both columns; fewer than two give no note.
    """
    notes = []
    for listed, whole in _pairs(table.groups):
        for number, metric in enumerate(table.metrics):
            columns = [group * len(table.metrics) + number for group in (listed, whole)]
            rows = [row for row in table.rows if _counts(row, columns)]
            if len(rows) > 1:
                values = [[row.cells[column].value or 0.0 for row in rows] for column in columns]
                found = agreement([row.label for row in rows], *values)
                notes.append(_note(table.groups[listed], table.groups[whole], metric, found))
    return tuple(notes)


def _pairs(groups: Sequence[ColumnGroup]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of a group of frozen lists and of that of the whole catalogue which follows from it."""
    for number, group in enumerate(groups):
        if isinstance(group, CatalogueGroup):
            for other, listed in enumerate(groups):
                if not isinstance(listed, CatalogueGroup) and group.same_queries_as(listed):
                    yield other, number


def _counts(row: TableRow, columns: Sequence[int]) -> bool:
    has_both = all(row.cells[column].value is not None for column in columns)
    return has_both and not row.reference and not row.toy


def _note(listed: ColumnGroup, whole: ColumnGroup, metric: str, found: Agreement) -> str:
    tau = "undefined (all level in one of them)" if found.tau is None else f"{found.tau:.2f}"
    heading = f"Orders of {found.n_rows} rows by {metric_title(metric)}, {listed.title} and {whole.title}"
    rest = len(found.swapped) - MOST_PAIRS
    named = "; ".join(f"{above} above {below}" for above, below in found.swapped[:MOST_PAIRS])
    more = f"; and {rest} more" if rest > 0 else ""
    turned = f" Only the first puts {named}{more}." if found.swapped else " No two rows swap."
    return f"{heading}: Kendall's τ-b = {tau}.{turned}"


def _sign(difference: float) -> int:
    return 0 if abs(difference) <= EQUAL_WITHIN else (1 if difference > 0 else -1)
