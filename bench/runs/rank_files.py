"""Ranks on disk: one Parquet file a run, or one for many runs with a row group for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import Ranks, Tops

if TYPE_CHECKING:
    import pyarrow

RANK_COLUMNS = ("query", "better", "tied")
"""Columns that every run's ranks have."""
TOP_COLUMNS = tuple(item.name for item in dataclasses.fields(Tops))
"""Columns beside them, which runs from before they were stored lack."""
USERS_RISE = {"query": "DELTA_BINARY_PACKED"}
"""User indices rise and ranks repeat: packed so, the runs of a whole table are small enough to be passed around."""
PACKED_TYPES = {"query": "int64", "top_count": "float32"}
"""Types of columns where many runs share a file; the others are ``int32``."""


@dataclass(frozen=True, eq=False)
class RankedQueries:
    """What is stored for each query of a run, in stored order."""

    users: NDArray[np.int64]
    """User index of each query, shape (n,)."""
    ranks: Ranks
    tops: Tops | None = None
    """What was ranked first; None for a run from before this was stored."""

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        found: dict[str, NDArray[Any]] = {"query": self.users.astype(np.int64)}
        found |= {"better": self.ranks.better, "tied": self.ranks.tied}
        return found | ({} if self.tops is None else {name: getattr(self.tops, name) for name in TOP_COLUMNS})


def write_run(path: Path, queries: RankedQueries) -> None:
    """Write the file of one run."""
    import pyarrow

    table = pyarrow.table(queries.columns())
    with _writer(path, table.schema) as write:
        write(table)


def write_runs(path: Path, runs: Iterator[RankedQueries]) -> None:
    """Write one file of many runs, in their order; a column that a run lacks is empty in its row group."""
    import pyarrow

    names = (*RANK_COLUMNS, *TOP_COLUMNS)
    types = {name: PACKED_TYPES.get(name, "int32") for name in names}
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in types.items()])
    with _writer(path, schema) as write:
        for queries in runs:
            columns = queries.columns()
            packed = [
                pyarrow.array(columns[name].astype(kind))
                if name in columns
                else pyarrow.nulls(len(queries.users), kind)
                for name, kind in types.items()
            ]
            write(pyarrow.table(packed, schema=schema))


def read_columns(path: Path, names: tuple[str, ...], row_group: int | None = None) -> dict[str, NDArray[Any]]:
    """Return the columns of these names; those of the ranks must be there, others may be missing.

    Args:
        path: A file that this module wrote.
        names: Of :data:`RANK_COLUMNS` and :data:`TOP_COLUMNS`.
        row_group: Which run's, of a file of many runs.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = list(names)
        table = (file.read(wanted) if row_group is None else file.read_row_group(row_group, wanted)).combine_chunks()
    there = [name for name in names if name in RANK_COLUMNS or _is_there(table, name)]
    # Arrow's own conversion to numpy imports pandas, which takes longer than reading a whole table of runs
    return {name: np.from_dlpack(table.column(name).chunk(0)) for name in there}


def _is_there(table: pyarrow.Table, name: str) -> bool:
    return name in table.column_names and table.column(name).null_count == 0


@contextmanager
def _writer(path: Path, schema: pyarrow.Schema) -> Iterator[Any]:
    """Yield what writes a table as one row group."""
    import pyarrow.parquet as pq

    repeating = [name for name in schema.names if name not in USERS_RISE]
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=repeating, column_encoding=USERS_RISE
    ) as writer:
        yield lambda table: writer.write_table(table, row_group_size=max(1, len(table)))
