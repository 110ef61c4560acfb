"""Write tables as an HTML fragment without styles."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bench.report.formats.text import in_comment
from bench.report.tables.summaries import IMPROVEMENT_TITLE
from bench.report.tables.texts import shortened_letters

if TYPE_CHECKING:
    from bench.report.tables.table import Cell, Table


def to_html(table: Table) -> str:
    """Return a ``<table>``, its notes and the commands of missing runs; all text is escaped."""
    lines = [
        *(f"<!-- {in_comment(text)} -->" for text in table.comments),
        f'<table id="{escape(table.options.label or table.name)}">',
        f"<caption>{escape(table.caption)}</caption>",
        "<thead>",
        *_head(table),
        "</thead>",
        "<tbody>",
        *(_row(table, number) for number in range(len(table.rows))),
        *_improvements(table),
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
    more = "".join(f'<th rowspan="2">{escape(summary.title)}</th>' for summary in table.summaries)
    return [f'<tr><th rowspan="2">{table.row_title}</th>{titles}{more}</tr>', f"<tr>{metrics}</tr>"]


def _row(table: Table, number: int) -> str:
    row = table.rows[number]
    marks = "".join(f"<sup>{escape(mark)}</sup>" for mark in row.marks)
    letter = f"({row.letter}) " * bool(row.letter)
    cells = [_cell(table, cell) for cell in row.cells]
    cells += [f"<td>{table.summary_texts(summary)[number]}</td>" for summary in table.summaries]
    return f"<tr><th>{escape(letter + row.label)}{marks}</th>{''.join(cells)}</tr>"


def _improvements(table: Table) -> list[str]:
    if not table.improvements:
        return []
    texts = [*table.improvement_texts, *[""] * len(table.summaries)]
    return [f"<tr><th>{IMPROVEMENT_TITLE}</th>{''.join(f'<td>{text}</td>' for text in texts)}</tr>"]


def _cell(table: Table, cell: Cell) -> str:
    text = escape(cell.text)
    marked = f"<strong>{text}</strong>" if cell.best else f"<u>{text}</u>" if cell.second else text
    interval = ""
    if cell.low is not None and cell.high is not None:
        interval = f' title="[{table.figure(cell.low)}, {table.figure(cell.high)}]"'
    named = shortened_letters(cell.better_than)
    letters = f"<sup>{escape(named)}</sup>" * bool(named)
    raised = f"<sup>{cell.arrow_text}</sup>" * cell.arrow
    return f"<td{interval}>{marked}{'<sup>*</sup>' * cell.starred}{letters}{raised}</td>"


def _missing(table: Table) -> list[str]:
    if not table.missing:
        return []
    return ["<p>Missing runs:</p>", f"<pre>{escape(chr(10).join(table.missing))}</pre>"]
