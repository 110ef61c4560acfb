"""Compute the rank of the positive and the metrics that follow from it, as pure functions of arrays.

Ties count as their expected value over all orders of the tied candidates, so a constant scorer scores chance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

DEFAULT_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@1", "hit@3", "hit@5", "hit@10", "mrr@5", "mrr@10")
FULL_CUTOFFS = (1, 3, 5, 10, 20, 50, 100)
FULL_METRICS = tuple(f"{name}@{cutoff}" for name in ("ndcg", "hit", "mrr") for cutoff in FULL_CUTOFFS)
"""Metrics of a run that ranks the full catalogue."""
SAME = {"recall": "hit", "map": "mrr"}
"""Metrics that are others under a second name, as each query has one positive."""
MEANINGS = {
    "ndcg": "1 / log2(rank + 1) if the rank of the positive is at most {k}, else 0",
    "hit": "1 if the rank of the positive is at most {k}, else 0",
    "mrr": "1 / rank if the rank of the positive is at most {k}, else 0",
    "auc": "share of the negatives ranked below the positive",
}
EXPECTED_METRICS = "ndcg@k, hit@k (recall@k), mrr@k (map@k) or auc"
N_CANDIDATES = 30
"""Usual length of a candidate list: the positive and :data:`bench.spec.N_NEGATIVES`."""
LONGEST_TABULATED = 256
"""Longest candidate list with a table of expected gains; a table for a whole catalogue would not fit in memory."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """The rank of each query's positive, given as the candidates above it and tied with it."""

    better: NDArray[np.integer]
    """Candidates scored strictly above the positive, shape (n,)."""
    tied: NDArray[np.integer]
    """Other candidates with the same score as the positive, shape (n,)."""

    def __len__(self) -> int:
        return len(self.better)

    @property
    def tie_rate(self) -> float:
        """Fraction of queries whose positive is tied with another candidate."""
        return float(np.mean(self.tied > 0)) if len(self) else 0.0


@dataclass(frozen=True)
class Metric:
    """A metric with its cutoff; its string form is the parsed text, such as ``ndcg@3``."""

    name: str
    cutoff: int | None
    """None for the AUC, which counts all ranks."""

    def __str__(self) -> str:
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Parse ``ndcg@3``, ``hit@1``, ``recall@1``, ``mrr@10``, ``map@10`` or ``auc``; raise ValueError otherwise."""
        if text == "auc":
            return cls(text, None)
        match = re.fullmatch(r"(ndcg|hit|recall|mrr|map)@([1-9]\d*)", text)
        if match is None:
            raise ValueError(f"not a metric: {text!r} (expected {EXPECTED_METRICS})")
        return cls(match[1], int(match[2]))

    @property
    def meaning(self) -> str:
        """What it measures, for one query without ties."""
        return MEANINGS[SAME.get(self.name, self.name)].format(k=self.cutoff)

    def gains(self, n_candidates: int) -> NDArray[np.float64]:
        """Return the metric's value for each rank of the positive from 1 to ``n_candidates``."""
        if self.cutoff is None:
            return np.linspace(1, 0, n_candidates)  # a single candidate has no negatives, and gets 1
        gain: Callable[[int], float] = {
            "ndcg": lambda rank: 1 / math.log2(rank + 1),  # the last digit of numpy's log2 depends on the CPU
            "hit": lambda _rank: 1.0,
            "mrr": lambda rank: 1 / rank,
        }[SAME.get(self.name, self.name)]
        gains = np.zeros(n_candidates)
        counted = min(self.cutoff, n_candidates)
        gains[:counted] = [gain(rank) for rank in range(1, counted + 1)]
        return gains


def rank_positive(scores: NDArray[np.floating], positive_column: NDArray[np.int64]) -> Ranks:
    """Count the candidates above each positive and tied with it.

    ``scores`` has shape (n, n_candidates) without NaN; ``positive_column`` has shape (n,).
    """
    positive = np.take_along_axis(scores, positive_column[:, None], axis=1)
    # the positive equals itself, which is not a tie
    return Ranks(_count_rows(scores > positive), _count_rows(scores == positive) - np.int16(1))


