"""Read GroupLens' MovieLens files: 100K (tabs and bars), 1M and 10M (``::`` between fields)."""

from __future__ import annotations

from bench.data.events import GENRE_SEPARATOR, Events, ItemFacts, folded
from bench.data.readers.table import Layout, Row, Table, ids_fault, integer_column, integer_fault, item_fault
from bench.data.source_files import SourceFile, decoded, read_bytes
from bench.errors import BenchError

RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
LAYOUT = Layout(delimiter="\t", names=RATING_COLUMNS, quoted=False)
GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
FIRST_GENRE_COLUMN_100K = 5


def read_ratings(file: SourceFile) -> Events:
    """Read ``u.data`` or ``ratings.dat``; every rating counts as one event, regardless of its stars."""
    table = Table(read_bytes(file).replace(b"::", b"\t"), file, LAYOUT)
    columns = table.columns(("user_id", "item_id"), ("timestamp",), _rating_fault)
    if columns["timestamp"].null_count:
        table.raise_first_fault(_rating_fault)
    users, items = (table.ids(columns[name], _rating_fault) for name in ("user_id", "item_id"))
    return Events(users, items, integer_column(columns["timestamp"]))


def read_items_100k(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read ``u.item`` (Latin-1): ``id|title|date|date|address|19 genre flags``."""
    rows = _rows(file, "latin-1", "|", FIRST_GENRE_COLUMN_100K + len(GENRES_100K))
    kept = [row for row in rows if row[0] in wanted]
    return ItemFacts(
        titles={row[0]: folded(row[1]) for row in kept},
        categories={row[0]: _flagged_genres(row[FIRST_GENRE_COLUMN_100K:]) for row in kept},
    )


def read_items_1m(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read the ``movies.dat`` of MovieLens 1M, which is Latin-1."""
    return _movies(file, "latin-1", wanted)


def read_items_10m(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read the ``movies.dat`` of MovieLens 10M, which is UTF-8."""
    return _movies(file, "utf-8", wanted)


def _movies(file: SourceFile, encoding: str, wanted: frozenset[str]) -> ItemFacts:
    kept = [row for row in _rows(file, encoding, "::", 3) if row[0] in wanted]
    return ItemFacts({row[0]: folded(row[1]) for row in kept}, {row[0]: row[2] for row in kept})


def _rows(file: SourceFile, encoding: str, delimiter: str, n_fields: int) -> list[list[str]]:
    text = decoded(read_bytes(file), file, encoding)
    rows, fault = [], item_fault("item_id")
    for number, line in enumerate(text.split("\n"), start=1):
        row = line.rstrip("\r").split(delimiter)
        if row == [""]:
            continue
        wrong = "" if len(row) == n_fields else f"{len(row)} fields, expected {n_fields}"
        wrong = wrong or fault({"item_id": row[0]})
        if wrong:
            raise BenchError(f"{file}, line {number}: {wrong}.")
        rows.append(row)
    return rows


def _flagged_genres(flags: list[str]) -> str:
    return GENRE_SEPARATOR.join(genre for genre, flag in zip(GENRES_100K, flags, strict=True) if flag == "1")


def _rating_fault(row: Row) -> str:
    return ids_fault(row, "user_id", "item_id") or integer_fault(row, "timestamp", empty_allowed=False)
