from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.learning.dot_scores import all_dots, candidate_dots, first_equal
from bench.plugin import Queries


def queries_of(candidates: np.ndarray) -> Queries:
    n = len(candidates)
    return Queries(np.arange(n), np.zeros(n + 1, np.int64), np.empty(0, np.int32), candidates.astype(np.int32))


@pytest.mark.parametrize("is_common", [False, True])
def test_scores_are_the_dot_products_of_queries_and_their_candidates(is_common: bool) -> None:
    rng = np.random.default_rng(0)
    vectors, table = torch.from_numpy(rng.normal(size=(4, 3))), torch.from_numpy(rng.normal(size=(7, 3)))
    queries = queries_of(rng.integers(0, 7, (9, 5)))
    queries = queries.asked_about(np.array([6, 0, 2])) if is_common else queries
    rows = np.array([8, 1, 5, 2])
    scores = candidate_dots(vectors, table, queries, rows)
    expected = [[vectors[i] @ table[item] for item in queries.candidates[row]] for i, row in enumerate(rows)]
    np.testing.assert_allclose(scores, expected)


def test_a_slice_of_rows_is_rows() -> None:
    queries = queries_of(np.array([[0, 1], [1, 0], [1, 1]]))
    scores = candidate_dots(torch.ones(2, 1), torch.tensor([[2.0], [3.0]]), queries, slice(1, 3))
    assert scores.tolist() == [[3, 2], [3, 3]]


@given(st.integers(2, 90), st.integers(1, 70), st.integers(0, 2**32))
def test_equal_items_score_the_same_to_the_last_bit(n_items: int, dimensions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(n_items, dimensions)).astype(np.float32)
    items[-1] = items[0]
    scores = all_dots(torch.from_numpy(rng.normal(size=(5, dimensions)).astype(np.float32)), torch.from_numpy(items))
    assert (scores[:, 0] == scores[:, -1]).all()
    assert scores.shape == (5, n_items)


def test_equal_rows_are_found_and_distinct_ones_cost_nothing() -> None:
    assert first_equal(np.array([[1.0], [2.0], [1.0], [2.0]])) is not None
    np.testing.assert_array_equal(first_equal(np.array([[1.0], [2.0], [1.0], [2.0]])), [0, 1, 0, 1])
    assert first_equal(np.array([[1.0], [2.0]])) is None
