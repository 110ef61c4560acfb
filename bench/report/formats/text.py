"""Write tables as plain text and as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench.errors import printable, unbroken
from bench.report.tables.legend import BEST_AND_SECOND
from bench.report.tables.summaries import IMPROVEMENT_TITLE
from bench.report.tables.texts import shortened_letters

if TYPE_CHECKING:
    from bench.report.tables.table import Cell, Table, TableRow

_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*")
_ELEMENT = re.compile(r"<(?=[A-Za-z/!?])")
"""Start of an HTML element; ``<`` before a space is literal."""
TEXT_LEGEND = "(1) best, (2) second."


def to_text(table: Table) -> str:
    """Return a table for a terminal: best and second as ``(1)`` and ``(2)``, a star as ``*``."""
    headers = ["\n".join(head) for head in _heads(table)]
    rows = [[_label(row), *map(_text_cell, row.cells)] for row in table.rows]
    grid = tabulate(
        _with_summaries(table, rows), headers, tablefmt="simple", disable_numparse=True, colalign=_alignment(table)
    )
    caption = table.caption.replace(BEST_AND_SECOND, TEXT_LEGEND)
    return printable("\n".join([f"{table.name}: {caption}", "", grid, *_lines_below(table)]) + "\n")


def to_markdown(table: Table) -> str:
    """Return a Markdown table: best bold, second underlined by ``<u>``, a star as ``*``."""
    headers = ["<br>".join(map(escaped_markdown, head)) for head in _heads(table)]
    rows = [[escaped_markdown(_label(row)), *map(_markdown_cell, row.cells)] for row in table.rows]
    ruler = ["---", *("---:" for _ in headers[1:])]
    lines = [_markdown_row(row) for row in (headers, ruler, *_with_summaries(table, rows))]
    below = [escaped_markdown(line) if line and not line.startswith("    ") else line for line in _lines_below(table)]
    comments = [f"<!-- {in_comment(text)} -->" for text in table.comments]
    above = [*comments, f"**{escaped_markdown(table.name)}.** {escaped_markdown(table.caption)}", ""]
    return "\n".join([*above, *lines, *below]) + "\n"


def _heads(table: Table) -> list[list[str]]:
    """Return the lines of each column's header."""
    heads = ((group.title, table.metric_header(metric)) for group, metric in table.columns)
    return [[table.row_title], *(list(filter(None, head)) for head in heads), *([one.title] for one in table.summaries)]


def _with_summaries(table: Table, rows: list[list[str]]) -> list[list[str]]:
    """Add the columns over all columns, and the row of improvements."""
    texts = zip(*map(table.summary_texts, table.summaries), strict=True) if table.summaries else [()] * len(rows)
    full = [[*row, *more] for row, more in zip(rows, texts, strict=True)]
    if table.improvements:
        full.append([IMPROVEMENT_TITLE, *table.improvement_texts, *[""] * len(table.summaries)])
    return full


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
    return ["left", *("right" for _ in table.columns), *("right" for _ in table.summaries)]


def in_comment(text: str) -> str:
    """Return a text that cannot end an HTML comment."""
    return unbroken(text).replace("--", "- -").replace(">", "&gt;")


def _lines_below(table: Table) -> list[str]:
    notes = ["", *_separated(table.footnotes)] if table.footnotes else []
    missing = [f"    {unbroken(command)}" for command in table.missing]
    return notes + (["", "Missing runs:", "", *missing] if missing else [])


def _separated(notes: tuple[str, ...]) -> list[str]:
    """Insert an empty line between notes, so that each is a separate paragraph."""
    return [line for note in notes for line in (note, "")][:-1]
