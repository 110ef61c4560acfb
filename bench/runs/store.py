"""The store of finished runs: ``runs/<id>/ranks.parquet`` and ``runs/<id>/run.json``, which is written last."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.diagnose.tops import Tops
from bench.errors import BenchError, near_names
from bench.files.hashing import derived_seed
from bench.files.rounding import rounded
from bench.files.store import read_json, write_json, written_whole
from bench.metrics import DEFAULT_METRICS, N_CANDIDATES, Metric, Ranks, per_user
from bench.spec import ProtocolSpec, RunSpec

PROTOCOL_FIELDS = ("dataset", "setting", "policy", "n_negatives", "holdout_share")
"""Fields of the protocol that stand in the stored spec under their own names; its seed is ``protocol_seed``."""
RANK_COLUMNS = ("query", "better", "tied")
"""Columns that every run's ranks have."""
TOP_COLUMNS = tuple(item.name for item in dataclasses.fields(Tops))
"""Columns beside them, which runs from before they were stored lack."""
SHORTEST_ID = 4
"""Digits of an id that must be given to find a run by it."""


@dataclass(frozen=True)
class RunRecord:
    """Everything a reader must know of one finished run; ``run.json`` holds exactly these fields."""

    id: str
    """Hash of the spec and name of the run's folder."""
    spec: RunSpec
    """What was run."""
    family: str
    """The method's group in lists and tables."""
    metrics: dict[str, dict[str, float]]
    """``ndcg@1`` … to ``value`` and the bootstrap interval ``low``, ``high``."""
    candidates_hash: str
    """Content hash of the candidate file; runs with different hashes are never compared."""
    n_queries: int
    """Test queries scored."""
    tie_rate: float
    """Share of queries whose positive is tied with another candidate."""
    bench_version: str
    created: str
    """ISO time, UTC."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """The parameters that differ from the method's defaults."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by phase."""
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)
    """Peak memory by phase."""
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
    """Package versions."""
    git: dict[str, Any] | None = None
    """``commit`` and whether the tree was ``dirty``; None outside a repository."""
    backbone: dict[str, Any] | None = None
    """``name``, ``kind`` and ``revision`` of the language model."""
    toy: bool = False
    """Whether the backbone is a toy, so that the figures say nothing of the method."""
    transductive: bool = False
    """Whether the method read unlabelled test queries."""
    details: dict[str, Any] = field(default_factory=dict)
    """What the method reports of its fit."""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    catalogue: dict[str, float] | None = None
    """Of full ranking: ``n_items``, ``mean_rank``, ``auc`` and so on; None where frozen lists were ranked."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``run.json``."""
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {**plain, "spec": spec_to_json(self.spec)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RunRecord:
        """Read the object of ``run.json``; raise KeyError or TypeError where it is not one."""
        return cls(**{**fields, "spec": spec_from_json(fields["spec"])})

    @property
    def n_candidates(self) -> int:
        """Candidates of each query, the positive included; in full ranking the catalogue's size, which none exceeds."""
        return self.spec.protocol.n_negatives + 1 if self.catalogue is None else int(self.catalogue["n_items"])

    @property
    def repetition(self) -> tuple[int, int]:
        """What tells runs of one figure apart: the seed and the subset of training users."""
        return self.spec.seed, self.spec.train_subset

    @property
    def token(self) -> str:
        """The run as ``method@dataset@setting@seedN``, or ``method@dataset@setting@full@seedN`` in full ranking."""
        protocol = self.spec.protocol
        full = "@full" * self.spec.full_ranking
        return f"{self.spec.method}@{protocol.dataset}@{protocol.setting}{full}@seed{self.spec.seed}"


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    """Flatten a spec: the protocol's fields stand beside the run's, its seed as ``protocol_seed``."""
    protocol = {name: getattr(spec.protocol, name) for name in PROTOCOL_FIELDS}
    return {
        "method": spec.method,
        **protocol,
        "protocol_seed": spec.protocol.seed,
        "params": dict(spec.params),
        "seed": spec.seed,
        "sources": list(spec.sources),
        "backbone": spec.backbone,
        "ranking": spec.ranking,
        "engine": spec.engine,
        "limit_queries": spec.limit_queries,
        "train_share": spec.train_share,
        "train_users": spec.train_users,
        "train_subset": spec.train_subset,
        "full_ranking": spec.full_ranking,
        "limit_validation": spec.limit_validation,
    }


def spec_from_json(fields: dict[str, Any]) -> RunSpec:
    """Rebuild the spec that :func:`spec_to_json` flattened; raise KeyError or TypeError for anything else."""
    rest = dict(fields)
    protocol = {name: rest.pop(name) for name in PROTOCOL_FIELDS}
    seed = rest.pop("protocol_seed")
    rest["sources"] = tuple(rest["sources"])
    return RunSpec(protocol=ProtocolSpec(seed=seed, **protocol), **rest)


def summarise(
    ranks: Ranks, metrics: Iterable[str] = DEFAULT_METRICS, n_candidates: int = N_CANDIDATES
) -> dict[str, dict[str, float]]:
    """Return each metric's mean over users, ``value``, and its 95 % bootstrap interval, ``low`` and ``high``."""
    return {name: _summary(per_user(ranks, Metric.parse(name), n_candidates), name) for name in metrics}


def _summary(values: NDArray[np.float64], name: str) -> dict[str, float]:
    from bench.significance.tests import Distinct, bootstrap_interval

    rng = np.random.default_rng(derived_seed(0, "interval", name))
    low, high = bootstrap_interval(Distinct.of(values), rng)
    return {name: rounded(number) for name, number in (("value", float(values.mean())), ("low", low), ("high", high))}


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
        near = near_names(token, {record.token for record in records} | {record.id for record in records})
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
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


def describe_variant(record: RunRecord, of_row: bool = False) -> str:
    """Return in a few words what sets a run apart from its method's default run; empty where nothing does.

    ``of_row`` leaves out seeds and protocol, which set runs apart but not rows of a table.
    """
    spec = record.spec
    parts = [f"{name}={value}" for name, value in sorted(record.overrides.items())]
    parts += [spec.backbone] if spec.backbone else []
    parts += ["from " + "+".join(spec.sources)] if spec.sources else []
    parts += [spec.ranking] if spec.ranking == "generate" else []
    parts += [spec.engine] if spec.engine else []
    parts += [f"{spec.train_share:.0%} of the training part"] if spec.train_share < 1 else []
    parts += [f"{spec.train_users:,} training users"] if spec.train_users else []
    parts += [f"{spec.limit_validation:,} validation queries"] if spec.limit_validation else []
    return ", ".join(parts if of_row else parts + _circumstances(spec))


def _circumstances(spec: RunSpec) -> list[str]:
    protocol = spec.protocol
    parts: list[str] = [protocol.policy] if protocol.setting == "cold" and protocol.policy != "holdout" else []
    parts += [f"seed {spec.seed}"] if spec.seed else []
    parts += [f"subset {spec.train_subset}"] if spec.train_subset else []
    parts += [f"candidate seed {protocol.seed}"] if protocol.seed else []
    parts += [f"{spec.limit_queries} queries"] if spec.limit_queries else []
    parts += ["whole catalogue"] if spec.full_ranking else []
    return parts


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
