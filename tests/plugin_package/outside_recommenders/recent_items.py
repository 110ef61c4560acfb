"""A recommender that works, and one whose name is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.plugin import Queries, Recommender, Task
from bench.registry import register

print("a greeting that nobody asked for")


@register("recent-items", family="control", paper="Somebody Else 2026", cold_rule="never touched: zero")
class RecentItems(Recommender):
    """An item counts by how late in their histories users touched it."""

    @dataclass(frozen=True)
    class Params:
        """Hyper-parameters."""

        decay: float = 0.5
        """Weight of each step back."""

    def fit(self, task: Task) -> None:
        """Sum the weights of each item."""
        target = task.target
        steps_back = np.repeat(target.indptr[1:], np.diff(target.indptr)) - 1 - np.arange(target.n_interactions)
        self.weights = np.bincount(target.items, self.params.decay**steps_back, minlength=target.n_items)

    def score(self, queries: Queries) -> NDArray[np.float64]:
        """Return the candidates' sums."""
        return self.weights[queries.candidates]


@register("popularity", family="control", cold_rule="never touched: zero")
class Popularity(RecentItems):
    """Bears the name of another."""
