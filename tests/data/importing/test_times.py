from __future__ import annotations

import datetime
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.importing.options import TimeUnit
from bench.data.importing.tables import OpenTable
from bench.data.importing.times import Times, read_times
from bench.errors import BenchError

NOON = 1_706_702_400
"""2024-01-31, 12:00 UTC."""
FACTORS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


class Plain(OpenTable):
    name, kind, names = "x", "test", ("t",)

    @property
    def head(self) -> str:
        return "x"

    def read(self, names: Any) -> dict[str, Any]:
        raise NotImplementedError

    def place(self, row: int) -> str:
        return f"x, row {row + 1}"


def times(values: Any, unit: TimeUnit = "auto", kind: Any = None) -> Times:
    return read_times(Plain(), "t", pyarrow.chunked_array([pyarrow.array(values, kind)]), unit)


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        ([NOON], "Unix seconds"),
        ([str(NOON)], "Unix seconds"),
        ([f" {NOON}.75 "], "Unix seconds"),
        ([NOON * 1000 + 999], "Unix milliseconds"),
        ([str(NOON * 1000)], "Unix milliseconds"),
        ([f"{NOON * 1000}.0"], "Unix milliseconds"),
        ([NOON * 10**6], "Unix microseconds"),
        ([NOON * 10**9], "Unix nanoseconds"),
        (["2024-01-31T12:00:00Z"], "ISO dates"),
        (["2024-01-31 12:00"], "ISO dates"),
        (["2024-01-31T14:00:00.5+02:00"], "ISO dates"),
        ([datetime.datetime(2024, 1, 31, 12)], "timestamps"),
        ([datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.UTC)], "timestamps"),
    ],
)
def test_a_time_is_recognized_by_its_value(values: list[Any], meaning: str) -> None:
    found = times(values)
    assert found.meaning == meaning
    assert found.seconds.tolist() == [NOON]
    assert found.described == f"{meaning}, 2024-01-31 to 2024-01-31"


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        (["2024-01-31"], "ISO dates"),
        ([20240131], "dates (YYYYMMDD)"),
        (["20240131"], "dates (YYYYMMDD)"),
        ([datetime.date(2024, 1, 31)], "dates"),
    ],
)
def test_a_date_begins_at_midnight_utc(values: list[Any], meaning: str) -> None:
    found = times(values)
    assert (found.meaning, found.seconds.tolist()) == (meaning, [NOON - 12 * 3600])


def test_eight_digits_that_are_no_date_are_seconds() -> None:
    assert times([20240131, 20241399]).meaning == "Unix seconds"


@pytest.mark.parametrize("missing", [None, "", "  ", "-1", "nan"])
def test_a_missing_time_is_unknown(missing: str | None) -> None:
    found = times([str(NOON), missing])
    assert found.seconds.tolist() == [NOON, -1]
    assert found.is_known.tolist() == [True, False]


@pytest.mark.parametrize("missing", [None, "", " "])
def test_a_missing_date_is_unknown(missing: str | None) -> None:
    assert times(["2024-01-31T12:00:00Z", missing]).seconds.tolist() == [NOON, -1]


def test_zero_and_minus_one_do_not_decide_the_unit() -> None:
    found = times([0, NOON * 1000, -1])
    assert (found.meaning, found.seconds.tolist()) == ("Unix milliseconds", [0, NOON, -1])


def test_times_of_two_units_are_refused_until_the_unit_is_stated() -> None:
    with pytest.raises(BenchError) as refused:
        times([NOON, NOON * 1000])
    assert str(refused.value) == (
        "x, row 2: t is 1706702400000, which looks like Unix milliseconds, and 1706702400 (row 1) like Unix seconds; "
        "state the unit with --time-unit."
    )
    assert times([10**9, NOON * 1000], "milliseconds").seconds.tolist() == [10**6, NOON]


def test_a_stated_unit_is_not_guessed() -> None:
    assert times([20240131], "seconds").seconds.tolist() == [20240131]
    assert times(["20240131"], "iso").seconds.tolist() == [NOON - 12 * 3600]
    assert times([20240131], "iso").seconds.tolist() == [NOON - 12 * 3600]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2024-01-31", "31.01.2024"], "x, row 2: t is '31.01.2024', expected an ISO date like '2024-01-31'"),
        (["2024-01-31", "", "2024-13-01"], "x, row 3: t is '2024-13-01', expected an ISO date like"),
        (["yesterday"], r"x, row 1: t is 'yesterday', expected an ISO date \(2024-01-31\), Unix seconds or Unix milli"),
        (["1e400"], "x, row 1: t is 'inf', expected an ISO date .2024-01-31., Unix seconds"),
        (["5", "2024-01-31", "soon"], "x, row 2: t is '2024-01-31', expected a number like '5'"),
    ],
)
def test_a_value_that_is_no_time_is_named_with_its_row(values: list[str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        times(values)


@given(
    st.sampled_from(sorted(FACTORS)),
    st.lists(st.integers(1_000_000_000, 4_000_000_000), min_size=1, max_size=5),
    st.booleans(),
)
def test_every_unit_of_this_century_is_recognized(unit: str, seconds: list[int], as_text: bool) -> None:
    values = [second * FACTORS[unit] + FACTORS[unit] - 1 for second in seconds]
    found = times([str(value) for value in values] if as_text else values)
    assert (found.meaning, found.seconds.tolist()) == (f"Unix {unit}", seconds)


@given(st.lists(st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1)), min_size=1, max_size=4))
def test_iso_dates_are_read_to_the_second(moments: list[datetime.datetime]) -> None:
    found = times([moment.isoformat() for moment in moments])
    expected = [int((moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)) for moment in moments]
    assert found.seconds.tolist() == expected


@given(st.lists(st.text(max_size=12) | st.sampled_from(["5", "-1", "2024-01-31", "1e30", "0x1F"]), min_size=1))
def test_any_text_is_read_or_refused_in_one_line(values: list[str]) -> None:
    message = ""
    try:
        assert len(times(values).seconds) == len(values)
    except BenchError as error:
        message = str(error)
    assert message.isprintable()
    assert not message or "x, row " in message
