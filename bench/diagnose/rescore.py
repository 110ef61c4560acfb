"""Asks a stored run's recommender again, its candidates in other orders."""

from __future__ import annotations

from bench.diagnose.stability import Stability, permutations, scored_in_order, stability
from bench.diagnose.tops import top_ranked
from bench.engine import Folders, checked_scores, prepare, recommender_of, source_domain, task_of
from bench.errors import BenchError
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import ProgressHook, Recommender
from bench.protocol import PreparedTask
from bench.registry import registry
from bench.runs import RunRecord


def permutation_stability(
    record: RunRecord,
    folders: Folders,
    metric: Metric,
    times: int,
    limit_queries: int,
    progress: ProgressHook,
    device: str = "cpu",
) -> Stability:
    """Fit a stored run's recommender again, from the cache where its model is, and permute each query's candidates.

    Args:
        record: The run.
        folders: Where its data and models are.
        metric: Metric to compare.
        times: Permutations of each query.
        limit_queries: Queries asked at most, a seeded sample.
        progress: Where the fit reports.
        device: Torch device.

    Raises:
        BenchError: the run is handed the answers, or its candidates are no longer those it ranked.
    """
    if registry().entry(record.spec.method).privileged:
        raise BenchError(f"Method '{record.spec.method}' is handed the answers; permuting its candidates says nothing.")
    recommender, prepared = _refitted(record, folders, progress, device)
    sample = prepared.test.sample(limit_queries, record.spec.protocol.seed)
    queries, positive_column = sample.queries, sample.answers.positive_column
    counts = prepared.training.item_counts()
    scores = [checked_scores(record.spec.method, recommender.score(queries), queries).copy()]
    n, n_candidates = queries.candidates.shape
    for order in permutations(n, n_candidates, times):
        found = scored_in_order(recommender.score, queries, order)
        scores.append(checked_scores(record.spec.method, found, queries))
    values = [
        float(per_user(rank_positive(one, positive_column), metric, record.n_candidates).mean()) for one in scores
    ]
    return stability(values, [top_ranked(one, queries.candidates, positive_column, counts).top_item for one in scores])


def _refitted(
    record: RunRecord, folders: Folders, progress: ProgressHook, device: str
) -> tuple[Recommender, PreparedTask]:
    spec = record.spec
    prepared = prepare(spec.protocol, folders, progress)
    if prepared.candidates_hash != record.candidates_hash:
        raise BenchError(
            f"The data of '{spec.protocol.dataset}' are not those of run {record.id}: its candidates were "
            f"{record.candidates_hash}, now they are {prepared.candidates_hash}."
        )
    sources = [source_domain(name, spec.protocol, folders, progress) for name in spec.sources]
    recommender = recommender_of(spec)
    recommender.fit(task_of(spec, prepared, sources, folders, progress, device))
    return recommender, prepared
