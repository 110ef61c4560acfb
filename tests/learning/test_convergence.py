from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.learning.convergence import IN_WORDS, decayed_ending, ending
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
