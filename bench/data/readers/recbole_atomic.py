"""Read RecBole's atomic files: tab-separated text with types in the header, as in ``user_id:token``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.data.events import GENRE_SEPARATOR, UNKNOWN_TIME, Events, ItemFacts, folded
from bench.data.readers.table import INTEGER_LIMIT, Layout, Row, Table, ids_fault, item_fault
from bench.errors import shown

if TYPE_CHECKING:
    from bench.data.source_files import SourceFile

TITLE_NAMES = ("movie_title", "title", "name")
CATEGORY_NAMES = ("class", "genre", "genres", "categories")
LAYOUT = Layout(delimiter="\t", quoted=False)


def read_interactions(file: SourceFile) -> Events:
    """Read an ``.inter`` file; its timestamps are floats and are rounded to whole seconds."""
    table = Table.read(file, LAYOUT)
    user, item = (_typed(table, name) for name in ("user_id", "item_id"))
    time = _typed(table, "timestamp", required=False)
    fault = _event_fault(user, item, time)
    columns = table.columns([name for name in (user, item, time) if name], [], fault)
    users, items = table.ids(columns[user], fault), table.ids(columns[item], fault)
    try:
        times = _seconds(columns[time].to_pylist()) if time else None
    except (ValueError, OverflowError):
        table.raise_first_fault(fault)
        raise
    return Events(users, items, times)


def read_items(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read an ``.item`` file: title, with the release year in parentheses if there is one, and categories."""
    table = Table.read(file, LAYOUT)
    id_column = _typed(table, "item_id")
    kept = {
        row[id_column]: {name.partition(":")[0]: value for name, value in row.items()}
        for row in table.rows(item_fault(id_column))
        if row[id_column] in wanted
    }
    return ItemFacts(
        titles={item: title for item, row in kept.items() if (title := _title(row))},
        categories={item: GENRE_SEPARATOR.join(_first(row, CATEGORY_NAMES).split()) for item, row in kept.items()},
    )


def _typed(table: Table, name: str, required: bool = True) -> str:
    found = next((column for column in table.header if column.partition(":")[0] == name), "")
    if required and not found:
        raise table.no_column(name)
    return found


def _event_fault(user: str, item: str, time: str) -> Callable[[Row], str]:
    return lambda row: ids_fault(row, user, item) or (_time_fault(row[time]) if time else "")


def _time_fault(value: str) -> str:
    try:
        is_time = not value or abs(float(value)) < INTEGER_LIMIT
    except ValueError:
        is_time = False
    return "" if is_time else f"timestamp is '{shown(value)}', expected a number of seconds"


def _seconds(values: list[str]) -> NDArray[np.int64]:
    return np.array([round(float(value)) if value else UNKNOWN_TIME for value in values], dtype=np.int64)


def _title(row: Row) -> str:
    title, year = folded(_first(row, TITLE_NAMES)), row.get("release_year", "")
    return f"{title} ({year})" if title and year.isdigit() else title


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if name in row), "")
