"""Ranks on disk: one Parquet file a run, or one for many runs with a row group for each."""

from __future__ import annotations

import dataclasses
import hashlib
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

    def misfit(self, n_queries: int, n_candidates: int, sha256: str) -> str | None:
        """Return what is wrong with these as the ranks of a run of so many queries; an empty SHA-256 is not compared.

        Ranks from before records stated it are at least possible ones.
        """
        better, tied = self.ranks.better, self.ranks.tied
        if len(better) != n_queries:
            return f"it holds {len(better):,} queries, its record states {n_queries:,}"
        if min(better.min(), tied.min()) < 0 or int((better.astype(np.int64) + tied).max()) >= n_candidates:
            return f"it holds ranks beyond {n_candidates:,} candidates"
        if sha256 and self.sha256() != sha256:
            return "its SHA-256 is not the one that its record states"
        return None

    def sha256(self) -> str:
        """Return the SHA-256 of what the columns hold, in whatever file and width of integers they are stored."""
        digest = hashlib.sha256()
        for name, values in self.columns().items():
            kind = np.dtype(PACKED_TYPES.get(name, "int32")).newbyteorder("<")
            digest.update(f"{name} {len(values)}\n".encode())
            digest.update(np.ascontiguousarray(values, dtype=kind).data)
        return digest.hexdigest()


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


def read_run(path: Path, row_group: int | None = None) -> RankedQueries:
    """Return what is stored for the queries of a run.

    Args:
        path: A file that this module wrote.
        row_group: Which run's, of a file of many runs.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """
    import pyarrow
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = (file.read() if row_group is None else file.read_row_group(row_group)).combine_chunks()
        tops = TOP_COLUMNS if all(_is_there(table, name) for name in TOP_COLUMNS) else ()
        columns = {name: _numbers(table, name) for name in (*RANK_COLUMNS, *tops)}
    except (pyarrow.ArrowException, ArithmeticError, BufferError, LookupError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    ranks = Ranks(columns["better"], columns["tied"])
    return RankedQueries(columns["query"], ranks, Tops(*(columns[name] for name in tops)) if tops else None)


def _numbers(table: pyarrow.Table, name: str) -> NDArray[Any]:
    """Return a column of a table that is one chunk; ValueError where it does not hold numbers alone."""
    import pyarrow

    column = table.column(name)
    kind = pyarrow.types.is_floating if name == "top_count" else pyarrow.types.is_integer
    if column.null_count or not kind(column.type) or not len(column):
        raise ValueError(f"column '{name}' holds {len(column)} of {column.type}, not a number a query")
    # Arrow's own conversion to numpy imports pandas, which takes longer than reading a whole table of runs
    return np.from_dlpack(column.chunk(0))


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
