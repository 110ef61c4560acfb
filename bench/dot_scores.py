"""Scores that are dot products of a query's vector with its candidates' vectors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    return vectors @ items.T if common is not None else torch.einsum("nd,ncd->nc", vectors, items)
