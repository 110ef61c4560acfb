"""Measure how much the metric and the top-ranked item change with variations that should not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed

if TYPE_CHECKING:
    from bench.plugin import Queries


@dataclass(frozen=True)
class Stability:
    """Results for the same queries, scored several times."""

    values: tuple[float, ...]
    """Mean of the metric per repetition, starting with the original."""
    flip_rate: float | None
    """Share of repeated queries with a different top item than the original; None if top items were not stored."""

    @property
    def spread(self) -> float:
        """Difference of the highest and the lowest value."""
        return max(self.values) - min(self.values)

    @property
    def deviation(self) -> float:
        """Standard deviation of the values, with n - 1 in the denominator."""
        return float(np.std(self.values, ddof=1))


def stability(values: Sequence[float], top_items: Sequence[NDArray[np.integer]] | None) -> Stability:
    """Compare repetitions with the original, which is first in both arguments.

    Args:
        values: Mean of the metric per repetition, at least two.
        top_items: Top-ranked item of each query per repetition, each of shape (n,); None if not known.

    Raises:
        ValueError: there is nothing to compare.
    """
    if len(values) < 2 or (top_items is not None and len(values) != len(top_items)):
        raise ValueError(f"{len(values)} values and {len(top_items or ())} rankings cannot be compared")
    if top_items is None:
        return Stability(tuple(values), None)
    flips = [float(np.mean(again != top_items[0])) for again in top_items[1:]]
    return Stability(tuple(values), float(np.mean(flips)))


def permutations(n: int, n_candidates: int, times: int, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield orders of each query's candidates, drawn separately per query, each of shape (n, n_candidates)."""
    columns = np.broadcast_to(np.arange(n_candidates), (n, n_candidates))
    rng = np.random.default_rng(derived_seed(seed, "permuted-candidates"))
    for _ in range(times):
        yield rng.permuted(columns, axis=1)


def scored_in_order(
    score: Callable[[Queries], NDArray[np.floating]], queries: Queries, order: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Return the scores of permuted candidates, rearranged into the columns of ``queries``."""
    permuted = replace(queries, candidates=np.take_along_axis(queries.candidates, order, axis=1))
    found = np.asarray(score(permuted))
    scores = np.empty_like(found)
    np.put_along_axis(scores, order, found, axis=1)
    return scores
