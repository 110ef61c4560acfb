"""Collect everything the store contains about a run besides its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.diagnose.efficiency import Efficiency, efficiency
from bench.diagnose.popularity import Group, PopularityBias, by_popularity, popularity_bias
from bench.diagnose.stability import Stability, stability
from bench.diagnose.training import TrainingCourse, training_courses
from bench.errors import BenchError
from bench.runs.record import RunRecord, values_per_user

if TYPE_CHECKING:
    from bench.metrics import Metric
    from bench.runs.store import RunStore


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of one run."""

    record: RunRecord
    value: float
    """Mean of the metric."""
    efficiency: Efficiency
    bias: PopularityBias | None
    """Popularity bias; None for a run that did not store its top items yet."""
    groups: tuple[Group, ...]
    """The metric by popularity of the positive; empty for a run that did not store that yet."""
    trainings: tuple[TrainingCourse, ...] = ()
    """How its trainings went; empty if nothing was trained."""


def diagnose_run(record: RunRecord, store: RunStore, metric: Metric) -> Diagnosis:
    """Return the diagnosis of a run from the store."""
    _, ranks = store.ranks(record.id)
    values = values_per_user(record, ranks, metric)
    tops = store.tops(record.id)
    bias = None if tops is None else popularity_bias(tops)
    groups = () if tops is None else tuple(by_popularity(values, tops.positive_count))
    trainings = tuple(training_courses(record.fit))
    return Diagnosis(record, float(values.mean()), efficiency(record), bias, groups, trainings)


def across_seeds(records: Sequence[RunRecord], store: RunStore, metric: Metric) -> list[tuple[RunRecord, Stability]]:
    """Return the spread over seeds for each set of runs that differ only in their training seed.

    The result has one entry per set: the run with the lowest seed and the spread.

    Raises:
        BenchError: runs of one set ranked different candidates.
    """
    sets: dict[str, list[RunRecord]] = {}
    for record in sorted({one.id: one for one in records}.values(), key=lambda one: one.spec.seed):
        sets.setdefault(replace(record.spec, seed=0).hash(), []).append(record)
    return [(runs[0], _across(runs, store, metric)) for runs in sets.values() if len(runs) > 1]


def _across(runs: Sequence[RunRecord], store: RunStore, metric: Metric) -> Stability:
    if len({record.candidates_hash for record in runs}) > 1:
        raise BenchError(f"The runs {', '.join(record.id for record in runs)} ranked different candidates.")
    read = [store.ranks(record.id) for record in runs]
    if any(not np.array_equal(users, read[0][0]) for users, _ in read):
        raise BenchError(f"The runs {', '.join(record.id for record in runs)} scored different users.")
    scored = zip(runs, read, strict=True)
    values = [float(values_per_user(record, ranks, metric).mean()) for record, (_, ranks) in scored]
    tops = [found.top_item for record in runs if (found := store.tops(record.id)) is not None]
    return stability(values, tops if len(tops) == len(runs) else None)
