"""Read files of published tables strictly: errors name the file, line and key, and suggest similar names."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from bench.files.yaml_fields import Document, Fields

PrintedScale = Literal["fraction", "percent"]
"""The unit of the metrics in a paper."""
REQUIRED = ("source", "datasets", "tables")
OPTIONAL = ("methods", "notes", "other_data", "figures")
SOURCE_KEYS = ("title", "address", "scale", "language_model")
FIGURE_KEYS = ("caption",)
TABLE_REQUIRED = ("caption", "rows")
TABLE_NAMES = ("metric", "dataset", "language_model")
"""Keys of a table with one name."""
TABLE_LISTS = ("datasets", "metrics", "columns")
"""Keys of a table with a list of names."""
TABLE_OPTIONAL = (*TABLE_NAMES, *TABLE_LISTS, "dataset_names", "sources")
ROW_REQUIRED = ("method", "values")
ROW_NAMES = ("group", "scenario", "sample")
ROW_LISTS = ("marked_best", "source_domains")
ROW_OPTIONAL = (*ROW_NAMES, *ROW_LISTS, "significance")


@cache
def read_published(path: Path) -> dict[str, Any]:
    """Return the content of a file of published tables; raise BenchError for any unexpected key or value."""
    document = Document.read(path)
    known = (*REQUIRED, *OPTIONAL)
    top = Fields.of(document, (), "the file of published tables", document.content, known, REQUIRED)
    _check_source(top.inner("source", SOURCE_KEYS, SOURCE_KEYS))
    for key in ("datasets", "methods", "other_data"):
        top.texts(key)
    top.names("notes")
    for figure in top.named("figures", "figure", FIGURE_KEYS, FIGURE_KEYS).values():
        figure.text("caption", is_long=True)
    for table in top.named("tables", "table", (*TABLE_REQUIRED, *TABLE_OPTIONAL), TABLE_REQUIRED).values():
        _check_table(table)
    return dict(top.values)


def _check_source(source: Fields) -> None:
    for key in SOURCE_KEYS:
        source.text(key)
    source.choice("scale", get_args(PrintedScale))


def _check_table(table: Fields) -> None:
    _check_names(table, ("caption", *TABLE_NAMES), TABLE_LISTS)
    table.texts("dataset_names")
    sources = table.open("sources")
    for target in sources.values:
        sources.names(target)
    for row in table.rows("rows", "row", (*ROW_REQUIRED, *ROW_OPTIONAL), ROW_REQUIRED):
        _check_row(row)


def _check_row(row: Fields) -> None:
    _check_names(row, ("method", *ROW_NAMES), ROW_LISTS)
    row.texts("significance")
    columns = row.open("values")
    for column, cell in columns.values.items():
        if isinstance(cell, dict):
            _check_numbers(columns.open(column))
        else:
            columns.number(column)


def _check_names(fields: Fields, names: Collection[str], lists: Collection[str]) -> None:
    for key in names:
        fields.text(key, "", is_long=key == "caption")
    for key in lists:
        fields.names(key)


def _check_numbers(metrics: Fields) -> None:
    for metric in metrics.values:
        metrics.number(metric)
