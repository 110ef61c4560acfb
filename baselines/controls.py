"""Controls: scorers whose results are known in advance or that need no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.plugin import Answers, PrivilegedRecommender, Queries, Recommender, Task
from bench.registry import register


@register("random", title="Random", family="control", cold_rule="like any item", ranks_catalogue=True)
class RandomScorer(Recommender):
    """Independent uniform scores: the chance level, with noise."""

    def fit(self, task: Task) -> None:
        """Keep the seed."""
        self.seed = task.seed

    def score(self, queries: Queries) -> NDArray[np.float64]:
        """Derive each score from (seed, user, item), so that it does not depend on the order of candidates."""
        mixed = queries.users[:, None].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = mixed ^ (queries.candidates.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F))
        return _scrambled(mixed ^ np.uint64(derived_seed(self.seed, "random-scorer")))


@register("popularity", title="Popularity", family="control", cold_rule="zero (no interactions)", ranks_catalogue=True)
class Popularity(Recommender):
    """The number of training interactions of an item."""

    def fit(self, task: Task) -> None:
        """Count the training interactions."""
        self.counts = task.target.item_counts().astype(np.float64)

    def score(self, queries: Queries) -> NDArray[np.float64]:
        """Return the candidates' counts."""
        return self.counts[queries.candidates]


@register("constant", title="Constant", family="control", cold_rule="like any item", ranks_catalogue=True)
class Constant(Recommender):
    """The same score for all candidates; the result must be the chance level, or ties are counted incorrectly."""

    def fit(self, task: Task) -> None:
        """Learn nothing."""

    def score(self, queries: Queries) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(queries.candidates.shape)


@register("oracle", title="Oracle", family="control", privileged=True, cold_rule="like any item", ranks_catalogue=True)
class Oracle(PrivilegedRecommender):
    """Scores the positive 1 and the rest 0; the result must be 1, otherwise ranks are computed incorrectly."""

    def fit(self, task: Task) -> None:
        """Learn nothing."""

    def score_with_answers(self, queries: Queries, answers: Answers) -> NDArray[np.float64]:
        """Return 1 in the positive's column."""
        is_positive = np.arange(queries.candidates.shape[1]) == answers.positive_column[:, None]
        return np.where(is_positive, 1.0, 0.0)


def _scrambled(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Map 64-bit keys to uniform numbers in [0, 1): the finalizer of splitmix64."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform: NDArray[np.float64] = (keys ^ (keys >> np.uint64(31))).astype(np.float64) / 2.0**64
    return uniform
