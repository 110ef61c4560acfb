"""Published results: the numbers in papers' tables, and whether a ranking can produce them.

``printed`` finds a printed cell, ``reader`` reads the files in ``results/published`` and ``audit`` finds cells that
are mathematically inconsistent.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.papers.audit import Contradiction, ImpossibleCell, impossible_cells, is_possible
    from bench.papers.printed import (
        PrintedCell,
        find_cell,
        printed_cells,
        published_figures,
        published_papers,
        published_tables,
    )
    from bench.papers.reader import read_published
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Contradiction",
    "ImpossibleCell",
    "PrintedCell",
    "find_cell",
    "impossible_cells",
    "is_possible",
    "printed_cells",
    "published_figures",
    "published_papers",
    "published_tables",
    "read_published",
]
