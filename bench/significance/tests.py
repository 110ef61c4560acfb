"""Compute paired tests, intervals and corrections over users, as pure functions of arrays.

A metric of one positive among thirty candidates takes few values, so every test here uses the distinct differences
with their counts: resampling users becomes an exact draw from a binomial or multinomial distribution, at a cost that
does not depend on the number of users.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.significance.tails import normal_two_sided, student_quantile, student_two_sided

Test = Literal["t-test", "wilcoxon", "permutation"]
TESTS: tuple[Test, ...] = get_args(Test)
StarStyle = Literal["star", "letters", "ours"]
STAR_STYLES: tuple[StarStyle, ...] = get_args(StarStyle)
TEST_TITLES: dict[Test, str] = {
    "t-test": "two-sided paired t-test over users",
    "wilcoxon": "two-sided Wilcoxon signed-rank test over users (Pratt's zeros, normal approximation)",
    "permutation": "two-sided paired sign-flip permutation test over users",
}
N_RESAMPLES = 10_000
"""Number of resamples in the permutation test and the bootstrap."""
DECIMALS_THAT_COUNT = 12
"""Values are equal if they agree to this many decimals."""
BLOCK_ELEMENTS = 2_000_000
"""Number of random numbers drawn at once, to limit memory."""


@dataclass(frozen=True, eq=False)
class Distinct:
    """A sample represented by its distinct values, ascending, and their counts."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, sample: NDArray[np.floating]) -> Distinct:
        """Count the distinct values of a non-empty sample of shape (n,)."""
        if sample.ndim != 1 or len(sample) == 0:
            raise ValueError(f"expected a non-empty sample of shape (n,), got shape {sample.shape}")
        # 1/2 - 1/6 and 1/3 - 0 differ in the last bit and must still tie
        # + 0.0 turns -0.0 into 0.0
        values, counts = np.unique(np.round(sample, DECIMALS_THAT_COUNT) + 0.0, return_counts=True)
        return cls(values.astype(np.float64), counts.astype(np.int64))

    @property
    def n(self) -> int:
        """Size of the sample."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean of the sample."""
        return _dot(self.counts, self.values) / self.n

    @property
    def sd(self) -> float:
        """Standard deviation with n - 1 in the denominator; 0 if all values are equal."""
        if len(self.values) == 1:
            return 0.0
        return math.sqrt(_dot(self.counts, (self.values - self.mean) ** 2) / (self.n - 1))

    def count(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many values of the sample are among the chosen distinct values."""
        return int(self.counts[chosen].sum())


@dataclass(frozen=True, eq=False)
class _Magnitudes:
    """Distinct non-zero absolute differences, ascending, with the counts of positive differences and of both signs."""

    sizes: NDArray[np.float64]
    positive: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_zero: int

    @classmethod
    def of(cls, differences: Distinct) -> _Magnitudes:
        is_zero = differences.values == 0
        values, counts = differences.values[~is_zero], differences.counts[~is_zero]
        sizes, group = np.unique(np.abs(values), return_inverse=True)
        in_total = np.bincount(group, counts, minlength=len(sizes)).astype(np.int64)
        in_positive = np.bincount(group, counts * (values > 0), minlength=len(sizes)).astype(np.int64)
        return cls(sizes, in_positive, in_total, differences.count(is_zero))


def paired_differences(values_a: NDArray[np.float64], values_b: NDArray[np.float64]) -> Distinct:
    """Return the distinct per-user differences A - B; both arrays have shape (n,)."""
    if values_a.shape != values_b.shape:
        raise ValueError(f"paired samples need the same users, got shapes {values_a.shape} and {values_b.shape}")
    return Distinct.of(values_a - values_b)


def p_value(test: Test, differences: Distinct, rng: np.random.Generator) -> float:
    """Return one test's p-value; only the permutation test draws from ``rng``."""
    if test == "permutation":
        return sign_flip_permutation(differences, rng)
    return paired_t_test(differences) if test == "t-test" else wilcoxon(differences)


def paired_t_test(differences: Distinct) -> float:
    """Return the two-sided p-value of Student's paired t-test; 1 if all differences are zero or n is 1."""
    if differences.n < 2 or not differences.values.any():
        return 1.0
    if differences.sd == 0:
        return 0.0
    t = differences.mean / (differences.sd / math.sqrt(differences.n))
    return student_two_sided(t, differences.n - 1)


def wilcoxon(differences: Distinct) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test.

    Zeros are ranked and then left out (Pratt 1959): most users score the same under two good systems, and dropping
    them before ranking would exaggerate the other differences. The normal approximation is corrected for ties.
    """
    magnitudes = _Magnitudes.of(differences)
    if len(magnitudes.sizes) == 0:
        return 1.0
    # zeros take the first ranks; differences of equal size share the mean of their ranks
    ranks = magnitudes.n_zero + np.cumsum(magnitudes.counts) - (magnitudes.counts - 1) / 2
    surplus = _dot(ranks, magnitudes.positive - magnitudes.counts / 2)
    # under the null hypothesis each sign is positive with probability 1/2, so a rank adds rank² / 4 to the variance
    spread = math.sqrt(_dot(magnitudes.counts, ranks**2)) / 2
    return normal_two_sided(surplus / spread)


def sign_flip_permutation(differences: Distinct, rng: np.random.Generator, n_resamples: int = N_RESAMPLES) -> float:
    """Return the two-sided p-value of flipping each user's sign at random, (hits + 1) / (resamples + 1).

    Among ``count`` differences of size v, a random flip leaves Binomial(count, 1/2) positive: the sum of the resample
    is the sum of v (2 Binomial - count), which has the same distribution as flipping user by user.
    """
    magnitudes = _Magnitudes.of(differences)
    if len(magnitudes.sizes) == 0:
        return 1.0
    observed = abs(_dot(magnitudes.sizes, 2 * magnitudes.positive - magnitudes.counts))
    # a resample equal to the observed value must count as a hit although its sum may differ in the last bit
    threshold = observed - 1e-9 * _dot(magnitudes.sizes, magnitudes.counts)
    hits = 0
    for size in _blocks(n_resamples, len(magnitudes.sizes)):
        flipped = 2 * rng.binomial(magnitudes.counts, 0.5, size=(size, len(magnitudes.sizes))) - magnitudes.counts
        hits += int(np.count_nonzero(np.abs((flipped * magnitudes.sizes).sum(axis=1)) >= threshold))
    # the observation counts as one of the resamples, so that p is never 0 (Phipson and Smyth 2010)
    return (hits + 1) / (n_resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down corrected p-values, in the given order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    # the running maximum prevents a larger p-value from being corrected to less than a smaller one
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def bootstrap_interval(
    sample: Distinct, rng: np.random.Generator, level: float = 0.95, n_resamples: int = N_RESAMPLES
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean, with users drawn with replacement.

    The counts of the distinct values are multinomial, so users need not be drawn one by one.
    """
    if len(sample.values) == 1:
        return float(sample.values[0]), float(sample.values[0])
    shares = sample.counts / sample.n
    blocks = [
        (rng.multinomial(sample.n, shares, size=size) * sample.values).sum(axis=1)
        for size in _blocks(n_resamples, len(shares))
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(blocks) / sample.n, [tail, 1 - tail])
    return float(low), float(high)


def effect_size(differences: Distinct) -> float | None:
    """Return Cohen's d_z: the mean of the paired differences divided by their standard deviation.

    Return 0 if there are no differences, and None if all differences are the same, as their standard deviation is zero.
    """
    if differences.mean == 0:
        return 0.0
    return None if differences.sd == 0 else differences.mean / differences.sd


def minimum_detectable_difference(differences: Distinct, level: float = 0.05, power: float = 0.80) -> float:
    """Return the smallest mean difference that a two-sided paired t-test detects with this power; 0 without variance.

    The sum of two quantiles of Student's t approximates the noncentral t: within 1% for ten or more users.
    """
    if differences.sd == 0:
        return 0.0
    freedom = differences.n - 1
    standard_errors = student_quantile(1 - level / 2, freedom) + student_quantile(power, freedom)
    return standard_errors * differences.sd / math.sqrt(differences.n)


def _dot(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the dot product of two vectors in an order that, unlike a BLAS's, does not depend on the CPU."""
    return float((first * second).sum())


def _blocks(n_resamples: int, n_values: int) -> Iterator[int]:
    block = max(1, BLOCK_ELEMENTS // n_values)
    for start in range(0, n_resamples, block):
        yield min(block, n_resamples - start)
