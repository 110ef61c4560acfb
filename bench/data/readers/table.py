"""Delimited text read at once with Arrow; a slow second look finds the line that is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import integers_of
from bench.data.events import UNKNOWN_TIME, Coded
from bench.data.source_files import SourceFile, decoded
from bench.errors import BenchError

Row = dict[str, str]
RowCheck = Callable[[Row], str]
"""Returns what is wrong with a row, or an empty text."""


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written."""

    delimiter: str = ","
    """One character between fields."""
    names: tuple[str, ...] = ()
    """Column names of a file without a header line."""
    quoted: bool = True
    """Whether fields may stand in double quotes."""


def header_of(data: bytes, file: SourceFile, layout: Layout) -> list[str]:
    """Return the column names in the first line; raise BenchError where one occurs twice."""
    first = decoded(data.partition(b"\n")[0], file).removeprefix("\ufeff").rstrip("\r")
    names = next(csv.reader([first], delimiter=layout.delimiter), [])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BenchError(f"{file}, line 1: column '{repeated[0]}' occurs twice.")
    return names


def read_columns(
    data: bytes, file: SourceFile, layout: Layout, texts: Sequence[str], integers: Sequence[str], check: RowCheck
) -> dict[str, Any]:
    """Return the named columns as Arrow arrays; an empty integer is null.

    Raises:
        BenchError: Naming the file and the first line that cannot be read or that ``check`` refuses.
    """
    import pyarrow

    try:
        return _parsed(data, layout, texts, integers)
    except pyarrow.ArrowInvalid as error:
        raise_first_fault(data, file, layout, check)
        raise BenchError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def raise_first_fault(data: bytes, file: SourceFile, layout: Layout, check: RowCheck) -> None:
    """Look at every line in turn and raise BenchError for the first that is wrong; return where none is."""
    names = list(layout.names) or header_of(data, file, layout)
    text = io.StringIO(decoded(data, file).removeprefix("\ufeff"), newline="")
    reader = csv.reader(
        text, delimiter=layout.delimiter, quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE
    )
    try:
        for index, fields in enumerate(reader):
            if not fields or (index == 0 and not layout.names):
                continue
            fault = _count_fault(fields, names) or check(dict(zip(names, fields, strict=True)))
            if fault:
                raise BenchError(f"{file}, line {reader.line_num}: {fault}.")
    except csv.Error as error:
        raise BenchError(f"{file}, line {reader.line_num}: {error}.") from error


def integer_fault(row: Row, column: str, empty_allowed: bool) -> str:
    """Say what is wrong with an integer field, or return an empty text."""
    value = row.get(column, "0")
    if value == "":
        return "" if empty_allowed else f"{column} is empty, expected an integer"
    digits = value.removeprefix("-")
    return "" if digits.isascii() and digits.isdigit() else f"{column} is '{value}', expected an integer"


def no_column(name: str, file: SourceFile, header: Sequence[str]) -> BenchError:
    """Return the error for a file whose first line names no such column."""
    return BenchError(f"{file}, line 1: no column '{name}'; found {', '.join(header) or 'nothing'}.")


def coded_column(column: Any) -> Coded:
    """Number the values of an Arrow text column in order of first appearance."""
    encoded = column.dictionary_encode()
    codes = integers_of(encoded.indices, null=-1)
    return Coded(codes, np.array(encoded.dictionary.to_pylist(), dtype=np.str_))


def integer_column(column: Any) -> NDArray[np.int64]:
    """Return an Arrow integer column as an array, :data:`UNKNOWN_TIME` where it is null."""
    return integers_of(column, null=UNKNOWN_TIME)


def _parsed(data: bytes, layout: Layout, texts: Sequence[str], integers: Sequence[str]) -> dict[str, Any]:
    import pyarrow
    from pyarrow import csv as arrow_csv

    types = {name: pyarrow.string() for name in texts} | {name: pyarrow.int64() for name in integers}
    table = arrow_csv.read_csv(
        pyarrow.BufferReader(data),
        read_options=arrow_csv.ReadOptions(column_names=list(layout.names) or None),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter, quote_char='"' if layout.quoted else False, newlines_in_values=layout.quoted
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False
        ),
    )
    return {name: table.column(name).combine_chunks() for name in types}


def _count_fault(fields: list[str], names: list[str]) -> str:
    if len(fields) == len(names):
        return ""
    return f"{len(fields)} fields, expected {len(names)} ({', '.join(names)})"