def per_user(ranks: Ranks, metric: Metric, n_candidates: int = N_CANDIDATES) -> NDArray[np.float64]:
    """Return the metric's expected value per query, shape (n,); ``n_candidates`` is the length of the longest list."""
    if n_candidates > LONGEST_TABULATED:
        return _mean_gains(metric.gains(n_candidates), ranks.better.astype(np.int64), ranks.tied.astype(np.int64))
    # a metric has one value per (better, tied), so a lookup in a small table is enough for all queries
    gains = _expected_gains(metric, n_candidates).ravel()
    return gains.take(ranks.better.astype(np.int32) * n_candidates + ranks.tied)


def same_metric(name: str) -> str:
    """Return the first name of a metric, such as ``hit@3`` for ``recall@3``, so that both have the same intervals."""
    kind, at, cutoff = name.partition("@")
    return SAME.get(kind, kind) + at + cutoff


def chance(metric: Metric, n_candidates: int = N_CANDIDATES) -> float:
    """Return the chance level: the expected value of random ranking."""
    return float(metric.gains(n_candidates).mean())


def _count_rows(mask: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Count the true values per row; summing bytes is several times faster than count_nonzero on short rows."""
    total = np.uint8 if mask.shape[1] <= np.iinfo(np.uint8).max else np.int16
    counts: NDArray[np.integer] = np.einsum("ij->i", mask.view(np.uint8), dtype=total)
    return counts.astype(np.int16)


@cache
def _expected_gains(metric: Metric, n_candidates: int) -> NDArray[np.float64]:
    """Return the table of expected gains by (better, tied)."""
    better, tied = np.indices((n_candidates, n_candidates))
    return _mean_gains(metric.gains(n_candidates), better, tied)


def _mean_gains(gains: NDArray[np.float64], better: NDArray[np.int64], tied: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean gain of ranks better + 1 … better + 1 + tied; ``gains`` has one value per rank."""
    # a sum of gains over consecutive ranks is a difference of running sums; the minimum handles the pairs
    # (better, tied) of the table that do not occur in any list
    cumulative = np.concatenate([[0.0], np.cumsum(gains)])
    last = np.minimum(better + tied + 1, len(gains))
    expected: NDArray[np.float64] = (cumulative[last] - cumulative[better]) / (tied + 1)
    return expected


@dataclass(frozen=True, eq=False)
class Tops:
    """The top candidate of each query's ranking, and the training popularity of that candidate and of the positive."""

    top_item: NDArray[np.int32]
    """The candidate with the highest score, shape (n,); the lowest item index if several share it."""
    top_count: NDArray[np.float32]
    """Training interactions of the top candidate, shape (n,); the mean if several share the highest score."""
    positive_count: NDArray[np.int32]
    """Training interactions of the positive, shape (n,)."""

    def __len__(self) -> int:
        return len(self.top_item)


def top_items(scores: NDArray[np.floating], candidates: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the item with the highest score per query, shape (n,); the lowest item index if several share it."""
    rows, columns = np.nonzero(scores == scores.max(axis=1, keepdims=True))
    return _lowest_by_row(candidates[rows, columns], rows)


def _lowest_by_row(items: NDArray[np.integer], rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the lowest item of each row; ``rows`` ascends and leaves out none."""
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    lowest: NDArray[np.int32] = (
        np.minimum.reduceat(items, starts).astype(np.int32) if len(rows) else items[:0].astype(np.int32)
    )
    return lowest


def top_ranked(
    scores: NDArray[np.floating],
    candidates: NDArray[np.integer],
    positive_column: NDArray[np.int64],
    counts: NDArray[np.integer],
) -> Tops:
    """Find the top of each ranking and its popularity, independently of the order of the candidates.

    Args:
        scores: Larger is better, no NaN, shape (n, n_candidates).
        candidates: Item indices, shape (n, n_candidates).
        positive_column: Column of each positive, shape (n,).
        counts: Training interactions of each item, shape (n_items,).
    """
    rows, columns = np.nonzero(scores == scores.max(axis=1, keepdims=True))
    top = candidates[rows, columns]  # mostly one per row
    top_count = np.bincount(rows, weights=counts[top], minlength=len(scores)) / np.bincount(rows, minlength=len(scores))
    positives = np.take_along_axis(candidates, positive_column[:, None], axis=1)[:, 0]
    return Tops(_lowest_by_row(top, rows), top_count.astype(np.float32), counts[positives].astype(np.int32))
