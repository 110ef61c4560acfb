from __future__ import annotations

import pytest
import scipy.special

from bench.significance.tails import normal_two_sided, student_quantile, student_two_sided


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 5, 51, 300, 22_362, 1_000_000])
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.3, -1.0, 1.96, 4.0, -12.0, 37.0])
def test_students_tail_agrees_with_scipy(t: float, degrees_of_freedom: int) -> None:
    expected = 2 * scipy.special.stdtr(degrees_of_freedom, -abs(t))
    assert student_two_sided(t, degrees_of_freedom) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("z", [0.0, 0.5, -1.96, 6.0, 30.0])
def test_the_normal_tail_agrees_with_scipy(z: float) -> None:
    assert normal_two_sided(z) == pytest.approx(2 * scipy.special.ndtr(-abs(z)), rel=1e-12)


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 9, 51, 22_362])
@pytest.mark.parametrize("probability", [0.5, 0.8, 0.975, 0.9999])
def test_students_quantile_agrees_with_scipy(probability: float, degrees_of_freedom: int) -> None:
    expected = scipy.special.stdtrit(degrees_of_freedom, probability)
    assert student_quantile(probability, degrees_of_freedom) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_a_quantile_below_the_middle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0\.5"):
        student_quantile(0.3, 10)
