from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lm.batching import answer_passes, length_batches, length_buckets


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


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), min_size=1, max_size=40), st.integers(8, 200))
def test_a_pass_has_few_tokens_of_answers_or_one_row(lengths: list[tuple[int, int]], max_tokens: int) -> None:
    prompts, answers = zip(*lengths, strict=True)
    passes = answer_passes(prompts, answers, max_tokens)
    assert sorted(int(row) for rows, _, _ in passes for row in rows) == list(range(len(lengths)))
    assert sum(share for _, share, _ in passes) == pytest.approx(1.0)
    for rows, _, n_tokens in passes:
        assert len(rows) == 1 or n_tokens <= max_tokens
        assert len(rows) == 1 or sum(answers[row] for row in rows) <= max_tokens // 8


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 5)), min_size=1, max_size=20))
def test_prompts_that_fit_in_one_pass_keep_their_order(lengths: list[tuple[int, int]]) -> None:
    prompts, answers = zip(*lengths, strict=True)
    ((rows, share, _),) = answer_passes(prompts, answers, 10_000)
    assert rows.tolist() == list(range(len(lengths)))
    assert share == 1.0
