from __future__ import annotations

import pytest
import scipy.special

from bench.tail_probability import normal_quantile, normal_two_sided, student_two_sided


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 5, 51, 300, 22_362, 1_000_000])
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.3, -1.0, 1.96, 4.0, -12.0, 37.0])
def test_students_tail_agrees_with_scipy(t: float, degrees_of_freedom: int) -> None:
    expected = 2 * scipy.special.stdtr(degrees_of_freedom, -abs(t))
    assert student_two_sided(t, degrees_of_freedom) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("z", [0.0, 0.5, -1.96, 6.0, 30.0])
def test_the_normal_tail_agrees_with_scipy(z: float) -> None:
    assert normal_two_sided(z) == pytest.approx(2 * scipy.special.ndtr(-abs(z)), rel=1e-12)


@pytest.mark.parametrize("probability", [0.001, 0.5, 0.8, 0.975])
def test_the_normal_quantile_agrees_with_scipy(probability: float) -> None:
    assert normal_quantile(probability) == pytest.approx(scipy.special.ndtri(probability), abs=1e-12)
