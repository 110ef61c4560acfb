"""Read scores from CSV or Parquet: one row per query, in any order.

A CSV file has the columns ``query`` and ``score_1`` to ``score_30``; a Parquet file the same, or ``query`` and a list
column ``scores``. Either may state the candidates' hash in a column ``candidates_hash``; a Parquet file also in its
schema's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, shown

if TYPE_CHECKING:
    import pyarrow

QUERY, SCORES, HASH = "query", "scores", "candidates_hash"
SHOWN_QUERIES = 3
"""Number of queries that an error message lists."""


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """Scores of all queries of a task, in the order of the queries."""

    scores: NDArray[np.float64]
    """One score per candidate, shape (n_queries, n_candidates); NaN where a cell is empty."""
    candidates_hash: str | None
    """Hash of the scored candidates; None if the file does not state it."""


def read_scores(path: Path, n_queries: int, n_candidates: int) -> ScoreFile:
    """Read the scores of ``n_queries`` queries with ``n_candidates`` candidates each.

    Raises:
        BenchError: the file cannot be read, a column is missing or not numeric, or a query is missing, repeated or
            unknown.
    """
    table = _read(path)
    if QUERY not in table.column_names:
        raise _wrong(path, f"it has no column '{QUERY}' (columns: {_listed(table.column_names)})")
    scores = _list_column(path, table, n_candidates) if SCORES in table.column_names else None
    if scores is None:
        scores = _number_columns(path, table, n_candidates)
    order = _order(path, table.column(QUERY), n_queries)
    return ScoreFile(scores[order], _stated_hash(path, table))


def _read(path: Path) -> pyarrow.Table:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet as pq

    if path.suffix.lower() not in (".csv", ".parquet"):
        raise BenchError(f"{path} is not a score file: expected a name that ends in .csv or .parquet.")
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        # a hash of digits only must not become a number
        texts = pyarrow.csv.ConvertOptions(column_types={HASH: pyarrow.string()})
        return pyarrow.csv.read_csv(path, convert_options=texts)
    except FileNotFoundError:
        raise BenchError(f"There is no file {path}.") from None
    except (pyarrow.ArrowException, ValueError) as error:
        raise _wrong(path, " ".join(str(error).split())) from error


def _number_columns(path: Path, table: pyarrow.Table, n_candidates: int) -> NDArray[np.float64]:
    names = [f"score_{number}" for number in range(1, n_candidates + 1)]
    missing = [name for name in names if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in (*names, QUERY, HASH)]
    if missing or unknown:
        found = f"missing: {_listed(missing)}" if missing else f"unknown: {_listed(unknown)}"
        raise _wrong(path, f"expected the columns {QUERY}, {names[0]} to {names[-1]}; {found}")
    return np.column_stack([_numbers(path, name, table.column(name)) for name in names])


def _list_column(path: Path, table: pyarrow.Table, n_candidates: int) -> NDArray[np.float64]:
    import pyarrow
    import pyarrow.compute

    column = table.column(SCORES).combine_chunks()
    kind = column.type
    if not any(check(kind) for check in (pyarrow.types.is_list, _is_large_list, pyarrow.types.is_fixed_size_list)):
        raise _wrong(path, f"column '{SCORES}' contains {kind}, expected lists of numbers")
    lengths = pyarrow.compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    if (lengths != n_candidates).any():
        row = int(np.flatnonzero(lengths != n_candidates)[0])
        raise _wrong(path, f"row {row + 1} has {lengths[row]} scores, expected {n_candidates}")
    return _numbers(path, SCORES, column.flatten()).reshape(len(column), n_candidates)


def _is_large_list(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_large_list(kind))


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    """Return a column as floats, with NaN for empty cells; raise BenchError if it does not contain numbers."""
    import pyarrow

    kind = column.type
    is_number = pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_null(kind)
    if not is_number:
        raise _wrong(path, f"column '{name}' contains {kind}, expected numbers")
    return np.asarray(column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _order(path: Path, column: Any, n_queries: int) -> NDArray[np.intp]:
    """Return the row of each query; raise BenchError if one is missing, repeated or unknown."""
    import pyarrow

    if not pyarrow.types.is_integer(column.type) or column.null_count:
        raise _wrong(path, f"column '{QUERY}' contains {column.type}, expected the number of a query in every row")
    queries = column.cast(pyarrow.int64()).to_numpy()
    unknown = np.unique(queries[(queries < 0) | (queries >= n_queries)])
    if len(unknown):
        raise _wrong(path, f"{_few(unknown, 'unknown')}; the task has queries 0 to {n_queries - 1:,}")
    counts = np.bincount(queries, minlength=n_queries)
    for what, wrong in (("repeated", counts > 1), ("missing", counts == 0)):
        if wrong.any():
            raise _wrong(path, f"{_few(np.flatnonzero(wrong), what)}; expected one row for each of {n_queries:,}")
    return np.argsort(queries)


def _stated_hash(path: Path, table: pyarrow.Table) -> str | None:
    metadata = table.schema.metadata or {}
    stated = {metadata[HASH.encode()].decode(errors="replace")} if HASH.encode() in metadata else set()
    if HASH in table.column_names:
        stated |= {str(value) for value in table.column(HASH).unique().to_pylist()}
    if len(stated) > 1:
        raise _wrong(path, f"it states several candidates' hashes: {_listed(sorted(stated))}")
    return next(iter(stated), None)


def _few(queries: NDArray[np.integer], what: str) -> str:
    names = ", ".join(str(query) for query in queries[:SHOWN_QUERIES])
    rest = f" and {len(queries) - SHOWN_QUERIES:,} more" if len(queries) > SHOWN_QUERIES else ""
    return f"{what} quer{'y' if len(queries) == 1 else 'ies'} {names}{rest}"


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - SHOWN_QUERIES} more" if len(names) > SHOWN_QUERIES else ""
    return ", ".join(shown(name) for name in names[:SHOWN_QUERIES]) + rest


def _wrong(path: Path, what: str) -> BenchError:
    return BenchError(f"{path} cannot be used as scores: {what}. See 'bench import-scores --help'.")
