"""Write tables as an HTML fragment without styles."""

from __future__ import annotations

from html import escape

from bench.report.tables.table import Cell, Table, TableRow, figure, shortened_letters


def to_html(table: Table) -> str:
    """Return a ``<table>``, its notes and the commands of missing runs; all text is escaped."""
    lines = [
        f'<table id="{escape(table.name)}">',
        f"<caption>{escape(table.caption)}</caption>",
        "<thead>",
        *_head(table),
        "</thead>",
        "<tbody>",
        *(_row(row, table.percent) for row in table.rows),
        "</tbody>",
        "</table>",
        *(f"<p>{escape(note)}</p>" for note in table.footnotes),
        *_missing(table),
    ]
    return "\n".join(lines) + "\n"


def _head(table: Table) -> list[str]:
    titles = "".join(f'<th colspan="{len(table.metrics)}">{escape(group.title)}</th>' for group in table.groups)
    metrics = "".join(f"<th>{escape(table.metric_header(metric))}</th>" for _, metric in table.columns)
    if not any(group.title for group in table.groups):
        return [f"<tr><th>{table.row_title}</th>{metrics}</tr>"]
    return [f'<tr><th rowspan="2">{table.row_title}</th>{titles}</tr>', f"<tr>{metrics}</tr>"]


def _row(row: TableRow, percent: bool) -> str:
    marks = "".join(f"<sup>{escape(mark)}</sup>" for mark in row.marks)
    letter = f"({row.letter}) " * bool(row.letter)
    return f"<tr><th>{escape(letter + row.label)}{marks}</th>{''.join(_cell(cell, percent) for cell in row.cells)}</tr>"


def _cell(cell: Cell, percent: bool) -> str:
    text = escape(cell.text)
    marked = f"<strong>{text}</strong>" if cell.best else f"<u>{text}</u>" if cell.second else text
    interval = ""
    if cell.low is not None and cell.high is not None:
        interval = f' title="[{figure(cell.low, percent)}, {figure(cell.high, percent)}]"'
    named = shortened_letters(cell.better_than)
    letters = f"<sup>{escape(named)}</sup>" * bool(named)
    raised = f"<sup>{cell.arrow_text}</sup>" * cell.arrow
    return f"<td{interval}>{marked}{'<sup>*</sup>' * cell.starred}{letters}{raised}</td>"


def _missing(table: Table) -> list[str]:
    if not table.missing:
        return []
    return ["<p>Missing runs:</p>", f"<pre>{escape(chr(10).join(table.missing))}</pre>"]
