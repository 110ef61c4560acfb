"""Write tables as plain text and as Markdown."""

from __future__ import annotations

import re

from tabulate import tabulate

from bench.errors import printable, unbroken
from bench.report.tables.table import Cell, Table, TableRow, shortened_letters

_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*")
_ELEMENT = re.compile(r"<(?=[A-Za-z/!?])")
"""Start of an HTML element; ``<`` before a space is literal."""
TEXT_LEGEND = "(1) best, (2) second."


def to_text(table: Table) -> str:
    """Return a table for a terminal: best and second as ``(1)`` and ``(2)``, a star as ``*``."""
    headers = ["\n".join(head) for head in _heads(table)]
    rows = [[_label(row), *(_text_cell(cell) for cell in row.cells)] for row in table.rows]
    grid = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=_alignment(table))
    caption = table.caption.replace("Best in bold, second underlined.", TEXT_LEGEND)
    return printable("\n".join([f"{table.name}: {caption}", "", grid, *_lines_below(table)]) + "\n")


def to_markdown(table: Table) -> str:
    """Return a Markdown table: best bold, second underlined by ``<u>``, a star as ``*``."""
    headers = ["<br>".join(map(escaped_markdown, head)) for head in _heads(table)]
    rows = [[escaped_markdown(_label(row)), *(_markdown_cell(cell) for cell in row.cells)] for row in table.rows]
    ruler = ["---", *("---:" for _ in table.columns)]
    lines = [_markdown_row(row) for row in (headers, ruler, *rows)]
    below = [escaped_markdown(line) if line and not line.startswith("    ") else line for line in _lines_below(table)]
    return (
        "\n".join([f"**{escaped_markdown(table.name)}.** {escaped_markdown(table.caption)}", "", *lines, *below]) + "\n"
    )


def _heads(table: Table) -> list[list[str]]:
    """Return the lines of each column's header."""
    heads = ((group.title, table.metric_header(metric)) for group, metric in table.columns)
    return [[table.row_title], *(list(filter(None, head)) for head in heads)]


def _label(row: TableRow) -> str:
    return " ".join([f"({row.letter})"] * bool(row.letter) + [row.label, *row.marks])


def _text_cell(cell: Cell) -> str:
    letters = shortened_letters(cell.better_than)
    place = " (1)" * cell.best + " (2)" * cell.second
    return cell.text + f" >{letters}" * bool(letters) + place + "*" * cell.starred + cell.arrow_text


def _markdown_cell(cell: Cell) -> str:
    marked = f"**{cell.text}**" if cell.best else f"<u>{cell.text}</u>" if cell.second else cell.text
    letters = shortened_letters(cell.better_than)
    return marked + r"\*" * cell.starred + f"<sup>{letters}</sup>" * bool(letters) + cell.arrow_text


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped_markdown(text: str) -> str:
    """Escape Markdown syntax, including HTML elements and links, and join all lines into one."""
    for sign in "\\*_`|":
        text = text.replace(sign, f"\\{sign}")
    text = _ELEMENT.sub("&lt;", _LINE_BREAKS.sub(" ", text)).replace("](", "]\\(")
    return printable(text)


def _alignment(table: Table) -> list[str]:
    return ["left", *("right" for _ in table.columns)]


def _lines_below(table: Table) -> list[str]:
    notes = ["", *_separated(table.footnotes)] if table.footnotes else []
    missing = [f"    {unbroken(command)}" for command in table.missing]
    return notes + (["", "Missing runs:", "", *missing] if missing else [])


def _separated(notes: tuple[str, ...]) -> list[str]:
    """Insert an empty line between notes, so that each is a separate paragraph."""
    return [line for note in notes for line in (note, "")][:-1]
