"""Compute scores that are dot products of a query's vector with its candidates' vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from bench.plugin import Queries


def candidate_dots(vectors: Tensor, table: Tensor, queries: Queries, rows: slice | NDArray[np.integer]) -> Tensor:
    """Return the dot products of the given queries' vectors with those of their candidates, shape (n, n_candidates).

    If all queries share one list, as in full ranking, this is a single matrix product, without a copy of the candidates
    per query.

    Args:
        vectors: One vector per row in ``rows``, shape (n, d).
        table: One vector per item, shape (n_items, d).
        queries: All queries.
        rows: The queries to which the vectors belong.
    """
    common = queries.common_candidates
    candidates = (queries.candidates[rows] if common is None else common).astype(np.int64)
    items = table[torch.from_numpy(candidates).to(table.device)]
    return torch.einsum("nd,ncd->nc", vectors, items) if common is None else all_dots(vectors, items)


def all_dots(vectors: Tensor, items: Tensor) -> Tensor:
    """Return the dot product of each vector (n, d) with each item (m, d), shape (n, m); equal items get equal scores.

    A matrix product may round its last columns differently from the rest, so that items with the same title would no
    longer tie.
    """
    products = vectors @ items.T
    first = first_equal(items.cpu().numpy())
    return products if first is None else products[:, torch.from_numpy(first).to(products.device)]


def first_equal(rows: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """Return for each row the first row that equals it bit by bit, shape (n,); None if all are distinct."""
    first_with: dict[bytes, int] = {}
    first = np.array([first_with.setdefault(row.tobytes(), number) for number, row in enumerate(rows)], dtype=np.int64)
    return None if len(first_with) == len(rows) else first
