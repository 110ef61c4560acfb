from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.significance.comparison import (
    FEW_USERS,
    compare,
    contrast,
    effect_in_words,
    seeds_t_test,
    spread_over_seeds,
    with_holm,
)
from bench.significance.tests import TESTS, Distinct
from tests.support.metric_toys import metric_values, rng_of

GAIN = st.sampled_from([0.0, 0.5, 0.63, 1.0])


def test_systems_that_agree_on_every_user_have_p_one_and_no_interval() -> None:
    values = metric_values(rng_of(0), 100)
    same = compare("a", "b", "ndcg@5", values, values)
    assert [same.p(test) for test in TESTS] == [1.0, 1.0, 1.0]
    assert (same.difference, same.low, same.high, same.effect_size) == (0.0, 0.0, 0.0, 0.0)
    assert (same.wins, same.ties, same.losses) == (0, 100, 0)


def test_a_constant_difference_has_p_zero_and_no_effect_size() -> None:
    comparison = compare("a", "b", "hit@1", np.full(20, 0.9), np.full(20, 0.6))
    assert comparison.p_t == 0.0
    assert comparison.effect_size is None
    assert comparison.to_json()["effect"] == "equal for all users"


def test_swapping_the_systems_turns_signs_and_keeps_p_values() -> None:
    a, b = metric_values(rng_of(5), 400), metric_values(rng_of(6), 400, low=1)
    forward, backward = compare("a", "b", "m", a, b), compare("b", "a", "m", b, a)
    assert forward.difference == pytest.approx(-backward.difference)
    assert forward.effect_size == pytest.approx(-backward.effect_size)
    assert (forward.wins, forward.losses) == (backward.losses, backward.wins)
    assert [forward.p(test) for test in TESTS] == pytest.approx([backward.p(test) for test in TESTS])


def test_a_comparison_reports_means_counts_and_effect_of_a_hand_made_case() -> None:
    comparison = compare("a", "b", "hit@1", np.array([1.0, 1, 1, 0]), np.array([0.0, 1, 0, 1]))
    assert (comparison.n, comparison.wins, comparison.ties, comparison.losses) == (4, 2, 1, 1)
    assert (comparison.mean_a, comparison.mean_b, comparison.difference) == (0.75, 0.5, 0.25)
    assert comparison.effect_size == pytest.approx(0.25 / np.std([1, 0, 1, -1], ddof=1))
    assert comparison.low <= 0.25 <= comparison.high


def test_a_family_states_its_test_and_size() -> None:
    a, b = metric_values(rng_of(7), 200), metric_values(rng_of(8), 200, low=1)
    family = with_holm([compare("a", name, "m", a, b) for name in "bc"], "wilcoxon")
    assert {(c.corrected_test, c.family_size) for c in family} == {("wilcoxon", 2)}
    assert family[0].p_holm == pytest.approx(min(1.0, 2 * family[0].p_wilcoxon))


def test_the_same_comparison_has_the_same_figures_twice() -> None:
    a, b = metric_values(rng_of(15), 200), metric_values(rng_of(16), 200)
    assert compare("a", "b", "m", a, b) == compare("a", "b", "m", a, b)


