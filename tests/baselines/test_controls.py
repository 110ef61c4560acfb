from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.baselines.controls import Constant, Oracle, Popularity, RandomScorer
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Answers, NoParams, Queries, Recommender, Task

N_QUERIES, N_ITEMS, N_CANDIDATES = 20_000, 5_000, 30
CHANCE = {"ndcg@1": 0.0333, "ndcg@3": 0.0710, "ndcg@5": 0.0983, "mrr@5": 0.0761}
COLUMNS = np.arange(N_CANDIDATES)


def queries_of(candidates: NDArray[Any]) -> Queries:
    """Queries of one user each, without a history."""
    n_queries = len(candidates)
    return Queries(
        users=np.arange(n_queries),
        history_indptr=np.zeros(n_queries + 1, dtype=np.int64),
        history_items=np.empty(0, dtype=np.int32),
        candidates=candidates.astype(np.int32),
    )


def drawn(positives: NDArray[np.int64], columns: Answers, weights: NDArray[np.float64]) -> Queries:
    """Queries whose negatives are other items than the positive, drawn by weight without repeats."""
    rng = np.random.default_rng(4)
    candidates = np.empty((len(positives), N_CANDIDATES))
    for row, (positive, column) in enumerate(zip(positives, columns.positive_column, strict=True)):
        keys = np.log(weights) + rng.gumbel(size=N_ITEMS)
        keys[positive] = -np.inf
        candidates[row] = np.insert(np.argpartition(-keys, N_CANDIDATES - 1)[: N_CANDIDATES - 1], column, positive)
    return queries_of(candidates)


