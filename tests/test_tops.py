from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics import top_ranked

COUNTS = np.array([0, 10, 20, 30, 40])


def test_the_top_is_the_candidate_with_the_highest_score() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [3.0, -np.inf, 2.0]])
    tops = top_ranked(scores, np.array([[4, 2, 0], [1, 3, 4]]), np.array([2, 1]), COUNTS)
    assert tops.top_item.tolist() == [2, 1]
    assert tops.top_count.tolist() == [20, 10]
    assert tops.positive_count.tolist() == [0, 30]


def test_tied_tops_share_their_popularity_and_the_lowest_index_stands_for_them() -> None:
    tops = top_ranked(np.array([[1.0, 1.0, 0.0]]), np.array([[4, 1, 2]]), np.array([0]), COUNTS)
    assert tops.top_item.tolist() == [1]
    assert tops.top_count.tolist() == [25]


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5), st.permutations(range(5)))
def test_the_order_of_the_candidates_changes_nothing(values: list[int], order: list[int]) -> None:
    scores, candidates = np.array([values], dtype=float), np.arange(5)[None]
    tops = top_ranked(scores, candidates, np.array([0]), COUNTS)
    again = top_ranked(scores[:, order], candidates[:, order], np.array([order.index(0)]), COUNTS)
    for name in ("top_item", "top_count", "positive_count"):
        assert getattr(tops, name) == getattr(again, name)
