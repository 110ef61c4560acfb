from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.significance.bootstrap import DECIMALS, interval, resampled_means
from bench.significance.tests import Distinct, bootstrap_interval


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def crossed(rng: np.random.Generator, n_seeds: int, n_users: int, of_seed: float, of_user: float) -> NDArray:
    """Draw values with an effect of the seed, one of the user, and a little of both."""
    seeds, users = rng.normal(0, of_seed, (n_seeds, 1)), rng.normal(0, of_user, (1, n_users))
    return 0.3 + seeds + users + rng.normal(0, 0.02, (n_seeds, n_users))


def drawn_one_by_one(values: NDArray, rng: np.random.Generator, n_resamples: int) -> NDArray:
    """Draw users and seeds in plain loops, and stretch the seeds' deviations."""
    n_seeds, n_users = values.shape
    means = []
    for _ in range(n_resamples):
        by_seed = values[:, rng.choice(n_users, n_users)].mean(axis=1)
        center = by_seed.mean()
        stretch = math.sqrt(n_seeds / (n_seeds - 1))
        means.append(center + stretch * (by_seed[rng.choice(n_seeds, n_seeds)].mean() - center))
    return np.array(means)


def test_the_draws_are_those_of_users_and_seeds_drawn_one_by_one() -> None:
    values = crossed(rng_of(0), 4, 60, 0.02, 0.1)
    (fast,), slow = resampled_means([values], rng_of(1), 8000), drawn_one_by_one(values, rng_of(2), 8000)
    quantiles = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(fast, quantiles) == pytest.approx(np.quantile(slow, quantiles), abs=0.06 * slow.std())


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_the_spread_is_the_sum_of_the_users_and_the_seeds_shares(n_seeds: int) -> None:
    values = crossed(rng_of(3), n_seeds, 2000, 0.01, 0.2)
    (draws,) = resampled_means([values], rng_of(4), 4000)
    of_users = values.mean(axis=0).var(ddof=1) / 2000
    of_seeds = values.mean(axis=1).var(ddof=1) / n_seeds
    assert draws.var() == pytest.approx(of_users + of_seeds, rel=0.1)


def test_seeds_that_disagree_widen_the_interval_that_pooling_would_narrow() -> None:
    values = crossed(rng_of(5), 3, 1000, 0.05, 0.2)
    low, high = interval(resampled_means([values], rng_of(6))[0])
    pooled_low, pooled_high = bootstrap_interval(Distinct.of(values.ravel()), rng_of(6))
    assert high - low > 2 * (pooled_high - pooled_low)


def test_one_seed_leaves_the_bootstrap_over_users() -> None:
    values = rng_of(7).choice([0.0, 0.5, 1.0], (1, 800))
    low, high = interval(resampled_means([values], rng_of(8), 4000)[0])
    assert (low, high) == pytest.approx(bootstrap_interval(Distinct.of(values[0]), rng_of(9)), abs=0.003)


def test_systems_share_their_users_so_that_what_both_owe_to_them_cancels() -> None:
    first = crossed(rng_of(10), 3, 500, 0.0, 0.3)
    ours, theirs = resampled_means([first, first - 0.1], rng_of(11))
    assert ours.std() > 0.01
    assert interval(ours - theirs) == pytest.approx((0.1, 0.1), abs=0.005)


def test_seeds_of_two_systems_are_drawn_apart() -> None:
    values = np.repeat([[0.2], [0.4], [0.6]], 50, axis=1)
    ours, theirs = resampled_means([values, values], rng_of(12))
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.15


def test_the_interval_covers_the_truth_about_95_times_in_100_with_many_seeds_and_users() -> None:
    rng, hits = rng_of(13), 0
    for _ in range(200):
        low, high = interval(resampled_means([crossed(rng, 20, 100, 0.05, 0.2)], rng, 400)[0])
        hits += low <= 0.3 <= high
    assert 0.89 < hits / 200 < 0.99


def test_different_users_are_refused() -> None:
    with pytest.raises(ValueError, match="same users"):
        resampled_means([np.zeros((1, 3)), np.zeros((1, 4))], rng_of(0))


@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 1000))
def test_every_draw_of_equal_values_is_that_value(n_seeds: int, n_users: int, seed: int) -> None:
    value = seed / 1000
    (draws,) = resampled_means([np.full((n_seeds, n_users), value)], rng_of(seed), 20)
    assert draws == pytest.approx(value, abs=2e-6)


@given(st.integers(0, 10_000))
def test_one_seeds_draws_lie_between_its_lowest_and_highest_user(seed: int) -> None:
    values = rng_of(seed).random((1, 9))
    (draws,) = resampled_means([values], rng_of(seed), 50)
    assert values.min() - 1e-5 <= draws.min() <= draws.max() <= values.max() + 1e-5


def test_the_last_digits_of_a_sum_which_differ_with_the_number_of_threads_do_not_show() -> None:
    values = rng_of(3).random((1, 2_000))
    (means,) = resampled_means([values], rng_of(5), 50)
    drawn = rng_of(5).integers(0, 2_000, (50, 2_000))
    exact = [math.fsum(values[0, users]) / 2_000 for users in drawn]
    assert means.tolist() == np.round(exact, DECIMALS).tolist()
