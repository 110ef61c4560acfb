from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax

from bench.learning.temperature import HIGHEST, LOWEST, fitted_temperature


def drawn(n: int = 4000, spread: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and, for each row, a column drawn by their softmax: logits that are calibrated."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(n, 10))
    reached = softmax(logits, axis=1).cumsum(axis=1) > rng.uniform(size=(n, 1))
    return logits, reached.argmax(axis=1)


def cross_entropy(logits: np.ndarray, columns: np.ndarray) -> float:
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(logits)), columns]).mean())


def test_calibrated_logits_have_the_temperature_one() -> None:
    assert fitted_temperature(*drawn()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("factor", [0.05, 0.7, 3.0, 20.0])
def test_scaled_scores_have_the_temperature_scaled_alike(factor: float) -> None:
    logits, columns = drawn()
    once = fitted_temperature(logits, columns)
    assert fitted_temperature(factor * logits, columns) == pytest.approx(factor * once, rel=1e-3)


def test_what_is_added_to_all_scores_of_a_row_changes_nothing() -> None:
    logits, columns = drawn()
    shifted = logits + np.random.default_rng(1).normal(size=(len(logits), 1))
    assert fitted_temperature(shifted, columns) == pytest.approx(fitted_temperature(logits, columns), rel=1e-4)


def test_two_candidates_have_the_temperature_of_the_textbook() -> None:
    """Of scores 1 and 0 the first is right in three of four rows: the logit is ln 3, the temperature 1 / ln 3."""
    scores = np.tile([1.0, 0.0], (4, 1))
    assert fitted_temperature(scores, np.array([0, 0, 0, 1])) == pytest.approx(1 / np.log(3), rel=1e-4)


def test_scores_that_are_always_right_or_tell_nothing_have_the_bounds() -> None:
    scores = np.tile([1.0, 0.0], (4, 1))
    assert fitted_temperature(scores, np.zeros(4, dtype=np.int64)) < 0.1
    assert fitted_temperature(scores, np.ones(4, dtype=np.int64)) == pytest.approx(HIGHEST, rel=0.01)


@given(st.integers(0, 10_000), st.floats(0.1, 5.0), st.floats(0.02, 20.0))
def test_no_other_temperature_has_a_lower_cross_entropy(seed: int, spread: float, factor: float) -> None:
    """The mean logit of the positives is that which the softmax expects (Guo et al. 2017, appendix S.2)."""
    logits, columns = drawn(200, spread, seed)
    scores = factor * logits
    found = fitted_temperature(scores, columns)
    least = cross_entropy(scores / found, columns)
    others = np.geomspace(2 * LOWEST, HIGHEST / 2, 40)
    assert all(least <= cross_entropy(scores / other, columns) + 1e-6 for other in others)
    if 2 * LOWEST < found < HIGHEST / 2:
        expected = (softmax(scores / found, axis=1) * scores).sum(axis=1).mean()
        assert scores[np.arange(len(scores)), columns].mean() == pytest.approx(expected, abs=1e-2 * factor * spread)
