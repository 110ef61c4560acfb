"""Represent interactions as a graph of users and items, with sparse products that are fast on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from bench.learning.sequences import Rows


def touched(indptr: Rows, items: NDArray[np.int32], n_items: int) -> sp.csr_array:
    """Return the 0/1 matrix of histories and items, shape (n_histories, n_items); a repeated item counts once."""
    ones = np.ones(len(items), dtype=np.float32)
    matrix = sp.csr_array((ones, items.astype(np.int64), indptr.copy()), shape=(len(indptr) - 1, n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def untouched(histories: sp.csr_array, negatives: NDArray[np.int64], group_size: int) -> NDArray[np.bool_]:
    """Return which negatives of its group are not in each row's history, shape (n, k).

    Args:
        histories: History of each row, shape (n, n_items).
        negatives: Items per group of rows, ascending, shape (n_groups, k).
        group_size: Rows per group; the last group may have fewer.
    """
    (n_rows, n_items), (n_groups, k) = histories.shape, negatives.shape
    drawn = (np.arange(n_groups)[:, None] * n_items + negatives).ravel()
    rows = np.repeat(np.arange(n_rows), np.diff(histories.indptr))
    groups = rows // group_size
    owned = groups * n_items + histories.indices
    start, stop = (np.searchsorted(drawn, owned, side=side) for side in ("left", "right"))
    allowed = np.ones((n_rows, k), dtype=bool)
    while (hit := start < stop).any():  # repeated for an item that a group drew several times
        allowed[rows[hit], (start - groups * k)[hit]] = False
        start = start + hit
    return allowed


class Graph:
    """Histories as a graph of readers (users) and items with LightGCN's weights; its products are differentiable."""

    def __init__(self, histories: sp.csr_array, item_degrees: NDArray[np.floating], device: str) -> None:
        degrees = np.maximum(np.diff(histories.indptr), 1).astype(np.float32)
        by_reader = sp.diags_array(1 / degrees)
        symmetric = sp.diags_array(degrees**-0.5) @ histories @ sp.diags_array(item_degrees.astype(np.float32) ** -0.5)
        self.mean, self.smooth = (Weights.of(matrix, device) for matrix in (by_reader @ histories, symmetric))

    def mean_of(self, items: Tensor) -> Tensor:
        """Return the mean of each reader's items, (n_items, d) to (n_readers, d)."""
        return product(*self.mean, items)

    def to_users(self, items: Tensor) -> Tensor:
        """Propagate item vectors to their readers, (n_items, d) to (n_readers, d)."""
        return product(*self.smooth, items)

    def to_items(self, users: Tensor) -> Tensor:
        """Propagate reader vectors to their items, (n_readers, d) to (n_items, d)."""
        by_reader, by_item = self.smooth
        return product(by_item, by_reader, users)


@dataclass(frozen=True, eq=False)
class Weights:
    """A sparse matrix in compressed rows; ``embedding_bag`` multiplies it many times faster than torch's product."""

    indptr: Tensor
    columns: Tensor
    values: Tensor

    @classmethod
    def of(cls, matrix: Any, device: str) -> tuple[Weights, Weights]:
        """Return a matrix and its transpose."""
        return cls._one(matrix.tocsr(), device), cls._one(matrix.T.tocsr(), device)

    @classmethod
    def _one(cls, matrix: sp.csr_array, device: str) -> Weights:
        indptr, columns = (
            torch.from_numpy(part.astype(np.int64)).to(device) for part in (matrix.indptr, matrix.indices)
        )
        return cls(indptr, columns, torch.from_numpy(matrix.data.astype(np.float32)).to(device))

    def times(self, dense: Tensor) -> Tensor:
        """Return the product with a dense matrix, without gradients."""
        return embedding_bag(
            self.columns, dense, self.indptr, mode="sum", per_sample_weights=self.values, include_last_offset=True
        )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, matrix: Weights, transposed: Weights, dense: Tensor) -> Tensor:
        context.transposed = transposed
        return matrix.times(dense)

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[None, None, Tensor]:
        return None, None, context.transposed.times(upstream.contiguous())


def product(matrix: Weights, transposed: Weights, dense: Tensor) -> Tensor:
    """Return the product of a sparse and a dense matrix, differentiable with respect to the dense one."""
    result: Tensor = _Product.apply(matrix, transposed, dense)  # type: ignore[no-untyped-call]
    return result
