"""RecBole's atomic files: tab-separated text whose header gives a type after each name, as in ``user_id:token``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.events import GENRE_SEPARATOR, UNKNOWN_TIME, Events, ItemFacts, folded
from bench.data.readers.table import Layout, Row, coded_column, header_of, no_column, read_columns
from bench.data.source_files import SourceFile, decoded, read_bytes
from bench.errors import BenchError

TITLE_NAMES = ("movie_title", "title", "name")
CATEGORY_NAMES = ("class", "genre", "genres", "categories")
LAYOUT = Layout(delimiter="\t", quoted=False)


def read_interactions(file: SourceFile) -> Events:
    """Read an ``.inter`` file; timestamps are floats there and are rounded to whole seconds."""
    data = read_bytes(file)
    header = header_of(data, file, LAYOUT)
    user, item, time = (_typed(header, name) for name in ("user_id", "item_id", "timestamp"))
    if not user or not item:
        raise no_column("item_id" if user else "user_id", file, header)
    texts = [name for name in (user, item, time) if name]
    columns = read_columns(data, file, LAYOUT, texts, [], _no_fault)
    times = _seconds(columns[time].to_pylist(), file) if time else None
    return Events(coded_column(columns[user]), coded_column(columns[item]), times)


def read_items(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read an ``.item`` file: title, with the release year in parentheses where there is one, and categories."""
    text = decoded(read_bytes(file), file)
    header, *lines = [line.split("\t") for line in text.replace("\r\n", "\n").split("\n") if line]
    names = [name.partition(":")[0] for name in header]
    rows = [dict(zip(names, fields, strict=False)) for fields in lines]
    kept = [row for row in rows if row.get("item_id") in wanted]
    return ItemFacts(
        titles={row["item_id"]: title for row in kept if (title := _title(row))},
        categories={row["item_id"]: GENRE_SEPARATOR.join(_first(row, CATEGORY_NAMES).split()) for row in kept},
    )


def _typed(header: list[str], name: str) -> str:
    return next((column for column in header if column.partition(":")[0] == name), "")


def _title(row: Row) -> str:
    title, year = folded(_first(row, TITLE_NAMES)), row.get("release_year", "")
    return f"{title} ({year})" if title and year.isdigit() else title


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if name in row), "")


def _seconds(values: list[str], file: SourceFile) -> NDArray[np.int64]:
    try:
        return np.array([round(float(value)) if value else UNKNOWN_TIME for value in values], dtype=np.int64)
    except ValueError as error:
        raise BenchError(f"{file}: a timestamp is not a number ({error}).") from error


def _no_fault(_row: Row) -> str:
    return ""
