"""Run records, and short descriptions of runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.field_types import misfit
from bench.files.hashing import derived_seed
from bench.files.revisions import Revision
from bench.files.rounding import rounded
from bench.metrics import DEFAULT_METRICS, FULL_METRICS, N_CANDIDATES, Metric, Ranks, per_user
from bench.plugin import FitReport
from bench.runs.heads import token_of, variant_of
from bench.runs.older_records import with_fit_report
from bench.runs.provenance import UNKNOWN, Provenance
from bench.spec import RunSpec, spec_from_json, spec_to_json

SCHEMA_VERSION = 3
"""Version of the record format. Version 2 did not state the hash of the ranks; version 1 had no version number, data
hashes or revisions, and a free-form report."""
STATES_RANKS = 3
"""The first version that contains the hash of the ranks."""


@dataclass(frozen=True)
class RunRecord:
    """The record of one run; ``run.json`` contains these fields."""

    id: str
    """Hash of the spec, and name of the run's directory."""
    spec: RunSpec
    """Specification of the run."""
    family: str
    """The method's group in lists and tables."""
    metrics: dict[str, dict[str, float]]
    """``ndcg@1`` … -> ``value`` and the bounds ``low`` and ``high`` of the bootstrap interval."""
    candidates_hash: str
    """Content hash of the candidate file; runs with different hashes are not comparable."""
    n_queries: int
    """Number of scored test queries."""
    tie_rate: float
    """Share of queries whose positive is tied with another candidate."""
    bench_version: str
    created: str
    """ISO 8601 time (UTC)."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """The parameters that differ from the method's defaults."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock time by phase."""
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)
    """Peak memory by phase."""
    device: str = "cpu"
    threads: int | None = None
    """Number of PyTorch threads; None if the record does not contain it."""
    versions: dict[str, str] = field(default_factory=dict)
    """Package versions."""
    git: dict[str, Any] | None = None
    """``commit`` and whether the working tree was ``dirty``; None outside a repository."""
    backbone: dict[str, Any] | None = None
    """``name``, ``kind`` and ``revision`` of the language model."""
    toy: bool = False
    """Whether the backbone is a toy, so that the results are not indicative of the method."""
    transductive: bool = False
    """Whether the method used unlabeled test queries in training."""
    fit: FitReport = field(default_factory=FitReport)
    """The method's report of its fit."""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    """Content hash of each prepared dataset by name; missing ones are unknown."""
    revisions: dict[str, Revision] = field(default_factory=dict)
    """Revision of the code of the ``method`` and of the ``protocol``; missing ones are unknown."""
    schema_version: int = SCHEMA_VERSION
    """Version of the record format."""
    ranks_sha256: str = ""
    """SHA-256 of the stored ranks and top-ranked items; empty in older records, which do not contain it."""
    catalogue: dict[str, float] | None = None
    """For full ranking: ``n_items``, ``mean_rank``, ``auc`` and so on; None for candidate lists."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``run.json``."""
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        if self.threads is None:
            del plain["threads"]  # older records, which do not contain it, stay unchanged
        return {**plain, "spec": spec_to_json(self.spec), "fit": self.fit.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RunRecord:
        """Read the object of ``run.json``, of this version or an older one.

        Raises:
            KeyError, TypeError, AttributeError: it is not a record.
            ValueError: a newer bench wrote it, or fields of its version are missing.
        """
        version = fields.get("schema_version", 1)
        if version > SCHEMA_VERSION:
            raise ValueError(f"schema version {version} is newer than {SCHEMA_VERSION}: upgrade bench")
        fields = with_fit_report(fields)
        own = {"spec": spec_from_json(fields["spec"]), "fit": FitReport.from_json(fields["fit"])}
        record = cls(**{**fields, **own, "schema_version": version})
        wrong = misfit(record)
        if wrong:
            raise TypeError(wrong)
        if not record.ranks_sha256 and version >= STATES_RANKS:
            raise ValueError("it does not state the hash of its ranks")
        if not (record.provenance.candidates and record.n_candidates > 1 and record.n_queries > 0):
            raise ValueError("it states no candidates or no queries")
        return record

    @property
    def provenance(self) -> Provenance:
        """The versions of data, backbone and code."""
        return Provenance(
            data={name: self.data.get(name, UNKNOWN) for name in (self.spec.protocol.dataset, *self.spec.sources)},
            candidates=self.candidates_hash,
            backbone=None if self.backbone is None else str(self.backbone["revision"]),
            revisions={part: self.revisions.get(part, UNKNOWN) for part in ("method", "protocol")},
        )

    @property
    def n_candidates(self) -> int:
        """Number of candidates per query, including the positive; for full ranking, the size of the catalogue."""
        return self.spec.protocol.n_negatives + 1 if self.catalogue is None else int(self.catalogue["n_items"])

    @property
    def repetition(self) -> tuple[int, int]:
        """The seed and the subset index, which distinguish repeated runs."""
        return self.spec.seed, self.spec.train_subset

    @property
    def token(self) -> str:
        """The run as ``method@dataset@setting@seedN``, or ``method@dataset@setting@full@seedN`` in full ranking."""
        return token_of(self.spec)


def values_per_user(record: RunRecord, ranks: Ranks, metric: Metric) -> NDArray[np.float64]:
    """Return a metric's expected value per query of a run, shape (n,).

    Raises:
        BenchError: the AUC of full ranking, where the number of negatives differs by user.
    """
    if record.spec.full_ranking and metric.cutoff is None:
        raise BenchError(
            f"The AUC of {record.token} is only known as a mean over users, which 'bench run' prints: in full ranking, "
            "users have different numbers of negatives. Remove the metric auc."
        )
    return per_user(ranks, metric, record.n_candidates)


def with_metrics(record: RunRecord, ranks: Ranks) -> RunRecord:
    """Return a record with the metrics, their intervals and the tie rate computed from its ranks."""
    names = FULL_METRICS if record.spec.full_ranking else DEFAULT_METRICS
    found = summarize(ranks, names, record.n_candidates)
    return dataclasses.replace(record, metrics=found, tie_rate=ranks.tie_rate)


def summarize(
    ranks: Ranks, metrics: Iterable[str] = DEFAULT_METRICS, n_candidates: int = N_CANDIDATES
) -> dict[str, dict[str, float]]:
    """Return each metric's mean over users, ``value``, and its 95% bootstrap interval, ``low`` and ``high``."""
    return {name: _summary(per_user(ranks, Metric.parse(name), n_candidates), name) for name in metrics}


def _summary(values: NDArray[np.float64], name: str) -> dict[str, float]:
    from bench.significance.tests import Distinct, bootstrap_interval

    rng = np.random.default_rng(derived_seed(0, "interval", name))
    low, high = bootstrap_interval(Distinct.of(values), rng)
    return {name: rounded(number) for name, number in (("value", float(values.mean())), ("low", low), ("high", high))}


def describe_variant(record: RunRecord, of_row: bool = False) -> str:
    """Return a short description of how a run differs from its method's default run; empty if it does not.

    ``of_row`` leaves out seeds and protocol, which distinguish runs but not the rows of a table.
    """
    return variant_of(record.spec, record.overrides, of_row)
