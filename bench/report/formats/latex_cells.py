"""Columns of LaTeX tables, whose digits stay aligned under significance marks.

Marks take no space (``rlap``), with space for the widest of a column where it is wider than a star. With ``siunitx``,
the columns are of its type S, which reserves the space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.report.formats.latex_layout import marks_width
from bench.report.formats.latex_text import escape
from bench.report.tables.table import Cell
from bench.report.tables.texts import shortened_letters

if TYPE_CHECKING:
    from bench.report.tables.table import Table

STAR = "$^{*}$"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
SIUNITX_SETUP = r"\sisetup{detect-weight,table-number-alignment=right,table-text-alignment=right}"
"""Text cells, such as underlined numbers, are aligned as numbers are."""


@dataclass(frozen=True)
class LatexColumn:
    """One column of scores."""

    head: str
    cells: tuple[Cell, ...]
    is_of_siunitx: bool
    improvement: tuple[str, ...] = ()
    """The text in the last row; empty if there is no such row."""

    @property
    def type(self) -> str:
        """Its type in the argument of ``tabular``."""
        if not self._has_numbers:
            return "r"
        parts = [_mean(cell).partition(".")[::2] for cell in self.cells if NUMBER.fullmatch(_mean(cell))]
        digits, decimals = max(len(whole) for whole, _ in parts), max(len(rest) for _, rest in parts)
        form = f"table-format={digits}.{decimals}" if decimals else f"table-format={digits}"
        space = rf",table-space-text-post={{{self._widest}}}" if self._widest else ""
        return f"S[{form}{space}]"

    @property
    def heading(self) -> str:
        """Its header; in braces if it would be read as a number."""
        return f"{{{escape(self.head)}}}" if self._has_numbers else escape(self.head)

    @property
    def texts(self) -> list[str]:
        """The texts of its cells, and of the improvement."""
        last = [self._text_cell(escape(text), "") for text in self.improvement]
        return [*map(self._number_cell if self._has_numbers else self._plain_cell, self.cells), *last]

    def _plain_cell(self, cell: Cell) -> str:
        if self._reserves_spreads:
            return self._text_cell(_marked(cell), _spread(cell) + _marks(cell))
        return self._text_cell(_marked(cell) + _spread(cell), _marks(cell))

    def _number_cell(self, cell: Cell) -> str:
        behind = _spread(cell) + _marks(cell)
        if cell.second or not NUMBER.fullmatch(_mean(cell)):
            return self._text_cell(_marked(cell), behind)
        bold, medium = (r"\bfseries ", r"\mdseries") if cell.best else ("", "")
        return bold + _mean(cell) + (f"{{{medium}{behind}}}" if behind else "")

    def _text_cell(self, text: str, behind: str) -> str:
        """Return a text with what is behind it in the space that the column keeps for the widest one."""
        if behind == self._widest:
            text += behind
        else:
            text += (rf"\rlap{{{behind}}}" if behind else "") + rf"\hphantom{{{self._widest}}}" * bool(self._widest)
        return f"{{{text}}}" if self._has_numbers else text

    @cached_property
    def _has_numbers(self) -> bool:
        has_numbers = any(NUMBER.fullmatch(_mean(cell)) for cell in self.cells)
        return self.is_of_siunitx and has_numbers and not any("," in cell.text for cell in self.cells)

    @cached_property
    def _widest(self) -> str:
        """What takes the most space behind a number; empty if stars, which fit between columns, are all there is."""
        if not self.cells:
            return ""
        marks = _marks(max(self.cells, key=lambda cell: marks_width(cell, letters=1.0)))
        if self._reserves_spreads:
            return max(map(_spread, self.cells), key=len) + marks
        return marks if marks != STAR else ""

    @cached_property
    def _reserves_spreads(self) -> bool:
        """Whether standard deviations are behind the number, as marks are: always in S, else if some have none."""
        with_spread = [bool(_spread(cell)) for cell in self.cells if cell.value is not None]
        return self._has_numbers or len(set(with_spread)) > 1


def latex_columns(table: Table) -> list[LatexColumn]:
    """Return the columns of scores."""
    is_of_siunitx = table.options.align == "siunitx"
    return [
        LatexColumn(
            table.metric_header(metric),
            tuple(row.cells[number] for row in table.rows),
            is_of_siunitx,
            table.improvement_texts[number : number + 1],
        )
        for number, (_, metric) in enumerate(table.columns)
    ]


def _mean(cell: Cell) -> str:
    return cell.text.partition(" ± ")[0]


def _marked(cell: Cell) -> str:
    text = escape(_mean(cell))
    return rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text


def _spread(cell: Cell) -> str:
    spread = cell.text.partition(" ± ")[2]
    return rf"{{\tiny\,$\pm$\,{escape(spread)}}}" if spread else ""


def _marks(cell: Cell) -> str:
    letters = escape(shortened_letters(cell.better_than))
    raised = rf"\textsuperscript{{{letters}}}" if letters else ""
    return STAR * cell.starred + raised + escape(cell.arrow_text)