@pytest.fixture(scope="module")
def uniform() -> Queries:
    rng = np.random.default_rng(0)
    start = rng.integers(N_ITEMS, size=(N_QUERIES, 1))
    step = rng.integers(1, N_ITEMS // N_CANDIDATES, size=(N_QUERIES, 1))
    return queries_of((start + step * COLUMNS) % N_ITEMS)


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(np.random.default_rng(1).integers(N_CANDIDATES, size=N_QUERIES))


def task(folder: Path, counts: NDArray[np.integer], seed: int = 0) -> Task:
    """One user has touched each item as often as the counts say."""
    items = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    domain = Domain(
        name="toy",
        indptr=np.array([0, len(items)]),
        items=items,
        titles=tuple(f"item {item}" for item in range(len(counts))),
        user_ids=np.array(["user"]),
        item_ids=np.arange(len(counts)).astype(str),
    )
    nothing = queries_of(np.empty((0, N_CANDIDATES)))
    no_answers = Answers(np.empty(0, dtype=np.int64))
    return Task(domain, nothing, no_answers, setting="warm", seed=seed, artifacts=ArtifactStore(folder))


def fitted(control: type[Recommender], folder: Path, seed: int = 0) -> Recommender:
    recommender = control(NoParams())
    recommender.fit(task(folder, np.arange(N_ITEMS) % 7, seed))
    return recommender


def values(scores: NDArray[np.floating], answers: Answers, metric: str) -> NDArray[np.float64]:
    return per_user(rank_positive(scores, answers.positive_column), Metric.parse(metric))


@pytest.mark.parametrize(("metric", "expected"), CHANCE.items())
def test_random_scores_chance_within_three_standard_errors(
    uniform: Queries, answers: Answers, tmp_path: Path, metric: str, expected: float
) -> None:
    of_users = values(fitted(RandomScorer, tmp_path).score(uniform), answers, metric)
    standard_error = of_users.std(ddof=1) / np.sqrt(len(of_users))
    assert chance(Metric.parse(metric)) == pytest.approx(expected, abs=5e-5)
    assert abs(of_users.mean() - chance(Metric.parse(metric))) < 3 * standard_error


def test_random_scores_are_uniform_and_without_ties(uniform: Queries, tmp_path: Path) -> None:
    scores = fitted(RandomScorer, tmp_path).score(uniform)
    assert scores.min() >= 0
    assert scores.max() < 1
    counts = np.histogram(scores, bins=20, range=(0, 1))[0]
    expected = scores.size / 20
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert all(len(np.unique(row)) == N_CANDIDATES for row in scores[:500])
    assert abs(np.corrcoef(scores[:, 0], scores[:, 1])[0, 1]) < 4 / np.sqrt(N_QUERIES)
    assert abs(np.corrcoef(scores[:-1, 0], scores[1:, 0])[0, 1]) < 4 / np.sqrt(N_QUERIES)


def test_random_scores_depend_on_the_seed_and_on_nothing_else(uniform: Queries, tmp_path: Path) -> None:
    first, again, other = (fitted(RandomScorer, tmp_path, seed).score(uniform) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(first.size)
    rows = np.array([7, 3])
    np.testing.assert_array_equal(fitted(RandomScorer, tmp_path).score(uniform.take(rows)), first[rows])


@pytest.mark.parametrize("control", [RandomScorer, Popularity, Constant])
def test_permuting_candidates_permutes_scores(control: type[Recommender], uniform: Queries, tmp_path: Path) -> None:
    recommender = fitted(control, tmp_path)
    order = np.random.default_rng(2).permuted(np.tile(COLUMNS, (N_QUERIES, 1)), axis=1)
    permuted = queries_of(np.take_along_axis(uniform.candidates, order, axis=1))
    expected = np.take_along_axis(recommender.score(uniform), order, axis=1)
    np.testing.assert_array_equal(recommender.score(permuted), expected)


@pytest.mark.parametrize("metric", [*CHANCE, "hit@1", "hit@3", "hit@10", "mrr@10"])
def test_constant_scores_exactly_chance(uniform: Queries, answers: Answers, tmp_path: Path, metric: str) -> None:
    of_users = values(fitted(Constant, tmp_path).score(uniform), answers, metric)
    np.testing.assert_allclose(of_users, chance(Metric.parse(metric)), rtol=1e-12)


@pytest.mark.parametrize("metric", [*CHANCE, "hit@1"])
def test_the_oracle_is_always_right(uniform: Queries, answers: Answers, tmp_path: Path, metric: str) -> None:
    oracle = Oracle(NoParams())
    oracle.fit(task(tmp_path, np.ones(N_ITEMS, dtype=int)))
    np.testing.assert_array_equal(values(oracle.score_with_answers(uniform, answers), answers, metric), 1.0)


def test_the_oracle_knows_nothing_without_the_answers(uniform: Queries, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="with answers only"):
        fitted(Oracle, tmp_path).score(uniform)


def test_popularity_counts_training_interactions(tmp_path: Path) -> None:
    counts = np.array([*range(N_CANDIDATES)])
    popularity = Popularity(NoParams())
    popularity.fit(task(tmp_path, counts))
    candidates = np.random.default_rng(0).permutation(N_CANDIDATES)[None]
    np.testing.assert_array_equal(popularity.score(queries_of(candidates)), candidates)


def test_popularity_scores_lower_when_negatives_are_drawn_by_popularity(tmp_path: Path) -> None:
    n_queries, rng = 1_000, np.random.default_rng(3)
    counts = (2_000 / np.arange(1, N_ITEMS + 1)).astype(int) + 1
    popularity = Popularity(NoParams())
    popularity.fit(task(tmp_path, counts))
    positives = rng.choice(N_ITEMS, n_queries, p=counts / counts.sum())
    columns = Answers(rng.integers(N_CANDIDATES, size=n_queries))
    by_chance, by_popularity = (
        values(popularity.score(drawn(positives, columns, weights)), columns, "ndcg@3").mean()
        for weights in (np.ones(N_ITEMS), counts.astype(np.float64))
    )
    assert by_popularity < by_chance - 0.2
    assert by_chance > 2 * chance(Metric("ndcg", 3))
