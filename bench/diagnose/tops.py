"""What a run ranked first, and how popular that was: stored with the ranks, for no later reader has the scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Tops:
    """The top of each query's ranking beside its positive."""

    top_item: NDArray[np.int32]
    """The candidate with the highest score, the lowest item index where several have it, shape (n,)."""
    top_count: NDArray[np.float32]
    """Training interactions of the top candidate, the mean over those that share the highest score, shape (n,)."""
    positive_count: NDArray[np.int32]
    """Training interactions of the positive, shape (n,)."""

    def __len__(self) -> int:
        return len(self.top_item)


def top_items(scores: NDArray[np.floating], candidates: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the item with the highest score of each query, the lowest index of several, shape (n,)."""
    is_top = scores == scores.max(axis=1, keepdims=True)
    lowest: NDArray[np.int32] = np.where(is_top, candidates, np.iinfo(np.int32).max).min(axis=1).astype(np.int32)
    return lowest


def top_ranked(
    scores: NDArray[np.floating],
    candidates: NDArray[np.integer],
    positive_column: NDArray[np.int64],
    counts: NDArray[np.integer],
) -> Tops:
    """Find the top of each ranking; neither it nor its popularity depends on the order of the candidates.

    Args:
        scores: Larger is better, no NaN, shape (n, n_candidates).
        candidates: Item indices, shape (n, n_candidates).
        positive_column: Column of each positive, shape (n,).
        counts: Training interactions of each item, shape (n_items,).
    """
    is_top = scores == scores.max(axis=1, keepdims=True)
    top_count = np.where(is_top, counts[candidates], 0).sum(axis=1) / is_top.sum(axis=1)
    positives = np.take_along_axis(candidates, positive_column[:, None], axis=1)[:, 0]
    return Tops(top_items(scores, candidates), top_count.astype(np.float32), counts[positives].astype(np.int32))
