"""The generic format: ``interactions.csv[.gz]`` and ``items.csv[.gz]``, UTF-8 with a header line.

Interactions: ``user_id,item_id[,timestamp][,position]``, other columns (``rating`` among them) are ignored, since
every event counts as one positive. Items: ``item_id[,title][,categories]``.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.data.events import Events, ItemFacts, folded
from bench.data.readers.table import (
    Layout,
    Row,
    coded_column,
    header_of,
    integer_column,
    integer_fault,
    no_column,
    raise_first_fault,
    read_columns,
)
from bench.data.source_files import SourceFile, read_bytes

LAYOUT = Layout()


def read_interactions(file: SourceFile) -> Events:
    """Read the events of a generic file; raise BenchError with the line where a row is wrong."""
    data = read_bytes(file)
    header = _header(data, file, ("user_id", "item_id"))
    integers = [name for name in ("timestamp", "position") if name in header]
    columns = read_columns(data, file, LAYOUT, ["user_id", "item_id"], integers, _event_fault)
    users, items = coded_column(columns["user_id"]), coded_column(columns["item_id"])
    positions = columns.get("position")
    if "" in users.ids or "" in items.ids or (positions is not None and positions.null_count):
        raise_first_fault(data, file, LAYOUT, _event_fault)
    return Events(
        users=users,
        items=items,
        timestamps=integer_column(columns["timestamp"]) if "timestamp" in columns else None,
        positions=None if positions is None else integer_column(positions),
    )


def read_items(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and categories of the ``wanted`` items; raise BenchError where an item has two rows."""
    data = read_bytes(file)
    header = _header(data, file, ("item_id",))
    texts = [name for name in ("item_id", "title", "categories") if name in header]
    columns = read_columns(data, file, LAYOUT, texts, [], _item_fault())
    ids = columns["item_id"].to_pylist()
    if "" in ids or len(set(ids)) < len(ids):
        raise_first_fault(data, file, LAYOUT, _item_fault())
    return ItemFacts(*(_facts(ids, columns, name, wanted) for name in ("title", "categories")))


def _facts(ids: list[str], columns: dict[str, object], name: str, wanted: frozenset[str]) -> dict[str, str]:
    if name not in columns:
        return {}
    texts = columns[name].to_pylist()  # type: ignore[attr-defined]
    return {item: folded(text) for item, text in zip(ids, texts, strict=True) if item in wanted and text.strip()}


def _header(data: bytes, file: SourceFile, required: tuple[str, ...]) -> list[str]:
    header = header_of(data, file, LAYOUT)
    missing = [name for name in required if name not in header]
    if missing:
        raise no_column(missing[0], file, header)
    return header


def _event_fault(row: Row) -> str:
    for column in ("user_id", "item_id"):
        if not row[column]:
            return f"{column} is empty"
    return integer_fault(row, "timestamp", empty_allowed=True) or integer_fault(row, "position", empty_allowed=False)


def _item_fault() -> Callable[[Row], str]:
    seen: set[str] = set()

    def fault(row: Row) -> str:
        item = row["item_id"]
        if not item:
            return "item_id is empty"
        if item in seen:
            return f"item '{item}' has a second row"
        seen.add(item)
        return ""

    return fault
