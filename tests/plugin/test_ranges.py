from __future__ import annotations

from typing import Any

import pytest

from bench.plugin.ranges import (
    Limits,
    above,
    allows,
    at_least,
    at_most,
    below,
    between,
    described,
    divides,
    divides_other,
)

DROPOUT = at_least(0) | below(1)


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (at_least(1), (1, 2, 1e9), (0, -1, 0.999)),
        (above(0), (1e-30, 5), (0, -1e-30)),
        (at_most(3), (3, -5), (3.001, 4)),
        (below(1), (0.999, -5), (1, 2)),
        (between(0, 1), (0, 0.5, 1), (-0.001, 1.001)),
        (DROPOUT, (0, 0.999), (1, -0.1)),
        (above(0) | at_most(1), (1e-9, 1), (0, 1e30)),
    ],
)
def test_limits_hold_up_to_their_ends(limits: Limits, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    assert [value for value in inside if not allows(limits, value)] == []
    assert [value for value in outside if allows(limits, value)] == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (at_least(1), "at least 1"),
        (DROPOUT, "at least 0 and below 1"),
        (above(0) | at_most(1), "above 0 and at most 1"),
        (at_least(1) | divides("dimensions"), "at least 1 and a divisor of dimensions"),
        ({"help": "free"}, ""),
    ],
)
def test_a_range_is_described_in_words(limits: dict[str, Any], words: str) -> None:
    assert described(limits) == words


def test_none_is_within_every_range() -> None:
    assert allows(at_least(1), None)
    assert divides_other(divides("dimensions"), None, {"dimensions": 64})


def test_every_value_of_a_tuple_has_to_be_a_number_within_the_range() -> None:
    assert allows(at_least(1), (64, 32))
    assert not allows(at_least(1), (64, 0))
    assert not allows(at_least(1), (64, "x"))
    assert not allows(at_least(1), (64, True))


def test_a_value_of_another_kind_is_out_of_range() -> None:
    assert not allows(at_least(1), "x")
    assert allows({}, "x")


def test_heads_have_to_divide_the_dimensions() -> None:
    facts, values = divides("dimensions"), {"dimensions": 64}
    assert divides_other(facts, 4, values)
    assert not divides_other(facts, 3, values)
    assert divides_other({}, 3, values)
