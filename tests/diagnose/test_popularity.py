from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.diagnose.popularity import Group, PopularityBias, by_popularity, popularity_bias
from bench.metrics import Tops


def tops(top: list[float], positive: list[int]) -> Tops:
    return Tops(np.zeros(len(top), np.int32), np.array(top, np.float32), np.array(positive, np.int32))


def test_the_bias_compares_what_was_ranked_first_with_what_should_have_been() -> None:
    bias = popularity_bias(tops([10, 20, 30, 60], [5, 10, 20, 25]))
    assert (bias.top, bias.positive, bias.ratio) == (30, 15, 2)


def test_cold_positives_give_no_ratio() -> None:
    assert popularity_bias(tops([3, 1], [0, 0])) == PopularityBias(2, 0)
    assert popularity_bias(tops([3, 1], [0, 0])).ratio is None


def test_fifths_of_ten_positives_hold_two_each() -> None:
    counts = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 10])
    groups = by_popularity(counts / 10, counts)
    assert groups == [Group(low, low + 1, 2, pytest.approx(low / 10 + 0.05)) for low in (1, 3, 5, 7, 9)]


def test_equally_popular_positives_stay_together() -> None:
    groups = by_popularity(np.array([0.0, 0, 1, 1, 1, 1, 0.5, 0.5, 0, 1]), np.array([1, 2, 3, 3, 3, 3, 3, 3, 8, 9]))
    assert [(group.lowest, group.highest, group.n_queries) for group in groups] == [(1, 2, 2), (3, 3, 6), (8, 9, 2)]
    assert [group.value for group in groups] == [0, pytest.approx(5 / 6), 0.5]


def test_cold_positives_are_one_group() -> None:
    assert by_popularity(np.array([0.0, 1, 1, 0]), np.zeros(4, int)) == [Group(0, 0, 4, 0.5)]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(1, 7))
def test_groups_part_all_queries_in_order_of_popularity(counts: list[int], n_groups: int) -> None:
    values = np.linspace(0, 1, len(counts))
    groups = by_popularity(values, np.array(counts), n_groups)
    assert 1 <= len(groups) <= n_groups
    assert sum(group.n_queries for group in groups) == len(counts)
    assert all(left.highest < right.lowest for left, right in itertools.pairwise(groups))
    assert sum(group.value * group.n_queries for group in groups) == pytest.approx(values.sum())
