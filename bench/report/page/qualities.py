"""Popularity bias and stability of one row of a board."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

from bench.diagnose.popularity import popularity_bias
from bench.diagnose.repeated_answers import kept
from bench.diagnose.summary import across_seeds
from bench.metrics import Metric
from bench.report.page.content import Bias, Repetition
from bench.report.page.user_analysis import METRIC

if TYPE_CHECKING:
    from bench.diagnose.stability import Stability
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

DECIMALS = 6


def bias_of(records: Sequence[RunRecord], store: RunStore) -> Bias | None:
    """Return the mean over seeds; None if a run does not store its top items."""
    tops = [store.tops(record.id) for record in records]
    biases = [popularity_bias(one) for one in tops if one is not None]
    if len(biases) < len(tops):
        return None
    top, positive = mean(one.top for one in biases), biases[0].positive
    return Bias(round(top, DECIMALS), round(positive, DECIMALS), round(top / positive, DECIMALS) if positive else None)


def repetitions_of(records: Sequence[RunRecord], store: RunStore) -> tuple[Repetition, ...]:
    """Return the variation over the row's seeds, then the results of repeated scoring.

    Seeds are compared by the metric of the page; repeated scoring by the metric it was run with.
    """
    seeds = [stability for _, stability in across_seeds(records, store, Metric.parse(METRIC))]
    over_seeds = [_repetition("seeds", METRIC, records[0].n_queries, stability) for stability in seeds]
    asked = [one for record in records for one in kept(record, store)]
    again = [_repetition(one.over, one.metric, one.n_queries, one.stability) for one in asked]
    return (*over_seeds, *again)


def _repetition(over: str, metric: str, n_queries: int, stability: Stability) -> Repetition:
    values = stability.values
    return Repetition(
        over=over,
        metric=metric,
        n_queries=n_queries,
        times=len(values),
        first=round(values[0], DECIMALS),
        lowest=round(min(values), DECIMALS),
        highest=round(max(values), DECIMALS),
        flip_rate=None if stability.flip_rate is None else round(stability.flip_rate, DECIMALS),
    )
