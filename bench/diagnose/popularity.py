"""Measure popularity bias: the popularity of top-ranked items, and the metric by the positive's popularity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bench.metrics import Tops

N_GROUPS = 5


@dataclass(frozen=True)
class PopularityBias:
    """Mean popularity in training interactions."""

    top: float
    """Mean over the candidates ranked first."""
    positive: float
    """Mean over the positives."""

    @property
    def ratio(self) -> float | None:
        """Popularity of the top candidates relative to the positives; None if no positive has training interactions."""
        return self.top / self.positive if self.positive else None


@dataclass(frozen=True)
class Group:
    """Queries whose positives have similar popularity."""

    lowest: int
    """Smallest number of training interactions of a positive."""
    highest: int
    """Largest number of training interactions of a positive."""
    n_queries: int
    value: float
    """Mean of the metric."""


def popularity_bias(tops: Tops) -> PopularityBias:
    """Return the mean popularity of the top-ranked candidates and of the positives."""
    return PopularityBias(float(tops.top_count.mean()), float(tops.positive_count.mean()))


def by_popularity(
    values: NDArray[np.float64], positive_count: NDArray[np.integer], n_groups: int = N_GROUPS
) -> list[Group]:
    """Return a metric by quantile group of the positive's popularity, with the least popular first.

    Queries with equally popular positives are in the same group, so groups may differ in size, and there are fewer of
    them if many positives are equally popular: only one in the cold setting, in which positives have no interactions.

    Args:
        values: The metric per query, shape (n,).
        positive_count: Training interactions of each positive, shape (n,).
        n_groups: Maximum number of groups; 5 gives quintiles.
    """
    edges = np.quantile(positive_count, np.arange(1, n_groups) / n_groups, method="inverted_cdf")
    group_of = np.searchsorted(np.unique(edges), positive_count, side="left")
    return [_group(values[group_of == group], positive_count[group_of == group]) for group in np.unique(group_of)]


def _group(values: NDArray[np.float64], counts: NDArray[np.integer]) -> Group:
    return Group(int(counts.min()), int(counts.max()), len(values), float(values.mean()))
