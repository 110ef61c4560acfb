"""Scores that are dot products of a query's vector with its candidates' vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from bench.plugin import Queries


def candidate_dots(vectors: Tensor, table: Tensor, queries: Queries, rows: slice | NDArray[np.integer]) -> Tensor:
    """Return the dot products of some queries' vectors with those of their candidates, shape (n, n_candidates).

    Where all queries share one list, as in full ranking, this is one matrix product: no candidate is copied for
    each query.

    Args:
        vectors: One vector for each of ``rows``, shape (n, d).
        table: A vector for each item, shape (n_items, d).
        queries: All queries.
        rows: The queries that the vectors belong to.
    """
    common = queries.common_candidates
    candidates = (queries.candidates[rows] if common is None else common).astype(np.int64)
    items = table[torch.from_numpy(candidates).to(table.device)]
    return torch.einsum("nd,ncd->nc", vectors, items) if common is None else all_dots(vectors, items)


def all_dots(vectors: Tensor, items: Tensor) -> Tensor:
    """Return the dot product of each vector (n, d) with each item (m, d), shape (n, m); equal items score the same.

    A matrix product may round its last columns otherwise than the rest, and items of one title would tie no more.
    """
    products = vectors @ items.T
    first = first_equal(items.cpu().numpy())
    return products if first is None else products[:, torch.from_numpy(first).to(products.device)]


def first_equal(rows: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """Return for each row the first one that is equal to it, bit by bit, shape (n,); None where all are distinct."""
    first_with: dict[bytes, int] = {}
    first = np.array([first_with.setdefault(row.tobytes(), number) for number, row in enumerate(rows)], dtype=np.int64)
    return None if len(first_with) == len(rows) else first
