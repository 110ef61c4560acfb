"""Token rows of unequal length as rectangular batches: padded, or bucketed by length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def length_buckets(
    lengths: Sequence[int], batch_tokens: int, rng: np.random.Generator | None = None
) -> list[NDArray[np.int64]]:
    """Group rows of like length so that each batch, padded to its longest row, holds at most ``batch_tokens``.

    A row longer than ``batch_tokens`` is a batch of its own. With ``rng``, rows of equal length and the batches come
    in random order; without it, the longest come first.
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    order = order[np.argsort(-np.asarray(lengths, dtype=np.int64)[order], kind="stable")]
    batches: list[NDArray[np.int64]] = []
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches if rng is None else [batches[index] for index in rng.permutation(len(batches))]


def padded(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    """Join rows of token ids to one tensor, filled up on the right, shape (n, longest row)."""
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows], dtype=torch.long, device=device)