@settings(max_examples=30)
@given(st.lists(st.tuples(GAIN, GAIN), min_size=2, max_size=60))
def test_counts_interval_and_effect_hang_together(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    found = compare("a", "b", "ndcg@3", a, b)
    assert found.wins + found.ties + found.losses == found.n == len(pairs)
    assert found.low - 1e-9 <= found.difference <= found.high + 1e-9
    assert found.difference == pytest.approx(found.mean_a - found.mean_b)
    assert found.effect_size is None or np.sign(found.effect_size) == np.sign(found.difference)
    assert all(0 <= found.p(test) <= 1 for test in TESTS)
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("n", [20, 52, 1000])
def test_interval_and_effect_agree_with_scipy(n: int) -> None:
    a, b = metric_values(rng_of(1), n), metric_values(rng_of(2), n, low=1)
    found = compare("a", "b", "ndcg@5", a, b)
    expected = scipy.stats.bootstrap((a - b,), np.mean, n_resamples=9999, method="percentile", rng=rng_of(0))
    ends = (expected.confidence_interval.low, expected.confidence_interval.high)
    assert (found.low, found.high) == pytest.approx(ends, abs=0.1 * expected.standard_error)
    t = scipy.stats.ttest_rel(a, b).statistic
    assert found.effect_size == pytest.approx(t / np.sqrt(n))


@pytest.mark.parametrize(
    ("d", "word"),
    [(0.0, "negligible"), (-0.19, "negligible"), (0.2, "small"), (-0.5, "medium"), (0.79, "medium"), (-3.0, "large")],
)
def test_an_effect_reads_as_cohen_reads_it(d: float, word: str) -> None:
    assert effect_in_words(d) == word


def test_few_users_carry_a_warning_with_the_difference_they_can_show() -> None:
    few = compare("a", "b", "m", metric_values(rng_of(1), 52), metric_values(rng_of(2), 52, low=1))
    many = compare("a", "b", "m", metric_values(rng_of(1), FEW_USERS), metric_values(rng_of(2), FEW_USERS, low=1))
    assert few.warning is not None
    assert "only 52 users: " in few.warning
    assert f"{few.detectable_difference:.4f}" in few.warning
    assert many.warning is None


def test_several_seeds_are_tested_on_each_users_mean_and_users_stay_as_many_as_they_are() -> None:
    a = np.stack([metric_values(rng_of(seed), 150) for seed in (1, 2, 3)])
    b = np.stack([metric_values(rng_of(seed), 150, low=1) for seed in (4, 5)])
    found = compare("a", "b", "m", a, b)
    assert (found.n, found.n_seeds_a, found.n_seeds_b) == (150, 3, 2)
    assert found.p_t == pytest.approx(scipy.stats.ttest_rel(a.mean(axis=0), b.mean(axis=0)).pvalue)
    assert found.sd_a == pytest.approx(a.mean(axis=1).std(ddof=1))
    assert spread_over_seeds(b[:1]) is None


def test_seeds_that_disagree_widen_the_interval_although_the_users_means_are_the_same() -> None:
    steady = np.stack([metric_values(rng_of(1), 400)] * 3)
    apart = steady + np.array([[-0.1], [0.0], [0.1]])
    other = metric_values(rng_of(2), 400, low=1)
    narrow, wide = compare("a", "b", "m", steady, other), compare("a", "b", "m", apart, other)
    assert wide.p_t == pytest.approx(narrow.p_t)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_contrast_takes_the_interval_it_is_given() -> None:
    found = contrast(Distinct.of(np.array([0.5, 0.0, -0.25])), -0.1, 0.3)
    assert dataclasses.astuple(found)[:4] == (3, pytest.approx(0.25 / 3), -0.1, 0.3)


def test_three_seeds_whose_differences_disagree_prove_nothing() -> None:
    differences = np.array([0.042, 0.009, 0.042])
    p = seeds_t_test(0.2166 + differences, np.full(3, 0.2166))
    assert p == pytest.approx(0.106, abs=0.001)  # mean .031 over .011 is t = 2.82, and 4.30 would be needed
    assert seeds_t_test(0.2166 + differences, np.array([0.2166])) == pytest.approx(p)


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 9])
def test_seed_means_are_paired_as_scipy_pairs_them(n_seeds: int) -> None:
    a, b = rng_of(1).normal(0.3, 0.01, n_seeds), rng_of(2).normal(0.29, 0.01, n_seeds)
    assert seeds_t_test(a, b) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
    assert seeds_t_test(a, b[:1]) == pytest.approx(scipy.stats.ttest_1samp(a, b[0]).pvalue)


def test_different_numbers_of_seeds_take_welchs_statistic_and_the_fewer_degrees_of_freedom() -> None:
    a, b = rng_of(3).normal(0.3, 0.01, 5), rng_of(4).normal(0.28, 0.02, 3)
    p, welch = seeds_t_test(a, b), scipy.stats.ttest_ind(a, b, equal_var=False)
    assert p == pytest.approx(2 * scipy.stats.t.sf(abs(welch.statistic), 2))
    assert p > welch.pvalue


def test_one_seed_each_has_no_test_over_seeds_and_seeds_without_spread_are_certain() -> None:
    assert seeds_t_test(np.array([0.3]), np.array([0.2])) is None
    assert seeds_t_test(np.full(3, 0.3), np.full(3, 0.2)) == 0.0
    assert seeds_t_test(np.full(3, 0.3), np.full(2, 0.2)) == 0.0
    assert seeds_t_test(np.full(3, 0.3), np.full(2, 0.3)) == 1.0


def test_a_comparison_of_several_seeds_carries_the_test_of_their_means() -> None:
    a = np.stack([metric_values(rng_of(seed), 150) for seed in (1, 2, 3)])
    b = np.stack([metric_values(rng_of(seed), 150, low=1) for seed in (4, 5, 6)])
    expected = scipy.stats.ttest_rel(a.mean(axis=1), b.mean(axis=1)).pvalue
    assert compare("a", "b", "m", a, b).p_seeds == pytest.approx(expected)
    assert compare("a", "b", "m", a[0], b[0]).p_seeds is None
