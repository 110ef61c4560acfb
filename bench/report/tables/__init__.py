"""Tables: cells, marks, captions and notes.

``table`` defines a table, ``layout`` its rows and columns, ``options`` what it shows. ``values`` reads the stored runs
of a cell, ``marks`` compares rows, and ``build`` combines these. ``caption``, ``agreement`` and ``merge_weights`` write
the caption and the notes, and ``counts`` builds tables of dataset statistics. ``chosen_columns``, ``summaries``,
``legend`` and ``presented`` apply the options.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.tables.build import build_table, stored_table
    from bench.report.tables.counts import counts_table
    from bench.report.tables.layout import Layout, Slot, experiment_layout
    from bench.report.tables.table import Cell, ColumnGroup, Table, TableFormat, TableRow
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Cell",
    "ColumnGroup",
    "Layout",
    "Slot",
    "Table",
    "TableFormat",
    "TableRow",
    "build_table",
    "counts_table",
    "experiment_layout",
    "stored_table",
]
