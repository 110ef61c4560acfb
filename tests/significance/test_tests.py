from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from bench.metrics import Metric, Ranks, per_user
from bench.significance.tests import (
    TESTS,
    Distinct,
    bootstrap_interval,
    effect_size,
    holm,
    minimum_detectable_difference,
    p_value,
    paired_differences,
    paired_t_test,
    sign_flip_permutation,
    wilcoxon,
)
from tests.support.metric_toys import metric_values, rng_of


@pytest.mark.parametrize("n", [8, 52, 3000])
@pytest.mark.parametrize("text", ["ndcg@1", "ndcg@3", "mrr@10"])
def test_the_t_test_agrees_with_scipy(n: int, text: str) -> None:
    a, b = metric_values(rng_of(1), n, text), metric_values(rng_of(2), n, text, low=1)
    expected = scipy.stats.ttest_rel(a, b).pvalue
    assert paired_t_test(paired_differences(a, b)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [30, 52, 3000])
@pytest.mark.parametrize("text", ["ndcg@1", "ndcg@3", "hit@5"])
def test_wilcoxon_agrees_with_scipys_pratt_variant(n: int, text: str) -> None:
    a, b = metric_values(rng_of(3), n, text), metric_values(rng_of(4), n, text, low=1)
    rounded = np.round(a - b, 12)
    expected = scipy.stats.wilcoxon(rounded, zero_method="pratt", method="asymptotic").pvalue
    assert wilcoxon(paired_differences(a, b)) == pytest.approx(expected, rel=1e-9)


def test_differences_that_are_equal_but_for_the_last_bit_are_tied() -> None:
    differences = paired_differences(np.array([1 / 2, 1 / 3]), np.array([1 / 6, 0.0]))
    assert differences.counts.tolist() == [2]


def test_the_permutation_test_agrees_with_all_sign_flips() -> None:
    differences = np.array([0.63, -0.13, 0.5, 0.0, 0.37, 0.13, -0.37, 1.0, 0.13, 0.5])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(differences))]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
    estimate = sign_flip_permutation(Distinct.of(differences), rng_of(0), n_resamples=200_000)
    assert estimate == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 200_000))


def test_the_permutation_p_value_is_never_zero() -> None:
    assert sign_flip_permutation(Distinct.of(np.ones(5000)), rng_of(0), n_resamples=999) == 0.001


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=25)


@settings(max_examples=20)  # a call of theirs takes a tenth of a second
@given(P_VALUES)
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(P_VALUES, st.randoms())
def test_holm_only_raises_keeps_the_order_and_does_not_ask_in_which_order_tests_come(
    p_values: list[float], random: Random
) -> None:
    corrected = holm(p_values)
    assert all(p <= after <= 1 for p, after in zip(p_values, corrected, strict=True))
    assert [after for _, after in sorted(zip(p_values, corrected, strict=True))] == sorted(corrected)
    shuffled = random.sample(range(len(p_values)), len(p_values))
    assert holm([p_values[place] for place in shuffled]) == [corrected[place] for place in shuffled]


def test_a_single_user_proves_nothing() -> None:
    assert paired_t_test(Distinct.of(np.array([0.5]))) == 1.0


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([0.01, 0.01, 0.01], [0.03, 0.03, 0.03]),
        ([], []),
    ],
)
def test_holm_agrees_with_the_hand_computed_steps(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


def test_the_interval_of_the_mean_covers_the_truth_about_95_times_in_100() -> None:
    rng = rng_of(11)
    truth = float(np.mean([per_user(Ranks(np.array([b]), np.array([0])), Metric("ndcg", 5))[0] for b in range(12)]))
    hits = 0
    for _ in range(400):
        better = rng.integers(0, 12, 150).astype(np.int16)
        values = per_user(Ranks(better, np.zeros(150, np.int16)), Metric("ndcg", 5))
        low, high = bootstrap_interval(Distinct.of(values), rng, n_resamples=500)
        hits += low <= truth <= high
    assert 0.91 < hits / 400 < 0.98


def test_the_bootstrap_spreads_as_the_standard_error_does() -> None:
    sample = Distinct.of(metric_values(rng_of(12), 5000))
    low, high = bootstrap_interval(sample, rng_of(0))
    standard_error = sample.sd / math.sqrt(sample.n)
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error, rel=0.05)


NULL_TESTS = {
    "t-test": lambda differences, rng: p_value("t-test", differences, rng),
    "wilcoxon": lambda differences, rng: p_value("wilcoxon", differences, rng),
    "permutation": lambda differences, rng: sign_flip_permutation(differences, rng, n_resamples=399),
}


@pytest.mark.parametrize("test", TESTS)
def test_under_the_null_each_test_rejects_about_5_times_in_100(test: str) -> None:
    rng = rng_of(13)
    samples = [paired_differences(metric_values(rng, 80), metric_values(rng, 80)) for _ in range(500)]
    rejections = [NULL_TESTS[test](differences, rng) < 0.05 for differences in samples]
    assert 0.02 < np.mean(rejections) < 0.08


def test_the_named_test_is_the_one_that_runs() -> None:
    differences = paired_differences(metric_values(rng_of(1), 60), metric_values(rng_of(2), 60, low=1))
    assert p_value("t-test", differences, rng_of(0)) == paired_t_test(differences)
    assert p_value("wilcoxon", differences, rng_of(0)) == wilcoxon(differences)
    assert p_value("permutation", differences, rng_of(0)) == sign_flip_permutation(differences, rng_of(0))


def test_a_difference_of_the_detectable_size_is_found_four_times_in_five() -> None:
    rng = rng_of(14)
    sample = rng.choice([-1.0, 0.0, 1.0], (500, 300))
    shift = minimum_detectable_difference(Distinct.of(np.repeat([-1.0, 0.0, 1.0], 100)))
    found = [paired_t_test(Distinct.of(row + shift)) < 0.05 for row in sample]
    assert np.mean(found) == pytest.approx(0.80, abs=0.06)


@pytest.mark.parametrize("n", [10, 52, 200, 22_363])
def test_the_detectable_difference_agrees_with_statsmodels_noncentral_t(n: int) -> None:
    sample = Distinct.of(rng_of(n).choice([-1.0, 0.0, 1.0], n, p=[0.2, 0.5, 0.3]))
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8, alternative="two-sided")
    assert minimum_detectable_difference(sample) == pytest.approx(effect * sample.sd, rel=0.01)


def test_without_spread_there_is_no_detectable_difference_to_speak_of() -> None:
    assert minimum_detectable_difference(Distinct.of(np.zeros(30))) == 0.0


def test_the_effect_size_is_the_mean_over_the_standard_deviation() -> None:
    differences = np.array([0.5, 0.5, -0.1, 0.0])
    assert effect_size(Distinct.of(differences)) == pytest.approx(differences.mean() / differences.std(ddof=1))


def test_samples_of_different_users_are_refused() -> None:
    with pytest.raises(ValueError, match="same users"):
        paired_differences(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="non-empty"):
        Distinct.of(np.zeros(0))
