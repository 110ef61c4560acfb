"""Tail probabilities of the normal and Student's t distribution.

They agree with scipy to eight digits (tested); importing scipy's would cost more time than a whole table takes.
"""

from __future__ import annotations

import math
from functools import cache

TINY = 1e-300
"""Keeps the continued fraction off a division by zero."""
TOLERANCE = 1e-15
"""A factor this near to 1 leaves the continued fraction as it is: doubles near 1 are 2e-16 apart."""
MAX_TERMS = 10_000
HALVINGS = 50
"""Of the interval that holds a quantile: beyond a double's last digit but a few."""


def normal_two_sided(z: float) -> float:
    """Return the probability that a standard normal is at least as far from 0 as ``z``."""
    return math.erfc(abs(z) / math.sqrt(2))


def student_two_sided(t: float, degrees_of_freedom: int) -> float:
    """Return the probability that Student's t is at least as far from 0 as ``t``."""
    total = degrees_of_freedom + t * t
    # both shares are passed: computed as 1 - x, the smaller one would lose its digits
    return _incomplete_beta(degrees_of_freedom / 2, 0.5, degrees_of_freedom / total, t * t / total)


@cache
def student_quantile(probability: float, degrees_of_freedom: int) -> float:
    """Return the quantile of Student's t for a probability of one half or more, found by halving an interval."""
    if not 1 / 2 <= probability < 1:
        raise ValueError(f"expected a probability from 0.5 to below 1, got {probability}")
    low, high = 0.0, 1.0
    while student_two_sided(high, degrees_of_freedom) > 2 * (1 - probability):
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_below = student_two_sided(middle, degrees_of_freedom) > 2 * (1 - probability)
        low, high = (middle, high) if is_below else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Regularised incomplete beta function at ``x``; ``rest`` is 1 - x without its rounding."""
    if x == 0.0 or rest == 0.0:
        return 1.0 - rest
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log1p(-rest) + b * math.log(rest) - log_beta)
    # the fraction converges fast below the mean, so above it the other tail is computed
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, rest) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of DLMF 8.17.22 by Lentz's method."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for term in range(1, MAX_TERMS):
        coefficient = _beta_coefficient(a, b, x, term)
        denominator = 1 / (1 + coefficient * denominator or TINY)
        numerator = 1 + coefficient / numerator or TINY
        step = numerator * denominator
        value *= step
        if abs(step - 1) < TOLERANCE:
            break
    return 1 / value


def _beta_coefficient(a: float, b: float, x: float, term: int) -> float:
    m = term // 2
    if term % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
