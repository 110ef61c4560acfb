"""Read delimited text at once with Arrow; if that fails, a slow second pass finds the invalid line."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import integers_of, matches_any
from bench.data.events import UNKNOWN_TIME, Coded, coded, id_fault
from bench.data.readers.quotes import first_stray_quote
from bench.data.source_files import SourceFile, decoded, line_of, read_bytes
from bench.errors import BenchError, shown

Row = dict[str, str]
RowCheck = Callable[[Row], str]
"""Returns what is wrong with a row, or an empty string."""
LONGEST_HEADER_SHOWN = 200
LONGEST_ROW = 1 << 20
"""Longest row, in characters, that Arrow's parser always reads."""
WRONG_ID = r"^$|\p{Cc}"
"""The ids that :func:`bench.data.events.id_fault` refuses, in RE2 syntax; UTF-8 text has no lone surrogates."""
INTEGER_LIMIT = 2**63
LINE_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Layout:
    """The layout of a delimited file."""

    delimiter: str = ","
    """The character between fields."""
    names: tuple[str, ...] = ()
    """Column names of a file without a header line."""
    quoted: bool = True
    """Whether fields may be enclosed in double quotes."""


@dataclass(frozen=True)
class Table:
    """A delimited file in memory."""

    data: bytes
    file: SourceFile
    layout: Layout

    @classmethod
    def read(cls, file: SourceFile, layout: Layout, required: Sequence[str] = ()) -> Table:
        """Read a file; raise BenchError for a misplaced double quote or a missing required column."""
        table = cls(read_bytes(file), file, layout)
        table.check_quotes()
        for name in required:
            if name not in table.header:
                raise table.no_column(name)
        return table

    def check_quotes(self) -> None:
        """Raise BenchError for a misplaced double quote, if the layout has quotes."""
        stray = first_stray_quote(self.data, self.layout.delimiter) if self.layout.quoted else None
        if stray is not None:
            raise self.fault(
                line_of(self.data, stray),
                "a double quote out of place; only whole fields stand in double quotes, those inside are doubled",
            )

    @cached_property
    def header(self) -> list[str]:
        """The column names in the first line; raises BenchError if one occurs twice."""
        end = LINE_END.search(self.data)
        first = decoded(self.data[: end.start() if end else None], self.file).removeprefix("\ufeff")
        try:
            names: list[str] = next(self._fields([first]), [])
        except csv.Error as error:
            raise self.fault(1, str(error)) from error
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise self.fault(1, f"column '{shown(repeated[0])}' occurs twice")
        return names

    def columns(self, texts: Sequence[str], integers: Sequence[str], check: RowCheck) -> dict[str, Any]:
        """Return the named columns as Arrow arrays; an empty integer is null.

        Raises:
            BenchError: A line cannot be read or is refused by ``check``; the message names the file and the first one.
        """
        import pyarrow

        if not self.data.strip(b"\r\n"):
            raise self.fault(1, "no rows")
        try:
            return self._parsed(texts, integers)
        except pyarrow.ArrowInvalid as error:
            self.raise_first_fault(check)
            raise BenchError(f"{self.file} cannot be read: {shown(str(error), LONGEST_HEADER_SHOWN)}") from error

    def ids(self, column: Any, check: RowCheck) -> Coded:
        """Number the ids of a text column in order of first appearance; ``check`` locates an invalid id's line."""
        pieces = column.dictionary_encode().chunks
        if not pieces:
            return coded([])
        ids = pieces[0].dictionary  # all pieces share one dictionary
        if matches_any(ids, WRONG_ID):
            self.raise_first_fault(check)
        return Coded(np.concatenate([integers_of(piece.indices, null=-1) for piece in pieces]), ids)

    def raise_first_fault(self, check: RowCheck) -> None:
        """Check the lines in order and raise BenchError for the first invalid one; return if there is none."""
        for _ in self.rows(check):
            pass

    def line_of_row(self, row: int) -> int:
        """Return the line, from 1, on which the row with this index, from 0, begins."""
        return next(itertools.islice((line for line, _ in self._numbered(lambda _row: "")), row, None))

    def rows(self, check: RowCheck) -> Iterator[Row]:
        """Yield every row; raise BenchError at the first invalid one."""
        return (row for _, row in self._numbered(check))

    def _numbered(self, check: RowCheck) -> Iterator[tuple[int, Row]]:
        """Yield the line on which each row begins, and the row."""
        names = list(self.layout.names) or self.header
        text = io.StringIO(decoded(self.data, self.file).removeprefix("\ufeff"), newline="")
        reader, line = self._fields(text), 1
        try:
            for index, fields in enumerate(reader):
                if fields and (index or self.layout.names):
                    yield line, self._checked(fields, names, line, check)
                line = reader.line_num + 1
        except csv.Error as error:
            raise self.fault(line, str(error)) from error

    def no_column(self, name: str) -> BenchError:
        """Return the error for a column missing from the first line."""
        found = shown(", ".join(self.header), LONGEST_HEADER_SHOWN) or "nothing"
        return self.fault(1, f"no column '{name}'; found {found}")

    def fault(self, line: int, text: str) -> BenchError:
        """Return the error for one line."""
        return BenchError(f"{self.file}, line {line}: {text}.")

    def _checked(self, fields: list[str], names: list[str], line: int, check: RowCheck) -> Row:
        fault = _shape_fault(fields, names)
        row = {} if fault else dict(zip(names, fields, strict=True))
        fault = fault or check(row)
        if fault:
            raise self.fault(line, fault)
        return row

    def _fields(self, lines: Iterable[str]) -> Any:
        delimiter = self.layout.delimiter
        if self.layout.quoted:
            return csv.reader(lines, delimiter=delimiter, strict=True)
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)

    def _parsed(self, texts: Sequence[str], integers: Sequence[str]) -> dict[str, Any]:
        import pyarrow
        from pyarrow import csv as arrow_csv

        layout = self.layout
        types = {name: pyarrow.string() for name in texts} | {name: pyarrow.int64() for name in integers}
        table = arrow_csv.read_csv(
            # Arrow does not accept a header without a line end
            pyarrow.BufferReader(self.data if LINE_END.search(self.data) else self.data + b"\n"),
            read_options=arrow_csv.ReadOptions(column_names=list(layout.names) or None),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter, quote_char='"' if layout.quoted else False, newlines_in_values=layout.quoted
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False
            ),
        )
        return {name: table.column(name) for name in types}


