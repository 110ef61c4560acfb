"""Recognize times: ISO dates, Unix seconds, milliseconds and finer units, and the time types of Parquet and pandas."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.data.events import UNKNOWN_TIME
from bench.data.importing.texts import as_text, first_true
from bench.errors import BenchError, shown

if TYPE_CHECKING:
    from bench.data.importing.options import TimeUnit
    from bench.data.importing.tables import OpenTable

UNITS: tuple[tuple[TimeUnit, int, float], ...] = (
    ("seconds", 1, 1e11),
    ("milliseconds", 1_000, 1e14),
    ("microseconds", 1_000_000, 1e17),
    ("nanoseconds", 1_000_000_000, np.inf),
)
"""Unit, how many are a second, and the number from which on it is a finer unit: 1e11 seconds are the year 5138."""
FACTORS = {unit: factor for unit, factor, _ in UNITS}
DAYS_AS_NUMBERS = (19_000_101, 21_001_231)
"""Range of dates such as 20240131; as seconds they would all be in August 1970."""
EXPECTED = "an ISO date (2024-01-31), Unix seconds or Unix milliseconds"
LARGEST = 2.0**63
NUMBER = r"^[+-]?\d+(\.\d*)?$"


@dataclass(frozen=True, eq=False)
class Times:
    """The times of all rows."""

    seconds: NDArray[np.int64]
    """Unix seconds, :data:`UNKNOWN_TIME` if missing, shape (n_rows,)."""
    exact: NDArray[Any]
    """The same in the unit of the source, for the order within a second; missing ones come first."""
    is_known: NDArray[np.bool_]
    """Whether a row has a time."""
    meaning: str
    """What was recognized, such as ``Unix milliseconds``."""

    @property
    def described(self) -> str:
        """Return what was recognized, and from when to when."""
        known = self.seconds[self.is_known]
        return self.meaning if not len(known) else f"{self.meaning}, {_day(known.min())} to {_day(known.max())}"


def read_times(table: OpenTable, name: str, column: Any, unit: TimeUnit = "auto") -> Times:
    """Read a column of times; a missing one is null, empty or -1, and a time without a zone is UTC.

    Raises:
        BenchError: a value is not a time, or is not of the kind of the others.
    """
    import pyarrow

    kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
    column = column.cast(kind) if kind != column.type else column
    if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
        return _typed(table, name, column)
    if unit != "iso" and (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
        return _numbers(table, name, column, unit)
    texts = _stripped(as_text(table, name, column))
    numbers = None if unit == "iso" else _as_numbers(texts)
    if numbers is not None:
        return _numbers(table, name, numbers, unit)
    if unit != "iso":
        _check_mixture(table, name, texts)
    return _dates(table, name, texts)


def _stripped(texts: Any) -> Any:
    """Return texts without white space around them; empty ones are null."""
    import pyarrow.compute

    texts = pyarrow.compute.utf8_trim_whitespace(texts)
    return pyarrow.compute.if_else(pyarrow.compute.equal(texts, ""), None, texts)


def _as_numbers(texts: Any) -> Any:
    """Return texts as numbers, whole ones if possible; None if one is not a number."""
    import pyarrow

    for kind in (pyarrow.int64(), pyarrow.float64()):
        try:
            return texts.cast(kind)
        except pyarrow.ArrowInvalid:
            continue
    return None


def _check_mixture(table: OpenTable, name: str, texts: Any) -> None:
    """Raise BenchError for the first text that is not a number, if the first one is; otherwise they may be dates."""
    import pyarrow.compute

    known = first_true(pyarrow.compute.is_valid(texts))
    is_number = pyarrow.compute.match_substring_regex(pyarrow.compute.fill_null(texts, "0"), NUMBER)
    if known is not None and is_number[known].as_py():
        row = first_true(pyarrow.compute.invert(is_number))
        if row is not None:
            value, first = shown(texts[row].as_py()), shown(texts[known].as_py())
            raise table.fault(row, f"{shown(name)} is '{value}', expected a number like '{first}'")


def _typed(table: OpenTable, name: str, column: Any) -> Times:
    """Read times that have a time type."""
    import pyarrow
    import pyarrow.compute

    meaning = "dates" if pyarrow.types.is_date(column.type) else "timestamps"
    try:
        is_finer = getattr(column.type, "unit", "") == "ns"  # than microseconds, which are enough
        exact = column.cast(pyarrow.timestamp("us", getattr(column.type, "tz", None)), safe=not is_finer)
        numbers = exact.cast(pyarrow.int64())
    except pyarrow.ArrowException as error:
        raise BenchError(f"{table.head}: column '{shown(name)}' contains times that are out of range.") from error
    return _scaled(numbers, FACTORS["microseconds"], meaning, unknown=())


def _numbers(table: OpenTable, name: str, column: Any, unit: TimeUnit) -> Times:
    """Read times that are numbers since 1970, or dates as numbers."""
    column = _signed(table, name, column)
    values, is_known = _values(column)
    wrong = is_known & ~(np.abs(values.astype(np.float64)) < LARGEST)
    if values.dtype.kind == "f" and wrong.any():
        row = int(np.argmax(wrong))
        raise table.fault(row, f"{shown(name)} is '{values[row]}', expected {EXPECTED}")
    told = is_known & (values != UNKNOWN_TIME) & (values != 0)  # which 0 and -1 are in any unit
    if unit == "auto" and _are_days(values[told]):
        dates = _parsed_days(values, told)
        if dates is not None:
            return _scaled(dates, 1, "dates (YYYYMMDD)", unknown=(UNKNOWN_TIME, 0))
    chosen = _unit(table, name, values, told) if unit == "auto" else unit
    return _scaled(column, FACTORS[chosen], f"Unix {chosen}", unknown=(UNKNOWN_TIME,))


def _unit(table: OpenTable, name: str, values: NDArray[Any], told: NDArray[np.bool_]) -> TimeUnit:
    """Return the unit that the size of all values shows; raise BenchError if they show several."""
    if not told.any():
        return "seconds"
    sizes = np.abs(values.astype(np.float64))
    units = np.searchsorted([limit for _, _, limit in UNITS[:-1]], sizes, side="right")
    first = int(np.argmax(told))
    differs = told & (units != units[first])
    if differs.any():
        row = int(np.argmax(differs))
        raise table.fault(
            row,
            f"{shown(name)} is {values[row]}, which looks like Unix {UNITS[units[row]][0]}, and {values[first]} "
            f"({table.place(first).rpartition(', ')[2]}) like Unix {UNITS[units[first]][0]}; state the unit with "
            f"{table.setting('time-unit')}",
        )
    unit: TimeUnit = UNITS[int(units[first])][0]
    return unit


def _dates(table: OpenTable, name: str, texts: Any) -> Times:
    """Read ISO 8601 dates, with or without a time of day and a zone."""
    import pandas
    import pyarrow

    values = pandas.Series(texts.to_pylist(), dtype="object")
    parsed = pandas.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
    is_wrong = (values.notna() & parsed.isna()).to_numpy()
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        first = int(np.argmax(values.notna().to_numpy()))
        expected = EXPECTED if row == first else f"an ISO date like '{shown(values[first])}'"
        raise table.fault(row, f"{shown(name)} is '{shown(values[row])}', expected {expected}")
    exact = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    numbers = pyarrow.array(exact.astype(np.int64), pyarrow.int64(), mask=values.isna().to_numpy())
    return _scaled(numbers, FACTORS["microseconds"], "ISO dates", unknown=())


def _signed(table: OpenTable, name: str, column: Any) -> Any:
    """Return integers as 64 bits with a sign; raise BenchError for larger ones."""
    import pyarrow

    try:
        return column.cast(pyarrow.int64()) if pyarrow.types.is_integer(column.type) else column
    except pyarrow.ArrowInvalid as error:
        raise BenchError(f"{table.head}: column '{shown(name)}' has times of more than 63 bits.") from error


def _are_days(values: NDArray[Any]) -> bool:
    lowest, highest = DAYS_AS_NUMBERS
    return bool(len(values)) and bool(((values >= lowest) & (values <= highest)).all())


def _parsed_days(values: NDArray[Any], told: NDArray[np.bool_]) -> Any:
    """Return dates such as 20240131 as Unix seconds; None if one is not a date."""
    import pandas
    import pyarrow

    days = pandas.Series(values[told]).astype("int64").astype("str")
    parsed = pandas.to_datetime(days, format="%Y%m%d", errors="coerce")
    if parsed.isna().any():
        return None
    seconds = np.zeros(len(values), dtype=np.int64)
    seconds[told] = parsed.to_numpy().astype("datetime64[s]").astype(np.int64)
    return pyarrow.array(seconds, pyarrow.int64(), mask=~told)


def _scaled(column: Any, factor: int, meaning: str, unknown: tuple[int, ...]) -> Times:
    values, is_known = _values(column)
    for value in unknown:
        is_known &= values != value
    seconds = np.floor_divide(values, factor)
    lowest = np.iinfo(np.int64).min if values.dtype.kind == "i" else -np.inf
    return Times(
        seconds=np.where(is_known, seconds, UNKNOWN_TIME).astype(np.int64),
        exact=np.where(is_known, values, lowest),
        is_known=is_known,
        meaning=meaning,
    )


def _values(column: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return an Arrow column of numbers as an array, with 0 for missing ones, and a mask of those that are known."""
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_floating(column.type):
        column = pyarrow.compute.if_else(pyarrow.compute.is_nan(column), None, column)
        kind: Any = pyarrow.float64()
    else:
        kind = pyarrow.int64()
    filled = pyarrow.compute.fill_null(column.cast(kind, safe=False), 0)
    is_known = pyarrow.compute.is_valid(column)
    return _array(filled), _array(is_known).astype(np.bool_)


def _array(column: Any) -> NDArray[Any]:
    whole = column.combine_chunks() if hasattr(column, "chunks") else column
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def _day(seconds: np.int64) -> str:
    try:
        return str(datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).date())
    except (OverflowError, ValueError, OSError):
        return f"{seconds:,} s"
