"""The short form of a caption: what the symbols in a table mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.tables.table import UNCONVERGED, Cell, TableRow
from bench.significance.tests import TEST_TITLES

if TYPE_CHECKING:
    from bench.report.tables.caption import Repeated, Star

BEST_AND_SECOND = "Best in bold, second underlined."
STAR_MEANINGS = {
    "star": "*: significantly better than the runner-up",
    "ours": "*: ours, significantly better than the best baseline",
    "letters": "Letters: rows that are significantly lower",
}


def legend(rows: Sequence[TableRow], star: Star, repeated: Repeated, percent: bool) -> str:
    """Return the meaning of the symbols that a table contains, without hashes, counts and seeds of single columns."""
    cells = [cell for row in rows for cell in row.cells]
    has_marks = any(cell.starred or cell.better_than for cell in cells)
    test = f"(p < {star.level:g}, {TEST_TITLES[star.test]}, Holm-corrected)"
    sentences = [
        "Scores in percent." if percent else "",
        BEST_AND_SECOND if any(cell.best for cell in cells) else "",
        f"{STAR_MEANINGS[star.style]} {test}." if has_marks else "",
        f"±: standard deviation over {repeated.what}." if _has_spread(cells) else "",
        f"{UNCONVERGED}: not trained to convergence." if _has_arrows(rows, cells) else "",
    ]
    return " ".join(filter(None, sentences))


def _has_spread(cells: Sequence[Cell]) -> bool:
    return any(cell.sd is not None for cell in cells)


def _has_arrows(rows: Sequence[TableRow], cells: Sequence[Cell]) -> bool:
    return any(row.arrow for row in rows) or any(cell.arrow for cell in cells)
