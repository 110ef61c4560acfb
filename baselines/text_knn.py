"""Text k-NN: rank candidates by the similarity of their titles to the recent history, without any training.

A candidate's score is the cosine of its title vector with the sum of the history's unit vectors over the last 20
items, weighted by 0.7 per step back in time. No paper reports this baseline; a trained text method with a lower score
needs an explanation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import NDArray

from bench.lm.encoders.title_vectors import title_vectors
from bench.lm.encoders.tower_batches import RECENCY_DECAY
from bench.lm.encoders.towers import tower_scores
from bench.lm.language_model import MAX_HISTORY
from bench.lm.loading import task_backbone
from bench.plugin import FitReport, Queries, Recommender, Task
from bench.registry import register

if TYPE_CHECKING:
    import numpy as np


@register(
    "text-knn",
    title="Text k-NN",
    family="control",
    needs_titles=True,
    runs_on="text-encoder",
    cold_rule="title text",
    ranks_catalogue=True,
)
class TextNearestNeighbor(Recommender):
    """Cosine between title vectors of the pre-trained encoder."""

    def fit(self, task: Task) -> None:
        """Encode the catalogue's titles or load their vectors from the cache."""
        self.vectors = title_vectors(task.target, task_backbone(task), task.artifacts, task.progress, task.device)

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the cosines, shape (n, n_candidates)."""
        return tower_scores(self.vectors, queries)

    def report(self) -> FitReport:
        """Return the two constants."""
        return FitReport(trained_parameters=0).stating(recency_decay=RECENCY_DECAY, max_history=MAX_HISTORY)
