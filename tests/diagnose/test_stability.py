from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.diagnose.stability import permutations, scored_in_order, stability
from bench.plugin import Queries

CANDIDATES = np.random.default_rng(0).permuted(np.tile(np.arange(100, 130), (20, 1)), axis=1).astype(np.int32)
QUERIES = Queries(np.arange(20), np.zeros(21, np.int64), np.empty(0, np.int32), CANDIDATES)


def by_item(queries: Queries) -> np.ndarray:
    return queries.candidates.astype(float)


def by_column(queries: Queries) -> np.ndarray:
    return np.broadcast_to(np.arange(30.0), queries.candidates.shape)


def test_flips_are_counted_against_the_original() -> None:
    found = stability([0.5, 0.4, 0.6], [np.array([1, 2, 3, 4]), np.array([1, 2, 3, 9]), np.array([8, 2, 7, 4])])
    assert found.flip_rate == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert found.spread == pytest.approx(0.2)
    assert found.deviation == pytest.approx(0.1)


def test_without_top_items_there_is_a_spread_and_no_flip_rate() -> None:
    found = stability([0.5, 0.4], None)
    assert (found.values, found.flip_rate) == ((0.5, 0.4), None)


@pytest.mark.parametrize(("values", "tops"), [([0.5], None), ([0.5, 0.6], [np.zeros(1)]), ([], [])])
def test_nothing_to_compare_is_an_error(values: list[float], tops: list[np.ndarray] | None) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        stability(values, tops)


def test_each_order_is_a_permutation_of_its_own_and_comes_again_with_its_seed() -> None:
    orders = list(permutations(20, 30, 3))
    assert len(orders) == 3
    for order in orders:
        np.testing.assert_array_equal(np.sort(order, axis=1), np.broadcast_to(np.arange(30), (20, 30)))
    assert not (orders[0] == orders[1]).all()
    assert not (orders[0][0] == orders[0][1]).all()
    np.testing.assert_array_equal(orders, list(permutations(20, 30, 3)))
    assert not np.array_equal(orders, list(permutations(20, 30, 3, seed=1)))


def test_scores_by_item_come_back_into_their_columns() -> None:
    for order in permutations(20, 30, 2):
        np.testing.assert_array_equal(scored_in_order(by_item, QUERIES, order), by_item(QUERIES))


def test_scores_by_column_are_found_out() -> None:
    (order,) = permutations(20, 30, 1)
    found = scored_in_order(by_column, QUERIES, order)
    top = np.take_along_axis(CANDIDATES, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    expected = replace(QUERIES, candidates=np.take_along_axis(CANDIDATES, order, axis=1)).candidates[:, -1]
    np.testing.assert_array_equal(top, expected)
    assert (top != CANDIDATES[:, -1]).mean() > 0.5
