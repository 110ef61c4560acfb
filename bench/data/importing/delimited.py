"""Open CSV, TSV and RecBole's atomic files for an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.data.events import GENRE_SEPARATOR
from bench.data.importing.tables import OpenTable
from bench.data.readers import recbole_atomic
from bench.data.readers.quotes import first_stray_quote
from bench.data.readers.table import LINE_END, Layout, Row, Table
from bench.data.source_files import SourceFile, read_bytes

DELIMITERS = (",", "\t", ";", "|")
"""Tried in this order; the one that splits the first line into most columns is used."""
DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
RELEASE_YEAR = "release_year"


class DelimitedTable(OpenTable):
    """A text file with one line per row."""

    def __init__(self, table: Table, kind: str) -> None:
        self.table, self.kind, self.name = table, kind, table.file.path.name
        self.names: Sequence[str] = table.header

    @property
    def head(self) -> str:
        """Return the first line."""
        return f"{self.table.file}, line 1"

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the named columns as Arrow arrays."""
        return self.table.columns(list(dict.fromkeys(names)), [], _any_row)

    def place(self, row: int) -> str:
        """Return where a row is."""
        return f"{self.table.file}, line {self.table.line_of_row(row)}"


class AtomicTable(DelimitedTable):
    """A RecBole file: the names in its header end in a type, which is not part of the name."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, "RecBole atomic file")
        self.typed: Mapping[str, str] = {name.partition(":")[0]: name for name in reversed(table.header)}
        self.names = tuple(reversed(self.typed))

    def read(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns; as in the reader of atomic files, titles end in the release year, and genres are words."""
        with_year = RELEASE_YEAR in self.typed and any(name in recbole_atomic.TITLE_NAMES for name in names)
        read = [*names, RELEASE_YEAR] if with_year else names
        columns = super().read([self.typed[name] for name in read])
        found = {name: columns[self.typed[name]] for name in read}
        for name in names:
            if with_year and name in recbole_atomic.TITLE_NAMES:
                found[name] = _with_years(found[name], found[RELEASE_YEAR])
            if name in recbole_atomic.CATEGORY_NAMES and self.typed[name].endswith(":token_seq"):
                found[name] = _joined(found[name])
        return {name: found[name] for name in names}


def open_csv(file: SourceFile) -> OpenTable:
    """Open a text file with a header; its delimiter is the one that occurs in the header."""
    data = read_bytes(file)
    delimiter = _delimiter(data)
    return _opened(file, data, Layout(delimiter), f"CSV separated by {DELIMITER_NAMES[delimiter]}")


def open_tsv(file: SourceFile) -> OpenTable:
    """Open a tab-separated file with a header; if its quotes do not enclose fields, they are plain text."""
    data = read_bytes(file)
    if first_stray_quote(data, "\t") is None:
        return _opened(file, data, Layout("\t"), "TSV")
    return _opened(file, data, Layout("\t", quoted=False), "TSV, double quotes read as text")


def open_atomic(file: SourceFile) -> OpenTable:
    """Open a RecBole ``.inter`` or ``.item`` file."""
    return AtomicTable(Table(read_bytes(file), file, recbole_atomic.LAYOUT))


def _opened(file: SourceFile, data: bytes, layout: Layout, kind: str) -> OpenTable:
    table = Table(data, file, layout)
    table.check_quotes()
    return DelimitedTable(table, "CSV" if kind.endswith(DELIMITER_NAMES[","]) else kind)


def _delimiter(data: bytes) -> str:
    end = LINE_END.search(data)
    first = data[: end.start() if end else None].decode("utf-8", "replace")
    return max(DELIMITERS, key=first.count)  # the first of several with equal counts


def _with_years(titles: Any, years: Any) -> Any:
    import pyarrow

    pairs = zip(titles.to_pylist(), years.to_pylist(), strict=True)
    ended = [f"{title} ({year})" if title.strip() and year.isdigit() else title for title, year in pairs]
    return pyarrow.chunked_array([pyarrow.array(ended, pyarrow.string())])


def _joined(categories: Any) -> Any:
    import pyarrow

    joined = [GENRE_SEPARATOR.join(text.split()) for text in categories.to_pylist()]
    return pyarrow.chunked_array([pyarrow.array(joined, pyarrow.string())])


def _any_row(_row: Row) -> str:
    return ""
