from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.learning.convergence import IN_WORDS, decayed_ending, ending, gain_of_second_half
from bench.plugin.fit_report import ENDINGS

RISING = [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ([], "unknown"),
        ([0.1], "rising"),
        (RISING, "rising"),
        ([*RISING, 0.2], "budget"),
        ([*RISING, *[0.2] * 4], "budget"),
        ([*RISING, *[0.2] * 5], "converged"),
        ([*RISING, *[0.3] * 5], "converged"),
    ],
)
def test_five_epochs_without_a_better_one_are_convergence(validation: list[float], expected: str) -> None:
    assert ending(validation) == expected


def test_five_checks_within_one_epoch_are_not_convergence() -> None:
    validation = [*RISING, *[0.2] * 5]
    assert ending(validation, [0.1 * check for check in range(8)]) == "budget"
    assert ending(validation, [0.2 * check for check in range(8)]) == "converged"


def test_checks_at_a_decayed_rate_do_not_count() -> None:
    validation = [*RISING, *[0.2] * 5, 0.4]
    assert ending(validation) == "rising"
    assert ending(validation, undecayed_until=8) == "converged"
    assert ending(validation, undecayed_until=7) == "budget"
    assert ending(validation, undecayed_until=3) == "rising"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_more_checks_that_are_no_better_lead_to_convergence(validation: list[float]) -> None:
    assert ending([*validation, *[min(validation)] * 5]) == "converged"
    assert ending([*validation, 2.0]) == "rising"


@pytest.mark.parametrize(
    ("validation", "expected"), [([], "unknown"), (RISING, "rising"), ([*RISING, *[0.2] * 9], "budget")]
)
def test_a_rate_that_fell_to_zero_is_never_convergence(validation: list[float], expected: str) -> None:
    assert decayed_ending(validation) == expected


def test_every_ending_has_words() -> None:
    assert set(IN_WORDS) == set(ENDINGS)


@pytest.mark.parametrize(
    ("validation", "epochs", "gain"),
    [
        ((0.1, 0.3, 0.2, 0.4), None, 0.1),  # halves of two epochs each
        ((0.1, 0.4, 0.2, 0.3), None, 0.0),  # a worse second half gained nothing
        ((0.1, 0.2, 0.5), None, 0.4),  # the second of three epochs is in the second half
        ((0.1, 0.2, 0.5), (0.0, 0.5, 2.0), 0.3),  # several checks an epoch, the first before training
    ],
)
def test_the_second_half_gains_what_its_best_check_is_above_the_first(
    validation: tuple[float, ...], epochs: tuple[float, ...] | None, gain: float
) -> None:
    assert gain_of_second_half(validation, epochs) == pytest.approx(gain)


@pytest.mark.parametrize(("validation", "epochs"), [((), None), ((0.1,), None), ((0.1, 0.2), (0.9, 1.0))])
def test_without_a_check_in_each_half_no_gain_is_known(
    validation: tuple[float, ...], epochs: tuple[float, ...] | None
) -> None:
    assert gain_of_second_half(validation, epochs) is None
