from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.lm.batching import length_batches, length_buckets


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120), st.booleans())
def test_buckets_hold_every_row_once_within_the_budget(lengths, batch_tokens, shuffled):
    batches = length_buckets(lengths, batch_tokens, np.random.default_rng(0) if shuffled else None)
    assert sorted(int(row) for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or longest * len(batch) <= batch_tokens


def test_buckets_come_longest_first_or_in_the_order_of_the_generator():
    lengths = [5, 9, 1, 7]
    assert [batch.tolist() for batch in length_buckets(lengths, 9)] == [[1], [3], [0], [2]]
    drawn = [
        [batch.tolist() for batch in length_buckets([4] * 40, 8, np.random.default_rng(seed))] for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_sorted_rows_are_cut_within_the_budget_in_either_order() -> None:
    assert length_batches([3, 3, 4, 9, 9, 30], 12) == [(0, 3), (3, 4), (4, 5), (5, 6)]
    assert length_batches([30, 9, 4, 3, 3], 12) == [(0, 1), (1, 2), (2, 5)]
    assert length_batches([], 12) == []
