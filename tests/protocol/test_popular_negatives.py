from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.protocol.candidates import TitleGroups
from bench.protocol.popular_negatives import draw_popular, popular_negatives
from tests.support.text_toys import domain_of

N_ITEMS = 60
TITLES = [f"title {item}" for item in range(N_ITEMS)]


def skewed_domain(n_users: int = 200, seed: int = 0) -> Domain:
    """Item 0 is touched most, the last one hardly."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, N_ITEMS + 1)
    histories = [
        [int(item) for item in rng.choice(N_ITEMS, size=rng.integers(2, 9), replace=False, p=weights / weights.sum())]
        for _ in range(n_users)
    ]
    return domain_of([*histories, list(range(N_ITEMS))], TITLES)


def test_one_negative_of_a_stranger_is_drawn_in_proportion_to_the_counts() -> None:
    histories = [[0]] * 60 + [[1]] * 30 + [[2]] * 9 + [[3]] * 1 + [[]]
    domain = domain_of(histories, [f"title {item}" for item in range(5)])
    stranger = np.full(20_000, domain.n_users - 1)
    drawn = popular_negatives(domain, stranger, np.random.default_rng(0), n=1)[:, 0]
    counts = np.bincount(drawn, minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], 20_000 * np.array([0.60, 0.30, 0.09, 0.01])).pvalue > 0.001


@pytest.mark.parametrize("n", [2, 3])
def test_several_negatives_have_the_law_of_successive_draws_without_replacement(n: int) -> None:
    weights = np.array([5, 3, 1, 1])
    domain = domain_of([[]], [f"title {item}" for item in range(4)])
    users = np.zeros(30_000, dtype=np.int64)
    groups = TitleGroups(np.arange(4), np.ones(4, dtype=bool), np.array([-1]))
    drawn = draw_popular(domain, users, weights, groups, n, np.random.default_rng(1))
    # first, second and third place of item 1 by hand: 3/10, then 5/10 * 3/5 + 2 * 1/10 * 3/9
    assert np.mean(drawn[:, 0] == 1) == pytest.approx(0.3, abs=0.01)
    assert np.mean(drawn[:, 1] == 1) == pytest.approx(0.3 + 2 / 30, abs=0.01)
    pairs = np.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16).reshape(4, 4)
    expected = np.array([[w * v / 10 / (10 - w) if i != j else 0 for j, v in enumerate(weights)]
                         for i, w in enumerate(weights)])  # fmt: skip
    off = ~np.eye(4, dtype=bool)
    assert pairs[~off].sum() == 0
    assert stats.chisquare(pairs[off], 30_000 * expected[off]).pvalue > 0.001


@given(st.integers(0, 10_000))
def test_rows_are_distinct_and_hold_nothing_that_the_user_touched(seed: int) -> None:
    domain = skewed_domain(30, seed)
    users = np.arange(30)
    drawn = popular_negatives(domain, users, np.random.default_rng(seed))
    assert drawn.shape == (30, 29)
    assert drawn.dtype == np.int32
    for user, row in zip(users, drawn.tolist(), strict=True):
        assert len(set(row)) == 29
        assert not set(row) & set(domain.history(user).tolist())


def test_a_generator_that_goes_on_gives_other_lists_and_an_equal_one_the_same() -> None:
    domain, users = skewed_domain(), np.arange(50)
    rng = np.random.default_rng(3)
    first, second = popular_negatives(domain, users, rng), popular_negatives(domain, users, rng)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, popular_negatives(domain, users, np.random.default_rng(3)))


def test_an_item_with_a_touched_item_s_title_is_no_negative() -> None:
    titles = [f"Title {item // 2}" if item % 2 else f" TITLE  {item // 2}" for item in range(120)]
    domain = domain_of([[0], list(range(120))], titles)
    drawn = popular_negatives(domain, np.zeros(200, dtype=np.int64), np.random.default_rng(0))
    assert not np.isin(drawn, [0, 1]).any()
    assert all(len(set(row)) == 29 for row in (drawn // 2).tolist())


def test_too_few_popular_items_are_an_error_that_names_the_user() -> None:
    domain = domain_of([[0, 1], list(range(30))], TITLES)
    with pytest.raises(
        BenchError, match=r"User 'user 0' .* has only 28 possible negatives with training interactions, but 29"
    ):
        popular_negatives(domain, np.array([0]), np.random.default_rng(0))


def test_a_domain_without_interactions_is_refused() -> None:
    with pytest.raises(BenchError, match=r"User 'user 0' .* has only 0 possible negatives"):
        popular_negatives(domain_of([[]], TITLES), np.array([0]), np.random.default_rng(0))
