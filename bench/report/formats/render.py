"""Render tables in any of the output formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.report.formats.csv_json import to_csv, to_json
from bench.report.formats.html import to_html
from bench.report.formats.latex import to_latex
from bench.report.formats.text import to_markdown, to_text
from bench.report.tables.presented import presented

if TYPE_CHECKING:
    from bench.report.tables.table import Table, TableFormat

RENDERERS: dict[TableFormat, Callable[[Table], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "html": to_html,
    "json": to_json,
}
COMPLETE: tuple[TableFormat, ...] = ("csv", "json")
"""Formats that contain all cells and notes, for further processing."""


def render_table(table: Table, output_format: TableFormat) -> str:
    """Return the table in one of the formats of :data:`RENDERERS`, ending with a newline."""
    shown = table if output_format in COMPLETE else presented(table, for_paper=output_format == "latex")
    return RENDERERS[output_format](shown)
