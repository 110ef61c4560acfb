"""The store of finished runs: a directory ``runs/<id>`` per run, or packs of many runs.

``run.json`` in that directory refers to the file of its ranks by content hash, ``ranks-<hash>.parquet``, and is written
after it, so record and ranks always belong to the same run. ``log-<hash>.txt``, with the same hash in its name, is the
run's log. It is there to be read: no hash covers it, and older and packed runs have none.

A run that is repeated after its data, its backbone or its code changed replaces the earlier one, which is kept in
``superseded/<id>`` and never read.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from bench.errors import BenchError, BenchWarning
from bench.files.hashing import HASH_LENGTH
from bench.files.lease import Lease
from bench.files.store import read_json, write_json, write_text, written_whole
from bench.files.temporary import remove, sweep
from bench.runs.find import SHORTEST_ID, find_all_seeds, find_one
from bench.runs.heads import RunHead
from bench.runs.packs import PackedRun, read_packs, rewrite_packed
from bench.runs.rank_files import RankedQueries, read_run, write_run
from bench.runs.record import RunRecord, with_metrics
from bench.runs.superseded import keep_copy

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np

    from bench.metrics import Ranks, Tops

RUNS, SUPERSEDED = "runs", "superseded"
RECORD, RANKS = "run.json", "ranks.parquet"
"""The record of a run, and its ranks in older stores, whose file names do not contain the hash."""
REMEDY = " Remove its directory and run the method again."
"""End of the error about a damaged run."""

Read = TypeVar("Read", RunRecord, RunHead)


class _NoRunError(BenchError):
    """There is no run with an id."""


@dataclass(frozen=True)
class RunStore:
    """The runs in one results directory."""

    results_dir: Path

    def path(self, run_id: str) -> Path:
        """Return the directory of a run, whether or not it exists."""
        return self.results_dir / RUNS / run_id

    def log_path(self, record: RunRecord) -> Path:
        """Return the file with the log of a run, whether or not it exists."""
        return self.path(record.id) / _log_name(record)

    def log(self, record: RunRecord) -> str | None:
        """Return the log of a run; None if it has none, as older and packed runs."""
        try:
            return self.log_path(record).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def exists(self, run_id: str) -> bool:
        """Whether the run exists."""
        return (self.path(run_id) / RECORD).exists() or run_id in self._packed

    def save(
        self,
        record: RunRecord,
        query_users: NDArray[np.int64],
        ranks: Ranks,
        tops: Tops | None = None,
        log: str | None = None,
    ) -> RunRecord:
        """Write ranks, log and record; ``query_users`` has one user index for each of ``ranks`` and ``tops``.

        An earlier run of the same id is kept until this one is on disk. Then it is moved to the superseded runs if it
        was made from other data or code, else removed.

        ``log`` is what the run told about its progress; None stores none.

        Returns:
            The record as stored, with the hash of its ranks.
        """
        if tops is not None and len(tops) != len(ranks):
            raise ValueError(f"{len(tops)} tops for {len(ranks)} ranks")
        if not len(query_users) == len(ranks) == record.n_queries:
            raise ValueError(f"{len(query_users)} users and {len(ranks)} ranks for {record.n_queries} queries")
        queries = RankedQueries(query_users, ranks, tops)
        stored = dataclasses.replace(record, ranks_sha256=queries.sha256())
        folder = self.path(stored.id)
        sweep(folder.parent)
        with self.changing(stored.id):
            self._supersede(stored)
            with written_whole(folder / ranks_name(stored)) as temporary:
                write_run(temporary, queries)
            kept = {RECORD, ranks_name(stored)}
            if log is not None:
                write_text(folder / _log_name(stored), log)
                kept.add(_log_name(stored))
            write_json(folder / RECORD, stored.to_json())
            for other in folder.iterdir():
                if other.name not in kept:
                    remove(other)
        return stored

    def changing(self, run_id: str) -> AbstractContextManager[None]:
        """Return a context in which no other process writes to the directory of a run."""
        return self.lease(run_id).held(f"run {run_id}", lambda _line: None)

    def tidy(self, record: RunRecord) -> None:
        """Remove leftovers of a process that was killed after the run was in place."""
        lease = self.lease(record.id)
        if lease.path.exists() and lease.take():
            for other in (*self.path(record.id).glob("*.parquet"), *self.path(record.id).glob("log-*.txt")):
                if other.name not in (self._ranks_place(record)[0].name, _log_name(record)):
                    remove(other)
            lease.release()

    def load(self, run_id: str) -> RunRecord:
        """Return a finished run; raise BenchError if its file is missing, damaged, or belongs to another run."""
        return self._read(run_id, RunRecord)

    def head(self, run_id: str) -> RunHead:
        """Return what names and describes a run; raise BenchError as :meth:`load` does."""
        return self._read(run_id, RunHead)

    def _read(self, run_id: str, kind: type[Read]) -> Read:
        try:
            found: Read = kind.from_json(self._fields(run_id))
            spec_hash = found.spec.hash()
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise _unreadable(self._record_place(run_id), error) from error
        if found.id != run_id:
            raise _unreadable(self._record_place(run_id), f"it says id '{found.id}'")
        if spec_hash != run_id:
            raise _unreadable(self._record_place(run_id), f"its spec is that of run {spec_hash}")
        return found

    def _fields(self, run_id: str) -> dict[str, Any]:
        """Return the JSON object of a record; raise BenchError if there is none."""
        try:
            fields: dict[str, Any] = read_json(f"{self._runs}/{run_id}/{RECORD}")  # to build a Path takes longer
        except FileNotFoundError:
            packed = self._packed.get(run_id)
            if packed is None:
                raise _NoRunError(f"No run '{run_id}' in {self.results_dir}. See 'bench list runs'.") from None
            return packed.fields
        return fields

    def place(self, run_id: str) -> Path:
        """Return the directory of a run or of the pack that contains it."""
        return self._record_place(run_id).parent

    def _record_place(self, run_id: str) -> Path:
        path, packed = self.path(run_id) / RECORD, self._packed.get(run_id)
        return packed.place if packed is not None and not path.exists() else path

    def ranks(self, run_id: str) -> tuple[NDArray[np.int64], Ranks]:
        """Return the user index of each query and its ranks, both in stored order."""
        queries = self.queries(run_id)
        return queries.users, queries.ranks

    def tops(self, run_id: str) -> Tops | None:
        """Return the top-ranked items, in stored order; None if the run does not store them."""
        return self.queries(run_id).tops

    def queries(self, run_id: str) -> RankedQueries:
        """Return ranks and top-ranked items of the queries of a run."""
        try:
            return self.queries_of(self.load(run_id))
        except BenchError:  # another process may just have replaced the run: read the newer one
            return self.queries_of(self.load(run_id))

    def queries_of(self, record: RunRecord) -> RankedQueries:
        """Return ranks and top-ranked items of a run whose record was read before.

        Raises:
            BenchError: the file is missing or damaged, or does not belong to this record.
        """
        path, row_group = self._ranks_place(record)
        try:
            queries = read_run(path, row_group)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        wrong = queries.misfit(record.n_queries, record.n_candidates, record.ranks_sha256)
        if wrong:
            raise _unreadable(path, wrong)
        return queries

    def derived(self, record: RunRecord) -> RunRecord:
        """Return a record with the metrics, intervals and ties recomputed from its ranks."""
        return with_metrics(record, self.queries_of(record).ranks)

    def ids(self) -> list[str]:
        """Return the sorted ids of all runs, including those whose records cannot be read."""
        return sorted({*self.loose(), *self._packed})

    def records(self) -> list[RunRecord]:
        """Return all finished runs, ordered by token and id; one that cannot be read is left out with a warning."""
        return sorted(self._all(RunRecord), key=lambda record: (record.token, record.id))

    def heads(self, start: str = "") -> list[RunHead]:
        """Return what names and describes all finished runs, in less than half of the time of the records.

        They are ordered by id; with ``start``, only those whose id begins with it.
        """
        return self._all(RunHead, start)

    def _all(self, kind: type[Read], start: str = "") -> list[Read]:
        found = []
        for run_id in sorted({*self._folders(), *self._packed}):
            if not run_id.startswith(start):
                continue
            try:
                found.append(self._read(run_id, kind))
            except _NoRunError:  # an empty directory
                continue
            except BenchError as error:
                warnings.warn(f"A run is left out. {error}", BenchWarning, stacklevel=3)
        return found

    def find(self, name: str) -> RunRecord:
        """Return the run with a name: the prefix of an id, or ``method[@dataset[@setting[@full][@seedN]]]``."""
        return self.load(self.find_head(name).id)

    def find_head(self, name: str) -> RunHead:
        """Return what names and describes the run with a name."""
        if "@" not in name and len(name) >= SHORTEST_ID:
            by_id = self.heads(name.lower())
            if by_id:
                return find_one(by_id, name, self.results_dir)
        return find_one(self.heads(), name, self.results_dir)

    def find_seeds(self, name: str) -> list[RunRecord]:
        """Return the run with a name, or all runs with it if they only differ in their seeds, ordered by seed."""
        return [self.load(head.id) for head in find_all_seeds(self.heads(), name, self.results_dir)]

    def loose(self) -> Iterator[str]:
        """Yield the ids of the runs that are not packed."""
        yield from (name for name in self._folders() if (self.path(name) / RECORD).exists())

    def _folders(self) -> list[str]:
        """Return the sorted names of the directories of runs."""
        try:
            names = [entry.name for entry in os.scandir(self._runs)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        # hidden directories are being written, or were left by a killed process
        return sorted(name for name in names if not name.startswith("."))

    def rewrite(self, record: RunRecord) -> None:
        """Rewrite the record of a run; its ranks are unchanged."""
        if (self.path(record.id) / RECORD).exists():
            write_json(self.path(record.id) / RECORD, record.to_json())
        else:
            rewrite_packed(self._packed[record.id], record)

    def remove_folder(self, run_id: str) -> None:
        """Remove the directory of a run that has been packed."""
        shutil.rmtree(self.path(run_id))

    def superseded(self, run_id: str) -> Path:
        """Return the directory of the earlier runs with an id, whether or not it exists."""
        return self.results_dir / SUPERSEDED / run_id

    def lease(self, run_id: str) -> Lease:
        """Return the right to write to the directory of a run."""
        return Lease(self.results_dir / RUNS / f".{run_id}.lease")

    def _supersede(self, record: RunRecord) -> None:
        """Keep a copy of the earlier run of the same id if it was made from other data or code.

        A damaged run is not kept.
        """
        try:
            is_made_alike = self.load(record.id).provenance == record.provenance
        except BenchError:
            return
        if not is_made_alike and (self.path(record.id) / RECORD).exists():
            keep_copy(self.path(record.id), self.superseded(record.id), RECORD)

    def _ranks_place(self, record: RunRecord) -> tuple[Path, int | None]:
        """Return the file of a run's ranks and, in a file of many runs, its row group."""
        own = [self.path(record.id) / name for name in (ranks_name(record), RANKS)]
        there = next((path for path in own if path.exists()), None)
        if there is None and record.id in self._packed:
            packed = self._packed[record.id]
            return packed.ranks_path, packed.number
        return there or own[0], None

    @cached_property
    def _runs(self) -> str:
        return str(self.results_dir / RUNS)

    @cached_property
    def _packed(self) -> dict[str, PackedRun]:
        return read_packs(self.results_dir)


def ranks_name(record: RunRecord) -> str:
    """Return the name of the file of a run's ranks."""
    return f"ranks-{record.ranks_sha256[:HASH_LENGTH]}.parquet" if record.ranks_sha256 else RANKS


def _log_name(record: RunRecord) -> str:
    return f"log-{record.ranks_sha256[:HASH_LENGTH]}.txt"


def _unreadable(path: Path, reason: Exception | str) -> BenchError:
    said = reason if isinstance(reason, str) else f"{type(reason).__name__}: {' '.join(str(reason).split())}"
    if isinstance(reason, PermissionError):
        return BenchError(f"Cannot read {path} ({said}).")
    if path.parent.parent.name == RUNS:
        return BenchError(f"Cannot read {path} ({said}).{REMEDY}")
    return BenchError(f"Cannot read {path} ({said}). Restore the file.")
