"""Store ranks: one Parquet file per run, or one file for many runs with one row group per run."""

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
"""Additional columns, which older runs do not have."""
USERS_RISE = {"query": "DELTA_BINARY_PACKED"}
"""Encoding for ascending user indices; since ranks repeat too, the runs of a table are small enough to distribute."""
PACKED_TYPES = {"query": "int64", "top_count": "float32"}
"""Types of columns in files of many runs; the others are ``int32``."""


@dataclass(frozen=True, eq=False)
class RankedQueries:
    """The stored results of the queries of a run, in stored order."""

    users: NDArray[np.int64]
    """User index of each query, shape (n,)."""
    ranks: Ranks
    tops: Tops | None = None
    """The top-ranked items; None for older runs, which do not store them."""

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        found: dict[str, NDArray[Any]] = {"query": self.users.astype(np.int64)}
        found |= {"better": self.ranks.better, "tied": self.ranks.tied}
        return found | ({} if self.tops is None else {name: getattr(self.tops, name) for name in TOP_COLUMNS})

    def misfit(self, n_queries: int, n_candidates: int, sha256: str) -> str | None:
        """Return why these cannot be the ranks of a run with these numbers and hash, or None.

        For older records without a SHA-256 (empty), only the plausibility of the ranks is checked.
        """
        better, tied = self.ranks.better, self.ranks.tied
        if len(better) != n_queries:
            return f"it contains {len(better):,} queries, its record states {n_queries:,}"
        if min(better.min(), tied.min()) < 0 or int((better.astype(np.int64) + tied).max()) >= n_candidates:
            return f"it contains ranks beyond {n_candidates:,} candidates"
        if sha256 and self.sha256() != sha256:
            return "its SHA-256 is not the one that its record states"
        return None

    def sha256(self) -> str:
        """Return the SHA-256 of the columns' values, independent of the file and integer width they are stored with."""
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
    """Write one file of many runs, in order; a missing column of a run is empty in its row group."""
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
    """Return the stored results of the queries of a run.

    Args:
        path: A file written by this module.
        row_group: Index of the run in a file of many runs.

    Raises:
        OSError, ValueError: the file does not exist or is damaged.
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
    """Return a column of a single-chunk table; raise ValueError if it does not contain one number per row."""
    import pyarrow

    column = table.column(name)
    kind = pyarrow.types.is_floating if name == "top_count" else pyarrow.types.is_integer
    if column.null_count or not kind(column.type) or not len(column):
        raise ValueError(f"column '{name}' contains {len(column)} of {column.type}, not one number per query")
    # Arrow's own conversion to numpy imports pandas, which takes longer than reading a whole table of runs
    return np.from_dlpack(column.chunk(0))


def _is_there(table: pyarrow.Table, name: str) -> bool:
    return name in table.column_names and table.column(name).null_count == 0


@contextmanager
def _writer(path: Path, schema: pyarrow.Schema) -> Iterator[Any]:
    """Yield a writer that writes each table as one row group."""
    import pyarrow.parquet as pq

    repeating = [name for name in schema.names if name not in USERS_RISE]
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=repeating, column_encoding=USERS_RISE
    ) as writer:
        yield lambda table: writer.write_table(table, row_group_size=max(1, len(table)))
