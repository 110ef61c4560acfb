"""A prepared domain on disk: Parquet tables with integer ids, read back identically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.data.arrow import integer_column, integers_of, text_column, texts_of
from bench.data.domain import Domain
from bench.files.store import read_json, write_json

INTERACTIONS, USERS, ITEMS, FACTS = "interactions.parquet", "users.parquet", "items.parquet", "facts.json"


def write_domain(domain: Domain, folder: Path) -> None:
    """Write a domain into a folder."""
    import pyarrow
    from pyarrow import parquet

    columns = {"item": integer_column(domain.items)}
    if domain.timestamps is not None:
        columns["timestamp"] = integer_column(domain.timestamps)
    catalogue = {"id": text_column(domain.item_ids.tolist()), "title": text_column(domain.titles)}
    if domain.categories is not None:
        catalogue["categories"] = text_column(domain.categories)
    people = {"id": text_column(domain.user_ids.tolist()), "start": integer_column(domain.indptr[:-1])}
    for name, table in ((INTERACTIONS, columns), (ITEMS, catalogue), (USERS, people)):
        parquet.write_table(pyarrow.table(table), folder / name)
    write_json(folder / FACTS, {"name": domain.name, "notes": list(domain.notes), "content_hash": domain.content_hash})


def read_domain(folder: Path) -> Domain:
    """Read a domain that :func:`write_domain` wrote."""
    interactions, users, items = (_columns(folder / name) for name in (INTERACTIONS, USERS, ITEMS))
    facts = read_json(folder / FACTS)
    events = integers_of(interactions["item"], null=-1)
    return Domain(
        name=facts["name"],
        indptr=np.append(integers_of(users["start"], null=-1), len(events)),
        items=events.astype(np.int32),
        titles=tuple(items["title"].to_pylist()),
        user_ids=texts_of(users["id"]),
        item_ids=texts_of(items["id"]),
        timestamps=integers_of(interactions["timestamp"], null=-1) if "timestamp" in interactions else None,
        categories=tuple(items["categories"].to_pylist()) if "categories" in items else None,
        notes=tuple(facts["notes"]),
    )


def stored_content_hash(folder: Path) -> str:
    """Return the content hash of a domain that :func:`write_domain` wrote."""
    stated = read_json(folder / FACTS).get("content_hash")
    return read_domain(folder).content_hash if stated is None else str(stated)  # older folders do not state it


def _columns(path: Path) -> dict[str, Any]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table = file.read()
    return dict(zip(table.column_names, table.columns, strict=True))
