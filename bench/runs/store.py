"""The store of finished runs: a directory ``runs/<id>`` per run, or packs of many runs.

``runs/<id>/ranks.parquet`` and ``runs/<id>/run.json`` appear together. If a run is repeated because its data, backbone
or code has changed, the earlier run is moved to ``superseded/<id>``, which is not read.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from bench.errors import BenchError, did_you_mean
from bench.files.store import read_json, write_json
from bench.metrics import Ranks, Tops
from bench.runs.packs import PackedRun, read_packs
from bench.runs.rank_files import RANK_COLUMNS, TOP_COLUMNS, RankedQueries, read_columns, write_run
from bench.runs.record import RunRecord, describe_variant

if TYPE_CHECKING:
    import numpy as np

RUNS, SUPERSEDED = "runs", "superseded"
RECORD, RANKS = "run.json", "ranks.parquet"
EARLIER = "earlier"
"""Name of the earlier run's directory while it is replaced."""
SHORTEST_ID = 4
"""Minimum length of the prefix of an id."""


@dataclass(frozen=True)
class RunStore:
    """The runs in one results directory."""

    results_dir: Path

    def path(self, run_id: str) -> Path:
        """Return the directory of a run, whether or not it exists."""
        return self.results_dir / RUNS / run_id

    def exists(self, run_id: str) -> bool:
        """Whether the run exists."""
        return (self.path(run_id) / RECORD).exists() or run_id in self._packed

    def save(
        self,
        record: RunRecord,
        query_users: NDArray[np.int64],
        ranks: Ranks,
        tops: Tops | None = None,
    ) -> None:
        """Store ranks and record; ``query_users`` contains the user index of each query.

        An earlier run with the same id is moved to ``superseded`` if its data or code was different, and removed
        otherwise.
        """
        if tops is not None and len(tops) != len(ranks):
            raise ValueError(f"{len(tops)} tops for {len(ranks)} ranks")
        if not len(query_users) == len(ranks) == record.n_queries:
            raise ValueError(f"{len(query_users)} users and {len(ranks)} ranks for {record.n_queries} queries")
        folder = self.path(record.id)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{record.id}.", dir=folder.parent))
        try:
            write_run(temporary / RANKS, RankedQueries(query_users, ranks, tops))
            write_json(temporary / RECORD, record.to_json())
            temporary.chmod(0o755)
            self._put_in_place(temporary, record)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def load(self, run_id: str) -> RunRecord:
        """Return the record of a run; raise BenchError if a file is missing or cannot be read."""
        path, packed = self.path(run_id) / RECORD, self._packed.get(run_id)
        try:
            fields = read_json(path)
        except FileNotFoundError:
            if packed is None:
                raise BenchError(f"No run '{run_id}' in {self.results_dir}. See 'bench run --help'.") from None
            path, fields = packed.place, packed.fields
        except (OSError, ValueError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error
        try:
            record = RunRecord.from_json(fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error
        if record.id != run_id:
            raise _unreadable(path, f"it says id '{record.id}'")
        return record

    def ranks(self, run_id: str) -> tuple[NDArray[np.int64], Ranks]:
        """Return the user index of each query and its ranks, both in stored order."""
        columns = self._columns(run_id, RANK_COLUMNS)
        return columns["query"], Ranks(columns["better"], columns["tied"])

    def tops(self, run_id: str) -> Tops | None:
        """Return the top-ranked items, in stored order; None if the run does not store them."""
        columns = self._columns(run_id, TOP_COLUMNS)
        return Tops(*(columns[name] for name in TOP_COLUMNS)) if set(TOP_COLUMNS) <= set(columns) else None

    def queries(self, run_id: str) -> RankedQueries:
        """Return ranks and top-ranked items of the queries of a run."""
        return RankedQueries(*self.ranks(run_id), self.tops(run_id))

    def records(self) -> list[RunRecord]:
        """Return the records of all runs, ordered by token and id; raise BenchError if one cannot be read."""
        ids = sorted({*self.loose(), *self._packed})
        return sorted((self.load(run_id) for run_id in ids), key=lambda record: (record.token, record.id))

    def find(self, token: str) -> RunRecord:
        """Return the run matching a token: the prefix of an id, or ``method@dataset@setting[@full][@seedN]``."""
        records = self.records()
        found = [record for record in records if _is_named(record, token)]
        if len(found) == 1:
            return found[0]
        if found:
            named = ", ".join(f"{record.id} ({describe_variant(record) or 'defaults'})" for record in found)
            raise BenchError(f"'{token}' matches {len(found)} runs: {named}. Give the prefix of one id.")
        hint = did_you_mean(token, {record.token for record in records} | {record.id for record in records})
        expected = (
            f"expected the prefix of an id ({SHORTEST_ID} or more characters) or method@dataset@setting[@full][@seedN]"
        )
        raise BenchError(f"No run '{token}' in {self.results_dir}; {expected}.{hint} See 'bench run --help'.")

    def find_seeds(self, token: str) -> list[RunRecord]:
        """Return the run matching a token, or all matching runs if they only differ in their seeds, ordered by seed."""
        found = [record for record in self.records() if _is_named(record, token)]
        systems = {dataclasses.replace(record.spec, seed=0).hash() for record in found}
        return sorted(found, key=lambda record: record.spec.seed) if len(systems) == 1 else [self.find(token)]

    def loose(self) -> Iterator[str]:
        """Yield the ids of the runs that are not packed."""
        names = (path.parent.name for path in (self.results_dir / RUNS).glob(f"*/{RECORD}"))
        # hidden directories are being written, or were left by a killed process
        yield from sorted(name for name in names if not name.startswith("."))

    def rewrite(self, record: RunRecord) -> None:
        """Replace the record of an unpacked run, keeping its ranks."""
        write_json(self.path(record.id) / RECORD, record.to_json())

    def remove_folder(self, run_id: str) -> None:
        """Remove the directory of a run that has been packed."""
        shutil.rmtree(self.path(run_id))

    def _put_in_place(self, temporary: Path, record: RunRecord) -> None:
        """Rename a finished directory to its run's id, after moving an earlier run with the same id.

        If another process stores the same run at the same time, one of the two is kept.
        """
        folder, earlier = self.path(record.id), temporary / EARLIER
        is_made_alike = self._is_made_alike(record)
        with suppress(FileNotFoundError):
            folder.replace(earlier)
        try:
            temporary.replace(folder)
        except OSError:
            if (folder / RECORD).exists():
                return
            raise
        if is_made_alike:
            shutil.rmtree(folder / EARLIER, ignore_errors=True)
        elif (folder / EARLIER).exists():
            kept = self.results_dir / SUPERSEDED / record.id
            kept.mkdir(parents=True, exist_ok=True)
            (folder / EARLIER).replace(kept / str(sum(1 for _ in kept.iterdir()) + 1))

    def _is_made_alike(self, record: RunRecord) -> bool:
        """Whether the stored run with the same id has the same provenance; False if it is damaged."""
        try:
            return self.load(record.id).provenance == record.provenance
        except BenchError:
            return True

    def _columns(self, run_id: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        path, row_group = self.path(run_id) / RANKS, None
        if not path.exists() and run_id in self._packed:
            path, row_group = self._packed[run_id].ranks_path, self._packed[run_id].number
        try:
            return read_columns(path, names, row_group)
        except (OSError, ValueError, KeyError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error

    @cached_property
    def _packed(self) -> dict[str, PackedRun]:
        return read_packs(self.results_dir)


def _is_named(record: RunRecord, token: str) -> bool:
    if "@" in token:
        return token in (record.token, record.token.rpartition("@")[0])
    return len(token) >= SHORTEST_ID and record.id.startswith(token)


def _unreadable(path: Path, reason: str) -> BenchError:
    return BenchError(f"Cannot read {path} ({reason}). Remove its directory and run the method again.")
