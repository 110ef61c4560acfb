"""User analysis: wins, losses and differences of every pair of rows, by buckets of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import Metric, per_user
from bench.report.page.content import Axis, UserAnalysis

if TYPE_CHECKING:
    from bench.report.tables.values import SlotValues

METRIC = "ndcg@3"
"""Metric of means and differences; wins are counted by the rank of the positive, independent of any cutoff."""
MOST_BUCKETS = 5
DECIMALS = 6


@dataclass(frozen=True, eq=False)
class ShownLists:
    """Histories and candidates of the queries, in stored order, with the titles of the catalogue."""

    history_indptr: NDArray[np.int64]
    """Row starts of the histories, shape (n + 1,)."""
    history_items: NDArray[np.int32]
    """Items of all histories, oldest first."""
    candidates: NDArray[np.int32]
    """Shape (n, n_candidates)."""
    positives: NDArray[np.int32]
    """Shape (n,)."""
    titles: Sequence[str]
    """One per item; empty if the item has none."""
    item_ids: Sequence[str] | NDArray[Any]
    """Original ids, one per item."""


@dataclass(frozen=True, eq=False)
class QueryFacts:
    """Properties of each query from the prepared data, in stored order."""

    history_lengths: NDArray[np.int64]
    """Length of the query's history, shape (n,)."""
    popularity: NDArray[np.int64]
    """Number of interactions of the positive, shape (n,)."""
    popularity_title: str
    """Description of these interactions."""
    lists: ShownLists | None = None
    """What the queries contain; None if it is not shown."""


@dataclass(frozen=True, eq=False)
class _RowValues:
    """Per-user values of one row, averaged over seeds, shape (n,) each."""

    rank: NDArray[np.float64]
    metric: NDArray[np.float64]


def analyze_users(rows: Sequence[SlotValues], facts: QueryFacts | str) -> UserAnalysis:
    """Compare all rows of a board per query.

    Args:
        rows: The runs of each row with their ranks; all scored the same queries.
        facts: The properties of the queries, or the reason why they are not available.
    """
    values = [_row_values(row) for row in rows]
    everything = np.zeros(len(values[0].rank), dtype=np.int64)
    axes = [_axis("all", "All queries", ("all",), everything, values)]
    if isinstance(facts, QueryFacts):
        for name, title, sizes in (
            ("history", "History length", facts.history_lengths),
            ("popularity", facts.popularity_title, facts.popularity),
        ):
            labels, bucket = buckets(sizes)
            axes.append(_axis(name, title, labels, bucket, values))
    return UserAnalysis(METRIC, tuple(range(len(rows))), tuple(axes), "" if isinstance(facts, QueryFacts) else facts)


def buckets(sizes: NDArray[np.integer], at_most: int = MOST_BUCKETS) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Split integers into at most ``at_most`` ranges of about equal size, with equal numbers in the same range.

    Returns:
        The ranges as text, ascending, and the index of each number's range, shape (n,).
    """
    shares = np.arange(1, at_most + 1) / at_most
    highest = np.unique(np.quantile(sizes, shares, method="inverted_cdf")).astype(np.int64)
    lowest = np.concatenate([[sizes.min()], highest[:-1] + 1])
    labels = [str(low) if low == high else f"{low:,}–{high:,}" for low, high in zip(lowest, highest, strict=True)]
    return tuple(labels), np.searchsorted(highest, sizes)


def _row_values(row: SlotValues) -> _RowValues:
    ranks = [run.better + 1.0 + run.tied / 2 for run in row.ranks]
    metric = Metric.parse(METRIC)
    runs = zip(row.records, row.ranks, strict=True)
    gains = [per_user(ranks_, metric, record.n_candidates) for record, ranks_ in runs]
    return _RowValues(np.mean(ranks, axis=0), np.mean(gains, axis=0))


def _axis(
    name: str, title: str, labels: tuple[str, ...], bucket: NDArray[np.int64], rows: Sequence[_RowValues]
) -> Axis:
    counts = np.bincount(bucket, minlength=len(labels))
    means = [_rounded(np.bincount(bucket, row.metric, len(labels)) / counts) for row in rows]
    pairs = [_pair(a, b, bucket, counts) for a, b in combinations(rows, 2)]
    return Axis(name, title, labels, tuple(counts.tolist()), tuple(means), tuple(pairs))


def _pair(
    a: _RowValues, b: _RowValues, bucket: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[tuple[int, int, float | None], ...]:
    wins = np.bincount(bucket[a.rank < b.rank], minlength=len(counts))
    losses = np.bincount(bucket[a.rank > b.rank], minlength=len(counts))
    errors = standard_errors(a.metric - b.metric, bucket, counts)
    return tuple(zip(wins.tolist(), losses.tolist(), errors, strict=True))


def standard_errors(
    differences: NDArray[np.float64], bucket: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[float | None, ...]:
    """Return the standard error of each bucket's mean; None for a bucket with one query."""
    means = np.bincount(bucket, differences, len(counts)) / counts
    squares = np.bincount(bucket, (differences - means[bucket]) ** 2, len(counts))
    pairs = zip(squares.tolist(), counts.tolist(), strict=True)
    return tuple(round((square / (n - 1) / n) ** 0.5, DECIMALS) if n > 1 else None for square, n in pairs)


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, DECIMALS).tolist())
