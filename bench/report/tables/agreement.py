"""Agreement between candidate lists and the full catalogue: Kendall's tau and the pairs of rows that swap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.report.tables.table import CatalogueGroup, ColumnGroup, Table, TableRow
from bench.report.tables.texts import metric_title
from bench.significance.tests import TEST_TITLES, holm, p_value, paired_differences

if TYPE_CHECKING:
    from bench.report.tables.caption import Star

EQUAL_WITHIN = 1e-12
"""Values this close are treated as a tie."""
MOST_PAIRS = 12
"""Maximum number of swapped pairs listed in a note."""

UserValues = Sequence[NDArray[np.float64] | None]
"""Each row's value per user in one column; None for a row without a run."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of two columns on the order of the same rows."""

    tau: float | None
    """Kendall's tau-b; None if all rows are tied in a column."""
    swapped: tuple[tuple[int, int], ...]
    """Pairs of rows in which the first row is higher in the first column and lower in the second."""


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Compare two columns with one value per row.

    tau-b = (concordant - discordant) / sqrt((pairs - tied in the first)(pairs - tied in the second)),
    Kendall 1945; equals scipy.stats.kendalltau, whose import takes longer than building a table.
    """
    n_concordant = n_apart_first = n_apart_second = 0
    swapped = []
    for a, b in combinations(range(len(first)), 2):
        by_first, by_second = _sign(first[a] - first[b]), _sign(second[a] - second[b])
        n_apart_first += by_first != 0
        n_apart_second += by_second != 0
        n_concordant += by_first * by_second > 0
        if by_first * by_second < 0:
            swapped.append((a, b) if by_first > 0 else (b, a))
    scale = sqrt(n_apart_first * n_apart_second)
    return Agreement((n_concordant - len(swapped)) / scale if scale else None, tuple(swapped))


def agreement_notes(table: Table, values: Sequence[UserValues], star: Star) -> tuple[str, ...]:
    """Return a note per metric and column group for which the table has both kinds of candidates.

    Only ranked rows with a score in both columns are used; with fewer than two, there is no note.

    Args:
        table: A table without these notes.
        values: Values per column, row and user, to test whether a swap is significant.
        star: The test and the level of the table's marks.
    """
    notes = []
    for listed, whole in _pairs(table.groups):
        for number, metric in enumerate(table.metrics):
            columns = [group * len(table.metrics) + number for group in (listed, whole)]
            rows = [index for index, row in enumerate(table.rows) if _counts(row, columns)]
            if len(rows) > 1:
                titles = (table.groups[listed].title, table.groups[whole].title)
                heading = f"Agreement of {titles[0]} and {titles[1]} on {len(rows)} rows by {metric_title(metric)}"
                users = [[_present(values[column][row]) for row in rows] for column in columns]
                labels = [table.rows[row].label for row in rows]
                notes.append(f"{heading}: {_in_words(labels, users[0], users[1], star)}")
    return tuple(notes)


def beyond_noise(
    swapped: Sequence[tuple[int, int]],
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    star: Star,
) -> list[bool]:
    """Return for each swapped pair whether its rows differ significantly in both columns (Holm over all of them)."""
    p_values = [
        p_value(
            star.test,
            paired_differences(column[above], column[below]),
            np.random.default_rng(derived_seed(0, "swap", str(above), str(below))),
        )
        for above, below in swapped
        for column in (first, second)
    ]
    corrected = holm(p_values)
    return [max(corrected[2 * pair : 2 * pair + 2]) < star.level for pair in range(len(swapped))]


def _in_words(
    labels: Sequence[str], first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]], star: Star
) -> str:
    found = agreement(*([float(users.mean()) for users in column] for column in (first, second)))
    tau = "undefined (all rows tied in one of them)" if found.tau is None else f"{found.tau:.2f}"
    if not found.swapped:
        return f"Kendall's τ-b = {tau}. No pairs swap."
    certain = beyond_noise(found.swapped, first, second, star)
    named = [
        f"{labels[above]} above {labels[below]}{' (!)' * is_certain}"
        for (above, below), is_certain in zip(found.swapped, certain, strict=True)
    ]
    rest = [f"and {len(named) - MOST_PAIRS} more"] * (len(named) > MOST_PAIRS)
    test = f"p < {star.level:g}, {TEST_TITLES[star.test]}, Holm-corrected over {2 * len(named)} differences"
    verdict = "(!): significant in both" if any(certain) else "No pair is significant in both"
    return f"Kendall's τ-b = {tau}. Only in the first: {'; '.join(named[:MOST_PAIRS] + rest)}. {verdict} ({test})."


def _pairs(groups: Sequence[ColumnGroup]) -> Iterator[tuple[int, int]]:
    """Yield the indices of a candidate-list group and of the full-catalogue group with the same queries."""
    for number, group in enumerate(groups):
        if isinstance(group, CatalogueGroup):
            for other, listed in enumerate(groups):
                if not isinstance(listed, CatalogueGroup) and group.same_queries_as(listed):
                    yield other, number


def _counts(row: TableRow, columns: Sequence[int]) -> bool:
    has_both = all(row.cells[column].value is not None for column in columns)
    return has_both and not row.reference and not row.toy


def _present(users: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if users is None:
        raise ValueError("a row without runs cannot be ordered")
    return users


def _sign(difference: float) -> int:
    return 0 if abs(difference) <= EQUAL_WITHIN else (1 if difference > 0 else -1)
