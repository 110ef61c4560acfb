"""Popularity bias: how popular the items ranked first are, and how much a positive's popularity helps it."""

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
    """Of the candidates ranked first."""
    positive: float
    """Of the positives."""

    @property
    def ratio(self) -> float | None:
        """How many times as popular as the positives the top candidates are; None where nobody touched a positive."""
        return self.top / self.positive if self.positive else None


@dataclass(frozen=True)
class Group:
    """Queries whose positives are about equally popular."""

    lowest: int
    """Fewest training interactions of a positive."""
    highest: int
    """Most training interactions of a positive."""
    n_queries: int
    value: float
    """Mean of the metric."""


def popularity_bias(tops: Tops) -> PopularityBias:
    """Return the mean popularity of what was ranked first and of what should have been."""
    return PopularityBias(float(tops.top_count.mean()), float(tops.positive_count.mean()))


def by_popularity(
    values: NDArray[np.float64], positive_count: NDArray[np.integer], n_groups: int = N_GROUPS
) -> list[Group]:
    """Return a metric by quantile group of the positive's popularity, the least popular first.

    Queries with equally popular positives stay in one group, so groups may differ in size, and there are fewer of them
    where many positives are equally popular: a single one in the cold setting, where nobody touched a positive.

    Args:
        values: The metric for each query, shape (n,).
        positive_count: Training interactions of each positive, shape (n,).
        n_groups: Groups at most; 5 gives quintiles.
    """
    edges = np.quantile(positive_count, np.arange(1, n_groups) / n_groups, method="inverted_cdf")
    group_of = np.searchsorted(np.unique(edges), positive_count, side="left")
    return [_group(values[group_of == group], positive_count[group_of == group]) for group in np.unique(group_of)]


def _group(values: NDArray[np.float64], counts: NDArray[np.integer]) -> Group:
    return Group(int(counts.min()), int(counts.max()), len(values), float(values.mean()))
