"""Compute tail probabilities of the normal distribution and of Student's t.

They agree with SciPy to eight digits (tested); importing SciPy would take longer than computing a whole table.
"""

from __future__ import annotations

import math
from functools import cache

TINY = 1e-300
"""Prevents a division by zero in the continued fraction."""
TOLERANCE = 1e-15
"""Distance from 1 at which a factor no longer changes the continued fraction; doubles near 1 are 2e-16 apart."""
MAX_TERMS = 10_000
HALVINGS = 50
"""Number of times the interval around a quantile is halved, which determines nearly all digits of a double."""


def normal_two_sided(z: float) -> float:
    """Return the probability that the absolute value of a standard normal is at least ``|z|``."""
    return math.erfc(abs(z) / math.sqrt(2))


def student_two_sided(t: float, degrees_of_freedom: int) -> float:
    """Return the probability that the absolute value of Student's t is at least ``|t|``."""
    total = degrees_of_freedom + t * t
    # both shares are passed, because the smaller one would lose digits if computed as 1 - x
    return _incomplete_beta(degrees_of_freedom / 2, 0.5, degrees_of_freedom / total, t * t / total)


@cache
def student_quantile(probability: float, degrees_of_freedom: int) -> float:
    """Return the quantile of Student's t for a probability of at least 0.5, found by bisection."""
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
    """Return the regularized incomplete beta function at ``x``; ``rest`` is 1 - x without its rounding error."""
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
