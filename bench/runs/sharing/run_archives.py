"""Archives of runs: records with their ranks, verified before they are imported.

An archive has the layout of a results directory: ``runs/<id>/run.json`` and ``runs/<id>/ranks-<hash>.parquet``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import __version__
from bench.data.names import check_name
from bench.errors import BenchError
from bench.files.archives import unpacked, write_archive
from bench.runs.rank_files import RANK_COLUMNS, TOP_COLUMNS, write_runs
from bench.runs.record import RunRecord
from bench.runs.store import RECORD, REMEDY, RUNS, RunStore, ranks_name
from bench.runs.verify import verify_runs

if TYPE_CHECKING:
    from bench.runs.rank_files import RankedQueries

KIND = "runs"
FILES = re.compile(rf"{RUNS}/[0-9a-f]{{16}}/({re.escape(RECORD)}|ranks(-[0-9a-f]{{16}})?\.parquet)")
MOST_QUERIES = MOST_CANDIDATES = 20_000_000
"""Maximum number of queries of a shared run, and of candidates per query."""
SHOWN_RUNS = 3
"""Number of runs that an error message lists."""


@dataclass(frozen=True)
class ImportedRuns:
    """What became of the runs of an archive."""

    new: tuple[RunRecord, ...]
    """Stored now."""
    same: tuple[RunRecord, ...]
    """Stored before, with the same ranks from the same data and code."""
    conflicts: tuple[RunRecord, ...]
    """Not imported: a run of the same id with different content is stored."""


def export_runs(store: RunStore, records: Sequence[RunRecord], path: Path) -> None:
    """Write runs as an archive; the same runs give the same bytes, whether they are packed or not."""
    files = {}
    for record in sorted({record.id: record for record in records}.values(), key=lambda one: one.id):
        folder = f"{RUNS}/{record.id}"
        text = json.dumps(record.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        files[f"{folder}/{RECORD}"] = text.encode()
        files[f"{folder}/{ranks_name(record)}"] = _ranks_bytes(store.queries_of(record))
    write_archive(path, KIND, files, {"bench_version": __version__, "runs": {one.id: one.token for one in records}})


@contextmanager
def verified_runs(path: Path) -> Iterator[RunStore]:
    """Yield a temporary store with the runs of an archive, after recomputing all hashes, ids and metrics.

    Raises:
        BenchError: the archive or one of its runs is not what it states to be.
    """
    with unpacked(path, KIND, FILES) as archive:
        try:
            yield checked_store(RunStore(archive.folder))
        except BenchError as error:
            raise BenchError(str(error).replace(str(archive.folder), str(path))) from error


def checked_store(store: RunStore) -> RunStore:
    """Return a store of untrusted runs after verifying each of them; raise BenchError that names the first fault."""
    for run_id in store.ids():
        record = store.load(run_id)
        _check_names(record)
        _check_size(store, record)
    faults = [check.text for check in verify_runs(store) if not check.passed]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise BenchError(f"{faults[0].removesuffix(REMEDY)}{more}")
    if not store.ids():
        raise BenchError(f"{store.results_dir} contains no runs.")
    return store


def import_runs(path: Path, store: RunStore, *, skip_conflicts: bool = False) -> ImportedRuns:
    """Store the runs of an archive; nothing is stored if one of them is invalid or in conflict with a stored run.

    Args:
        path: The archive.
        store: Where the runs are stored.
        skip_conflicts: Keep the stored run where one of the same id has different content, instead of raising.

    Raises:
        BenchError: the archive is invalid, or a run conflicts with a stored one.
    """
    with verified_runs(path) as theirs:
        records = theirs.records()
        stored = {record.id: store.load(record.id) for record in records if store.exists(record.id)}
        conflicts = tuple(one for one in records if one.id in stored and not is_same(one, stored[one.id]))
        if conflicts and not skip_conflicts:
            raise BenchError(
                f"{path} is not imported: {_named(conflicts)} {'differs' if len(conflicts) == 1 else 'differ'} from "
                "the stored runs of the same ids (other data, code or ranks). Give --skip-conflicts to keep those and "
                "import the others, or another --results-dir."
            )
        new = tuple(record for record in records if record.id not in stored)
        for record in new:
            queries = theirs.queries_of(record)
            store.save(record, queries.users, queries.ranks, queries.tops)
    return ImportedRuns(new, tuple(one for one in records if one.id in stored and one not in conflicts), conflicts)


def is_same(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs of one id have the same result from the same data and code; times may differ."""
    return (one.provenance, one.ranks_sha256) == (other.provenance, other.ranks_sha256)


def _check_names(record: RunRecord) -> None:
    """Raise BenchError if a dataset has a name that no dataset can have, such as a path."""
    for name in (record.spec.protocol.dataset, *record.spec.sources):
        check_name(name)


def _check_size(store: RunStore, record: RunRecord) -> None:
    """Raise BenchError if reading a run could need a lot of memory.

    A small file can state billions of equal rows, and metrics are tabulated by the number of candidates.
    """
    import pyarrow
    import pyarrow.parquet as pq

    run_id, path = record.id, store.path(record.id) / ranks_name(record)
    if record.n_candidates > MOST_CANDIDATES:
        raise BenchError(f"Run {run_id} states {record.n_candidates:,} candidates, more than {MOST_CANDIDATES:,}.")
    try:
        facts = pq.read_metadata(path)
    except (OSError, pyarrow.ArrowException):
        return  # the verification says what is wrong
    names = {facts.schema.column(number).path for number in range(facts.num_columns)}
    if facts.num_rows != record.n_queries:
        raise BenchError(f"The ranks of run {run_id} have {facts.num_rows:,} rows, its record {record.n_queries:,}.")
    if facts.num_rows > MOST_QUERIES:
        raise BenchError(f"Run {run_id} states {facts.num_rows:,} queries, more than {MOST_QUERIES:,}.")
    if not names <= {*RANK_COLUMNS, *TOP_COLUMNS}:
        raise BenchError(f"The ranks of run {run_id} have unexpected columns.")


def _ranks_bytes(queries: RankedQueries) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ranks.parquet"
        write_runs(path, iter([queries]))  # with the same integer types for loose and packed runs
        return path.read_bytes()


def _named(records: Sequence[RunRecord]) -> str:
    names = ", ".join(f"{record.token} ({record.id})" for record in records[:SHOWN_RUNS])
    rest = f" and {len(records) - SHOWN_RUNS} more" if len(records) > SHOWN_RUNS else ""
    return names + rest
