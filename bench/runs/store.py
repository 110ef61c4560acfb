"""The store of finished runs: ``runs/<id>/ranks.parquet`` and ``runs/<id>/run.json``, which is written last."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, did_you_mean
from bench.files.store import read_json, write_json, written_whole
from bench.metrics import Ranks, Tops
from bench.runs.record import RunRecord, describe_variant

RANK_COLUMNS = ("query", "better", "tied")
"""Columns that every run's ranks have."""
TOP_COLUMNS = tuple(item.name for item in dataclasses.fields(Tops))
"""Columns beside them, which runs from before they were stored lack."""
SHORTEST_ID = 4
"""Digits of an id that must be given to find a run by it."""


@dataclass(frozen=True)
class RunStore:
    """The runs under one results folder."""

    results_dir: Path

    def path(self, run_id: str) -> Path:
        """Return the folder of a run, whether or not it exists."""
        return self.results_dir / "runs" / run_id

    def exists(self, run_id: str) -> bool:
        """Whether the run is finished: its ``run.json`` is there."""
        return self._record_path(run_id).exists()

    def save(self, record: RunRecord, query_users: NDArray[np.int64], ranks: Ranks, tops: Tops | None = None) -> None:
        """Write the ranks, then the record; ``query_users`` has one user index for each of ``ranks`` and ``tops``."""
        if tops is not None and len(tops) != len(ranks):
            raise ValueError(f"{len(tops)} tops for {len(ranks)} ranks")
        if not len(query_users) == len(ranks) == record.n_queries:
            raise ValueError(f"{len(query_users)} users and {len(ranks)} ranks for {record.n_queries} queries")
        # a record that is being replaced must not stand beside the new ranks
        self._record_path(record.id).unlink(missing_ok=True)
        with written_whole(self._ranks_path(record.id)) as temporary:
            _write_ranks(temporary, query_users, ranks, tops)
        write_json(self._record_path(record.id), record.to_json())

    def load(self, run_id: str) -> RunRecord:
        """Return a finished run; BenchError names the file that is missing or cannot be read."""
        path = self._record_path(run_id)
        try:
            record = RunRecord.from_json(read_json(path))
        except FileNotFoundError:
            raise BenchError(f"No run '{run_id}' in {self.results_dir}. See 'bench run --help'.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error
        if record.id != run_id:
            raise _unreadable(path, f"it says id '{record.id}'")
        return record

    def ranks(self, run_id: str) -> tuple[NDArray[np.int64], Ranks]:
        """Return the user index of each query and its ranks, both in stored order."""
        columns = self._columns(run_id, RANK_COLUMNS)
        return columns["query"], Ranks(columns["better"], columns["tied"])

    def tops(self, run_id: str) -> Tops | None:
        """Return what was ranked first, in stored order; None for a run from before this was stored."""
        columns = self._columns(run_id, TOP_COLUMNS)
        return Tops(*(columns[name] for name in TOP_COLUMNS)) if set(TOP_COLUMNS) <= set(columns) else None

    def records(self) -> list[RunRecord]:
        """Return all finished runs, ordered by token and id; BenchError names a record that cannot be read."""
        ids = sorted(path.parent.name for path in (self.results_dir / "runs").glob("*/run.json"))
        return sorted((self.load(run_id) for run_id in ids), key=lambda record: (record.token, record.id))

    def find(self, token: str) -> RunRecord:
        """Return the one run that a token names: the start of an id, or ``method@dataset@setting[@full][@seedN]``."""
        records = self.records()
        found = [record for record in records if _is_named(record, token)]
        if len(found) == 1:
            return found[0]
        if found:
            named = ", ".join(f"{record.id} ({describe_variant(record) or 'defaults'})" for record in found)
            raise BenchError(f"'{token}' names {len(found)} runs: {named}. Give the start of one id.")
        hint = did_you_mean(token, {record.token for record in records} | {record.id for record in records})
        expected = (
            f"expected the start of an id ({SHORTEST_ID} digits or more) or method@dataset@setting[@full][@seedN]"
        )
        raise BenchError(f"No run '{token}' in {self.results_dir}; {expected}.{hint} See 'bench run --help'.")

    def find_seeds(self, token: str) -> list[RunRecord]:
        """Return the one run that a token names, or all of them where their seeds alone differ, ordered by seed."""
        found = [record for record in self.records() if _is_named(record, token)]
        systems = {dataclasses.replace(record.spec, seed=0).hash() for record in found}
        return sorted(found, key=lambda record: record.spec.seed) if len(systems) == 1 else [self.find(token)]

    def _columns(self, run_id: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        path = self._ranks_path(run_id)
        try:
            return _read_columns(path, names)
        except (OSError, ValueError, KeyError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error

    def _record_path(self, run_id: str) -> Path:
        return self.path(run_id) / "run.json"

    def _ranks_path(self, run_id: str) -> Path:
        return self.path(run_id) / "ranks.parquet"


def _is_named(record: RunRecord, token: str) -> bool:
    if "@" in token:
        return token in (record.token, record.token.rpartition("@")[0])
    return len(token) >= SHORTEST_ID and record.id.startswith(token)


def _unreadable(path: Path, reason: str) -> BenchError:
    return BenchError(f"Cannot read {path} ({reason}). Remove its folder and run that method again.")


def _write_ranks(path: Path, query_users: NDArray[np.int64], ranks: Ranks, tops: Tops | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, NDArray[Any]] = {
        "query": query_users.astype(np.int64),
        "better": ranks.better,
        "tied": ranks.tied,
    }
    columns |= {} if tops is None else {name: getattr(tops, name) for name in TOP_COLUMNS}
    # user indices rise and ranks repeat: packed so, the runs of a whole table are small enough to be passed around
    packing = {"query": "DELTA_BINARY_PACKED"}
    repeating = [name for name in columns if name not in packing]
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=repeating, column_encoding=packing)


def _read_columns(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the columns of these names; those of the ranks must be there, others may be missing."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read(columns=list(names)).combine_chunks()
    there = [name for name in names if name in table.column_names or name in RANK_COLUMNS]
    # Arrow's own conversion to numpy imports pandas, which takes longer than reading a whole table of runs
    return {name: np.from_dlpack(table.column(name).chunk(0)) for name in there}
