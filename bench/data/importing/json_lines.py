"""Open a file of JSON lines for an import: one object per line.

Lines are read one by one with the standard library instead of with Arrow, which does not state the line of an error and
turns texts that look like dates into times.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from bench.data.events import GENRE_SEPARATOR
from bench.data.importing.tables import OpenTable
from bench.data.source_files import SourceFile, numbered_lines
from bench.errors import BenchError, shown

LINES_FOR_NAMES = 1000
"""Lines whose keys are taken as column names; later lines need not have all of them."""
BYTE_ORDER_MARK = "\ufeff".encode()


class JsonLinesTable(OpenTable):
    """A file with one JSON object per line; keys that a line lacks are missing values."""

    kind = "JSON lines"

    def __init__(self, file: SourceFile) -> None:
        self.file, self.name = file, file.path.name
        first = itertools.islice(self._records(), LINES_FOR_NAMES)
        self.names: Sequence[str] = list(dict.fromkeys(name for _, record in first for name in record))

    @property
    def head(self) -> str:
        """Return the first line."""
        return f"{self.file}, line 1"

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the named columns as Arrow arrays."""
        values: dict[str, list[Any]] = {name: [] for name in names}
        for line, record in self._records():
            for name, column in values.items():
                try:
                    column.append(_plain(record.get(name)))
                except ValueError as error:
                    raise BenchError(f"{self.file}, line {line}: {shown(name)} {error}.") from error
        return {name: _column(column) for name, column in values.items()}

    def place(self, row: int) -> str:
        """Return where a row is."""
        line, _ = next(itertools.islice(self._records(), row, None))
        return f"{self.file}, line {line}"

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (line number, object); empty lines are skipped."""
        for number, line in numbered_lines(self.file):
            text = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
            if not text.isspace() and text:
                yield number, self._record(text, number)

    def _record(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            hint = "; write one object per line, such as with DataFrame.to_json(path, orient='records', lines=True)"
            is_array = number == 1 and line.lstrip()[:1] in (b"[", b"{")
            raise BenchError(f"{self.file}, line {number}: not a JSON object{hint if is_array else ''}.") from error
        if not isinstance(record, dict):
            kind = "an array" if isinstance(record, list) else type(record).__name__
            raise BenchError(f"{self.file}, line {number}: {kind}, expected one JSON object per line.")
        return record


def _plain(value: Any) -> str | int | float | None:
    """Return a value that is a text or a number; a list of texts is joined."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = GENRE_SEPARATOR.join(value)
    if isinstance(value, bool | list | dict):
        raise ValueError(f"has the wrong type: {type(value).__name__}, expected text or a number")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("contains half of a surrogate pair, which is not a character") from error
    return value  # type: ignore[no-any-return]


def _column(values: list[Any]) -> Any:
    """Return an Arrow column of integers or numbers if all values are, and otherwise of texts."""
    import pyarrow

    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in known):
        kind = pyarrow.int64()
    elif known and all(isinstance(value, float | int) and abs(value) < 2**53 for value in known):
        kind = pyarrow.float64()
    else:
        kind, values = pyarrow.large_string(), [None if value is None else _text(value) for value in values]
    return pyarrow.chunked_array([pyarrow.array(values, kind)])


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else repr(value)
