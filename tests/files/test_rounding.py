"""Numbers as they are written down."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.files.rounding import DIGITS, rounded
from tests.support.shipped_numbers import differences, differences_of_csv

finite = st.floats(-1e200, 1e200, allow_subnormal=False)


def test_floats_keep_ten_digits_and_p_values_six_wherever_they_stand() -> None:
    written = rounded({"value": 1 / 3, "p": 2 / 3, "rows": [{"p_corrected": 1e-17 / 3, "n": 22363}], "name": "bpr"})
    assert written == {
        "value": 0.3333333333,
        "p": 0.666667,
        "rows": [{"p_corrected": 3.33333e-18, "n": 22363}],
        "name": "bpr",
    }


def test_words_truth_values_and_whole_numbers_stay_as_they_are() -> None:
    kept = ["beauty", True, None, 12_345_678_901_234, ("a", 1)]
    assert rounded(kept) == kept
    assert type(rounded(kept)[1]) is bool


@given(finite)
def test_rounding_twice_is_rounding_once_and_changes_little(value: float) -> None:
    once = rounded(value)
    assert rounded(once) == once
    assert math.isclose(once, value, rel_tol=10.0 ** (1 - DIGITS))


@given(st.floats(1e-3, 1e3))
def test_what_differs_in_its_last_bits_is_written_alike_but_for_one_unit(value: float) -> None:
    assert differences(rounded({"v": value}), rounded({"v": math.nextafter(value, math.inf)})) == []
    assert differences(rounded({"p": value}), rounded({"p": math.nextafter(value, math.inf)})) == []


def test_a_difference_that_means_something_is_found() -> None:
    assert differences({"v": 0.3043}, {"v": 0.3043001}) == [".v: 0.3043, shipped 0.3043001"]
    assert differences([{"p": 0.04}], [{"p": 0.041}]) == ["[0].p: 0.04, shipped 0.041"]
    assert differences({"n": 3}, {"n": 4}) == [".n: 3, shipped 4"]
    assert differences([1], [1, 2]) != []
    assert differences({"a": 1}, {"b": 1}) != []


def test_csv_fields_are_compared_as_numbers_where_they_have_a_point() -> None:
    assert differences_of_csv("run,v\n1e23,0.1\n", "run,v\n1e23,0.1000000000001\n") == []
    assert differences_of_csv("run,v\n1,0.1\n", "run,v\n2,0.1\n") == ["[0].run: '1', shipped '2'"]
