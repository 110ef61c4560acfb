"""Paired comparison of two systems: difference, confidence interval, tests and statistical power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.files.rounding import rounded
from bench.metrics import same_metric
from bench.significance.bootstrap import interval, resampled_means
from bench.significance.tails import student_two_sided
from bench.significance.tests import (
    Distinct,
    Test,
    bootstrap_interval,
    effect_size,
    holm,
    minimum_detectable_difference,
    paired_differences,
    paired_t_test,
    sign_flip_permutation,
    wilcoxon,
)

FEW_USERS = 200
"""Below this number of users, a comparison has a warning."""
POWER = 0.80
"""Probability of detecting a true difference of the minimum detectable size."""
EFFECT_WORDS = ((0.2, "negligible"), (0.5, "small"), (0.8, "medium"))
"""Cohen's (1988) conventions: the word for an absolute d below each limit; above the last, it is large."""


@dataclass(frozen=True)
class Contrast:
    """Difference of two systems on the same users; all differences are the first minus the second."""

    n: int
    """Number of users."""
    difference: float
    """Mean of the per-user differences."""
    low: float
    """Lower end of the 95% bootstrap interval of the difference."""
    high: float
    """Upper end of the interval."""
    effect_size: float | None
    """Cohen's d_z: mean of the per-user differences divided by their standard deviation; None if that is zero."""
    wins: int
    """Number of users for whom the first system is better."""
    ties: int
    losses: int
    """Number of users for whom the second system is better."""
    detectable_difference: float
    """Minimum detectable difference: 80% power at the 5% level before correction, given this variance and n."""


@dataclass(frozen=True)
class Comparison(Contrast):
    """Comparison of two named systems under one metric with all tests; ``difference`` is A minus B."""

    name_a: str
    name_b: str
    metric: str
    mean_a: float
    mean_b: float
    p_t: float
    p_wilcoxon: float
    p_permutation: float
    n_seeds_a: int = 1
    n_seeds_b: int = 1
    sd_a: float | None = None
    """Standard deviation of A's mean over its seeds; None for one seed."""
    sd_b: float | None = None
    p_seeds: float | None = None
    """P-value of the t-test on the means of seeds; None if both systems have one seed."""
    p_holm: float | None = None
    """P-value of ``corrected_test`` after Holm's correction over ``family_size`` comparisons."""
    corrected_test: Test | None = None
    family_size: int | None = None

    def p(self, test: Test) -> float:
        """Return the uncorrected p-value of one test."""
        return {"t-test": self.p_t, "wilcoxon": self.p_wilcoxon, "permutation": self.p_permutation}[test]

    @property
    def warning(self) -> str | None:
        """A sentence on low statistical power; None if there are enough users."""
        if self.n >= FEW_USERS:
            return None
        return (
            f"only {self.n} users: a true difference of {self.detectable_difference:.4f} is detected with 80% power, "
            "smaller ones less often, so a missing difference does not mean that the two are equal."
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, including the effect size in words and the warning."""
        words = {"effect": effect_in_words(self.effect_size), "warning": self.warning}
        return {**rounded(asdict(self)), **words}


def compare(
    name_a: str, name_b: str, metric: str, values_a: NDArray[np.float64], values_b: NDArray[np.float64]
) -> Comparison:
    """Run all paired tests on per-user values, with users in the same order in both.

    Values have shape (n_users,) or (n_seeds, n_users). With several seeds, tests, effect size and counts use each
    user's mean over seeds, the interval is from a hierarchical bootstrap, and the means of seeds are tested as well.
    """
    by_seed_a, by_seed_b = np.atleast_2d(values_a), np.atleast_2d(values_b)
    users_a, users_b = by_seed_a.mean(axis=0), by_seed_b.mean(axis=0)
    differences = paired_differences(users_a, users_b)
    # seeded by what is compared, in either order, so that repeating a comparison gives the same numbers
    rng = np.random.default_rng(derived_seed(0, "compare", same_metric(metric), *sorted((name_a, name_b))))
    if len(by_seed_a) == len(by_seed_b) == 1:
        low, high = bootstrap_interval(differences, rng)
    else:
        draws_a, draws_b = resampled_means([by_seed_a, by_seed_b], rng)
        low, high = interval(draws_a - draws_b)
    return Comparison(
        **asdict(contrast(differences, low, high)),
        name_a=name_a,
        name_b=name_b,
        metric=metric,
        mean_a=float(users_a.mean()),
        mean_b=float(users_b.mean()),
        p_t=paired_t_test(differences),
        p_wilcoxon=wilcoxon(differences),
        p_permutation=sign_flip_permutation(differences, rng),
        n_seeds_a=len(by_seed_a),
        n_seeds_b=len(by_seed_b),
        sd_a=spread_over_seeds(by_seed_a),
        sd_b=spread_over_seeds(by_seed_b),
        p_seeds=seeds_t_test(by_seed_a.mean(axis=1), by_seed_b.mean(axis=1)),
    )


def contrast(differences: Distinct, low: float, high: float) -> Contrast:
    """Summarize per-user differences; ``low`` and ``high`` are the bootstrap interval of their mean."""
    return Contrast(
        n=differences.n,
        difference=differences.mean,
        low=low,
        high=high,
        effect_size=effect_size(differences),
        wins=differences.count(differences.values > 0),
        ties=differences.count(differences.values == 0),
        losses=differences.count(differences.values < 0),
        detectable_difference=minimum_detectable_difference(differences, power=POWER),
    )


def with_holm(family: Sequence[Comparison], test: Test) -> list[Comparison]:
    """Return the comparisons with Holm-corrected p-values of one test."""
    corrected = holm([comparison.p(test) for comparison in family])
    size = len(family)
    return [
        replace(comparison, p_holm=p, corrected_test=test, family_size=size)
        for comparison, p in zip(family, corrected, strict=True)
    ]


def spread_over_seeds(by_seed: NDArray[np.float64]) -> float | None:
    """Return the standard deviation of the seeds' means, for values of shape (n_seeds, n_users); None for one seed."""
    return None if len(by_seed) == 1 else float(by_seed.mean(axis=1).std(ddof=1))


def seeds_t_test(means_a: NDArray[np.float64], means_b: NDArray[np.float64]) -> float | None:
    """Return the two-sided p-value of a t-test on two systems' means, one per seed; None if both have one seed.

    A test over users treats the trained models as fixed; this one tests whether the difference holds for other seeds.
    Means of shape (S,) each are paired in order, with S - 1 degrees of freedom. A single mean is treated as a constant.
    Different numbers of means are not paired; Welch's statistic is used with the degrees of freedom of the smaller
    number, which is conservative.
    """
    n_a, n_b = len(means_a), len(means_b)
    if n_a == n_b == 1:
        return None
    if n_a == n_b or min(n_a, n_b) == 1:
        return paired_t_test(Distinct.of(means_a - means_b))
    difference = float(means_a.mean() - means_b.mean())
    error = math.sqrt(float(means_a.var(ddof=1)) / n_a + float(means_b.var(ddof=1)) / n_b)
    if error == 0:
        # no spread over seeds: p is 1 for equal means, else 0
        return float(difference == 0)
    return student_two_sided(difference / error, min(n_a, n_b) - 1)


def effect_in_words(d: float | None) -> str:
    """Return the size of an effect in words (Cohen), regardless of its sign."""
    if d is None:
        return "equal for all users"
    return next((word for limit, word in EFFECT_WORDS if math.fabs(d) < limit), "large")
