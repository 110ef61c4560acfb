"""Read the generic format: ``interactions.csv[.gz]`` and ``items.csv[.gz]``, UTF-8 with a header line.

Interactions: ``user_id,item_id[,timestamp][,position]``; other columns (including ``rating``) are ignored, because
every event counts as one positive. A timestamp that is empty or -1 is unknown. Items: ``item_id[,title][,categories]``.
Double quotes follow RFC 4180: a field that contains one is enclosed in double quotes, and the quote is doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.data.events import Events, ItemFacts, folded
from bench.data.readers.table import Layout, Row, Table, ids_fault, integer_column, integer_fault, item_fault

if TYPE_CHECKING:
    from bench.data.source_files import SourceFile

LAYOUT = Layout()


def read_interactions(file: SourceFile) -> Events:
    """Read the events of a generic file; raise BenchError with the line of an invalid row."""
    table = Table.read(file, LAYOUT, ("user_id", "item_id"))
    integers = [name for name in ("timestamp", "position") if name in table.header]
    columns = table.columns(["user_id", "item_id"], integers, _event_fault)
    positions = columns.get("position")
    if positions is not None and positions.null_count:
        table.raise_first_fault(_event_fault)
    return Events(
        users=table.ids(columns["user_id"], _event_fault),
        items=table.ids(columns["item_id"], _event_fault),
        timestamps=integer_column(columns["timestamp"]) if "timestamp" in columns else None,
        positions=None if positions is None else integer_column(positions),
    )


def read_items(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and categories of the ``wanted`` items; raise BenchError if an item has two rows."""
    table = Table.read(file, LAYOUT, ("item_id",))
    texts = [name for name in ("item_id", "title", "categories") if name in table.header]
    columns = table.columns(texts, [], item_fault("item_id"))
    if len(table.ids(columns["item_id"], item_fault("item_id")).ids) < len(columns["item_id"]):
        table.raise_first_fault(item_fault("item_id"))
    ids = columns["item_id"].to_pylist()
    return ItemFacts(*(_facts(ids, columns, name, wanted) for name in ("title", "categories")))


def _facts(ids: list[str], columns: dict[str, object], name: str, wanted: frozenset[str]) -> dict[str, str]:
    if name not in columns:
        return {}
    texts = columns[name].to_pylist()  # type: ignore[attr-defined]
    return {item: folded(text) for item, text in zip(ids, texts, strict=True) if item in wanted and text.strip()}


def _event_fault(row: Row) -> str:
    return (
        ids_fault(row, "user_id", "item_id")
        or integer_fault(row, "timestamp", empty_allowed=True)
        or integer_fault(row, "position", empty_allowed=False)
    )
