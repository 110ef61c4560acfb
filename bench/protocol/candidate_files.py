"""Store candidate lists: one Parquet file per part, drawn once, shared by all methods, and checked by its hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.protocol.candidates import CandidateLists

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore

FILE_NAME = "candidates.parquet"


def stored_lists(
    artifacts: ArtifactStore, key: Any, users: NDArray[np.int64], draw: Callable[[], CandidateLists]
) -> tuple[CandidateLists, str]:
    """Return the lists stored under ``key`` and their content hash; draw and store them if there are none.

    Raises:
        BenchError: the stored file no longer matches the hash it was written with.
    """
    drawn: list[tuple[CandidateLists, str]] = []

    def write(folder: Path) -> None:
        lists = draw()
        drawn.append((lists, lists.hash(key, users)))
        write_lists(folder / FILE_NAME, users, *drawn[0])

    path = artifacts.get_or_make("candidates", key, write) / FILE_NAME
    if drawn:
        return drawn[0]
    stored_users, lists, stored_hash = read_lists(path)
    if not np.array_equal(stored_users, users) or lists.hash(key, users) != stored_hash:
        raise BenchError(f"Candidate file {path} does not match its hash. Delete its directory and run again.")
    return lists, stored_hash


def write_lists(path: Path, users: NDArray[np.int64], lists: CandidateLists, content: str) -> None:
    """Write lists as columns ``user``, ``positive_column`` and ``candidates`` (a fixed-size list of item indices)."""
    n_candidates = lists.items.shape[1]
    candidates = pa.FixedSizeListArray.from_arrays(pa.array(lists.items.ravel()), n_candidates)
    columns = {"user": users, "positive_column": lists.positive_column.astype(np.int16), "candidates": candidates}
    table = pa.table(columns).replace_schema_metadata({"content_hash": content})
    # random items do not compress, a dictionary of them is large, and their statistics say nothing
    pq.write_table(table, path, compression="lz4", use_dictionary=False, write_statistics=False)


def read_lists(path: Path) -> tuple[NDArray[np.int64], CandidateLists, str]:
    """Return the users, their lists and the content hash stored in a candidate file."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"Candidate file {path} cannot be read ({error}). Delete its directory and run again."
        ) from error
    candidates = table.column("candidates").combine_chunks()
    items = candidates.flatten().to_numpy().reshape(len(table), candidates.type.list_size)
    column = table.column("positive_column").to_numpy().astype(np.int64)
    return (
        table.column("user").to_numpy(),
        CandidateLists(items, column),
        table.schema.metadata[b"content_hash"].decode(),
    )
