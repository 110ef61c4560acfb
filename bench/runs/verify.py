"""Verify that results and cache are unchanged by recomputing all hashes and derived values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.data.verify import Check
from bench.errors import BenchError
from bench.runs.record import RunRecord, with_metrics

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore
    from bench.metrics import Ranks
    from bench.runs.store import RunStore

PRECISION = 1e-8
"""Maximum relative difference of derived numbers between processors."""


def verify_runs(store: RunStore) -> list[Check]:
    """Read every run, compare its ranks with their hash, and recompute the record's derived values from them."""
    faults = [fault for run_id in store.ids() for fault in _faults_of_run(store, run_id)]
    said = "ids match the specs, ranks are unchanged, and metrics and intervals match the ranks"
    return _checks(faults, f"{len(store.ids()):,} runs in {store.results_dir}: {said}")


def verify_artifacts(store: ArtifactStore) -> list[Check]:
    """Recompute the hashes of the files of every artifact in the cache."""
    faults = [f"{fault}; it is recreated when needed" for fault in store.damaged()]
    return _checks(faults, f"{store.count():,} artifacts in {store.root}: the files are unchanged")


def _checks(faults: list[str], said: str) -> list[Check]:
    return [Check(False, fault) for fault in faults] or [Check(True, said)]


def _faults_of_run(store: RunStore, run_id: str) -> Iterator[str]:
    try:
        record = store.load(run_id)
        ranks = store.queries_of(record).ranks
    except BenchError as error:
        yield str(error)
        return
    stated, derived = dict(_derivable(record)), dict(_derivable(with_metrics(record, ranks)))
    derived |= _mean_ranks(record, ranks)
    wrong = [name for name, value in stated.items() if name in derived and not _is_equal(value, derived[name])]
    if wrong:
        name = wrong[0]
        others = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield f"run {run_id} ({record.token}) states {name} {stated[name]}, its ranks give {derived[name]}{others}"


def _derivable(record: RunRecord) -> Iterator[tuple[str, float]]:
    """Yield the values in a record that are derived from its ranks."""
    yield "tie rate", record.tie_rate
    for metric, figures in record.metrics.items():
        for name, value in figures.items():
            yield f"{metric} {name}", value
    yield from (record.catalogue or {}).items()


def _mean_ranks(record: RunRecord, ranks: Ranks) -> dict[str, float]:
    if record.catalogue is None:
        return {}
    places = ranks.better + ranks.tied / 2 + 1
    return {"mean_rank": float(places.mean()), "median_rank": float(np.median(places))}


def _is_equal(stated: float, derived: float) -> bool:
    return math.isclose(stated, derived, rel_tol=PRECISION, abs_tol=PRECISION)
