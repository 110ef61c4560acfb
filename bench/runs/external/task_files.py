"""Write a task as Parquet files that any program can read, without the test answers.

A task's directory contains ``task.json`` (the protocol, the candidates' hash and the SHA-256 of each file) and:

* ``items.parquet``: ``item`` (its number in all files), ``item_id``, ``title``, and ``categories`` if there are any;
* ``users.parquet``: ``user`` and ``user_id``;
* ``training.parquet``: ``user`` and ``item`` of each training interaction, by user and oldest first, and ``timestamp``;
* ``validation.parquet``: ``query``, ``user``, ``history``, ``candidates``, and the answer as ``positive_column``;
* ``test.parquet``: the same without the answer;
* ``sources/NAME/``: items, users and training interactions of each source dataset.

Candidates are in stored order, which was shuffled when they were drawn, so a positive's position says nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import __version__
from bench.data.arrow import integer_column, text_column
from bench.errors import BenchError
from bench.files.field_types import misfit
from bench.files.hashing import file_sha256
from bench.files.store import read_json, require_new, write_json
from bench.files.temporary import synced, temporary_path
from bench.spec import ProtocolSpec

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.plugin import Queries
    from bench.protocol.task import PreparedTask, QuerySet

FORMAT = 1
FACTS = "task.json"
ITEMS, USERS, TRAINING = "items.parquet", "users.parquet", "training.parquet"
VALIDATION, TEST = "validation.parquet", "test.parquet"
SOURCES = "sources"


@dataclass(frozen=True)
class ExportedTask:
    """The facts of an exported task, as in its ``task.json``."""

    protocol: ProtocolSpec
    candidates_hash: str
    """Content hash of the test queries, their candidates and their answers."""
    n_queries: int
    """Number of test queries."""
    n_candidates: int
    """Number of candidates per query."""


def export_task(prepared: PreparedTask, folder: Path, sources: Iterable[Domain] = ()) -> ExportedTask:
    """Write a task into a new directory, never leaving an incomplete one.

    Args:
        prepared: The task.
        folder: The directory; it must not exist.
        sources: Training data of the source datasets to include.

    Raises:
        BenchError: the directory exists.
    """
    require_new(folder)
    queries = prepared.test.queries
    task = ExportedTask(prepared.spec, prepared.candidates_hash, len(queries), queries.candidates.shape[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(folder.absolute())
    temporary.mkdir()
    try:
        _write_domain(temporary, prepared.training)
        _write(temporary / VALIDATION, _with_answers(prepared.validation))
        _write(temporary / TEST, _columns_of(queries))
        for source in sources:
            _write_domain(temporary / SOURCES / source.name, source)
        write_json(temporary / FACTS, _facts(temporary, task, prepared))
        synced(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return task


def read_task(folder: Path) -> ExportedTask:
    """Return the facts of an exported task; raise BenchError if its ``task.json`` is missing or invalid."""
    path = folder / FACTS
    try:
        facts = read_json(path)
        if facts["format"] != FORMAT:
            raise BenchError(f"{path} has format {facts['format']}, expected {FORMAT}: export the task again.")
        protocol = ProtocolSpec(**facts["protocol"])
        task = ExportedTask(protocol, facts["candidates_hash"], facts["n_queries"], facts["n_candidates"])
        wrong = misfit(task)
        if wrong:
            raise ValueError(wrong)
        return task
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BenchError(
            f"{path} cannot be read ({reason}); expected a directory written by 'bench export-task'."
        ) from error


def _facts(folder: Path, task: ExportedTask, prepared: PreparedTask) -> dict[str, Any]:
    paths = sorted(path for path in folder.rglob("*.parquet"))
    return {
        "format": FORMAT,
        "bench_version": __version__,
        **asdict(task),
        "n_validation_queries": len(prepared.validation),
        "notes": list(prepared.domain.notes),
        "warnings": list(prepared.warnings),
        "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths},
    }


def _write_domain(folder: Path, training: Domain) -> None:
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    items = {"item": integer_column(np.arange(training.n_items)), "item_id": text_column(training.item_ids.tolist())}
    items["title"] = text_column(training.titles)
    if training.categories is not None:
        items["categories"] = text_column(training.categories)
    users = {"user": integer_column(np.arange(training.n_users)), "user_id": text_column(training.user_ids.tolist())}
    events = {"user": integer_column(training.users_of_interactions()), "item": integer_column(training.items)}
    if training.timestamps is not None:
        events["timestamp"] = integer_column(training.timestamps)
    for name, columns in ((ITEMS, items), (USERS, users), (TRAINING, events)):
        _write(folder / name, columns)


def _columns_of(queries: Queries) -> dict[str, Any]:
    """Return the columns of queries without their answers."""
    import numpy as np
    import pyarrow

    starts = pyarrow.array(queries.history_indptr, pyarrow.int64())
    histories = pyarrow.LargeListArray.from_arrays(starts, integer_column(queries.history_items))
    flat = integer_column(np.ascontiguousarray(queries.candidates).ravel())
    return {
        "query": integer_column(np.arange(len(queries))),
        "user": integer_column(queries.users),
        "history": histories,
        "candidates": pyarrow.FixedSizeListArray.from_arrays(flat, queries.candidates.shape[1]),
    }


def _with_answers(part: QuerySet) -> dict[str, Any]:
    return {**_columns_of(part.queries), "positive_column": integer_column(part.answers.positive_column)}


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(dict(columns)), path)