def ids_fault(row: Row, *columns: str) -> str:
    """Return which of a row's ids is wrong and why, or an empty string."""
    faults = ((column, id_fault(row[column])) for column in columns)
    return next((f"{column.partition(':')[0]} {fault}" for column, fault in faults if fault), "")


def item_fault(column: str) -> RowCheck:
    """Return a row check for items that refuses an invalid id and a second row for an item."""
    seen: set[str] = set()

    def fault(row: Row) -> str:
        item = row[column]
        wrong = ids_fault(row, column) or (f"item '{shown(item)}' has a second row" if item in seen else "")
        seen.add(item)
        return wrong

    return fault


def integer_fault(row: Row, column: str, empty_allowed: bool) -> str:
    """Return what is wrong with an integer field, or an empty string."""
    value = row.get(column, "0")
    if value == "":
        return "" if empty_allowed else f"{column} is empty, expected an integer"
    digits = value.removeprefix("-")
    if digits.isascii() and digits.isdigit() and (len(digits) < 19 or -INTEGER_LIMIT <= int(value) < INTEGER_LIMIT):
        return ""
    return f"{column} is '{shown(value)}', expected an integer of 64 bits"


def integer_column(column: Any) -> NDArray[np.int64]:
    """Return an Arrow integer column as an array, with :data:`UNKNOWN_TIME` for nulls."""
    return integers_of(column, null=UNKNOWN_TIME)


def _shape_fault(fields: list[str], names: list[str]) -> str:
    if len(fields) != len(names):
        expected = shown(", ".join(names), LONGEST_HEADER_SHOWN)
        return f"{len(fields)} fields, expected {len(names)} ({expected})"
    n_characters = sum(map(len, fields))
    return (
        f"a row of {n_characters:,} characters, expected {LONGEST_ROW:,} at most" if n_characters > LONGEST_ROW else ""
    )
