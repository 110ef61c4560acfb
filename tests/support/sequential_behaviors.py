"""Tests that every sequential learner must pass; a test file inherits them and names its learner."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.files.store import ArtifactStore
from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Answers, Queries, Recommender, Task
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of

N_WARM, N_ITEMS = 45, 60


def planted_with_cold_items(folder: Path) -> tuple[Task, Queries, Answers]:
    """Return a task whose histories count upwards in three quarters of the catalogue; positives are in the last."""
    rng = np.random.default_rng(0)
    histories = [[(start + step) % N_WARM for step in range(6)] for start in range(N_WARM)] * 4
    validation = queries_of(histories, [(history[-1] + 1) % N_WARM for history in histories], N_ITEMS, rng)
    positives = rng.integers(N_WARM, N_ITEMS, size=len(histories)).tolist()
    queries, answers = queries_of(histories, positives, N_ITEMS, rng)
    return task_of(domain_of(histories, N_ITEMS), validation, folder), queries, answers


def mean(recommender: Recommender, queries: Queries, answers: Answers, metric: Metric) -> float:
    return float(per_user(rank_positive(recommender.score(queries), answers.positive_column), metric).mean())


class SequentialBehaviors:
    """Base class of such tests; a test class inherits it and sets ``recommender`` and ``quick``."""

    recommender: ClassVar[type[Any]]
    quick: ClassVar[dict[str, object]]
    """Parameters that learn the planted successors in a second or two."""

    def fitted(self, task: Task, **params: object) -> Any:
        made = self.recommender(self.recommender.Params(**{**self.quick, **params}))
        made.fit(task)
        return made

    def test_the_successor_of_each_item_is_learned(self, tmp_path: Path) -> None:
        task, queries, answers = planted_successors(tmp_path)
        assert ndcg_at_1(self.fitted(task), queries, answers) >= 0.9

    def test_shuffled_labels_are_scored_at_chance(self, tmp_path: Path) -> None:
        task, queries, answers = planted_successors(tmp_path, n_users=200, shuffled=True)
        by_chance = chance(Metric("ndcg", 1))
        standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
        found = ndcg_at_1(self.fitted(task, epochs=2), queries, answers)
        assert abs(found - by_chance) <= 3.5 * standard_error

    def test_an_item_that_nobody_touched_is_found_by_chance_at_most(self, tmp_path: Path) -> None:
        task, queries, answers = planted_with_cold_items(tmp_path)
        fitted = self.fitted(task)
        assert ndcg_at_1(fitted, task.validation, task.validation_answers) >= 0.9
        for k in (1, 3, 5):
            metric = Metric("ndcg", k)
            by_chance = chance(metric)
            standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
            assert mean(fitted, queries, answers, metric) <= by_chance + 3 * standard_error

    def test_permuting_the_candidates_permutes_the_scores(self, tmp_path: Path) -> None:
        task, queries, _ = planted_successors(tmp_path, n_users=20)
        fitted = self.fitted(task, epochs=1)
        order = np.random.default_rng(0).permutation(30)
        permuted = replace(queries, candidates=queries.candidates[:, order])
        np.testing.assert_allclose(fitted.score(permuted), fitted.score(queries)[:, order], rtol=1e-4, atol=1e-6)

    def test_a_stored_model_is_read_back_and_scores_the_same(self, tmp_path: Path) -> None:
        lines: list[str] = []
        task, queries, _ = planted_successors(tmp_path, n_users=20)
        task = replace(task, progress=lines.append)
        first, second = self.fitted(task, epochs=2), self.fitted(task, epochs=2)
        assert len(lines) == 2
        assert np.array_equal(first.score(queries), second.score(queries))
        assert first.report() == second.report()

    def test_the_same_seed_gives_the_same_scores_and_another_does_not(self, tmp_path: Path) -> None:
        task, queries, _ = planted_successors(tmp_path, n_users=20)
        elsewhere = replace(task, artifacts=ArtifactStore(tmp_path / "elsewhere"))
        scores = self.fitted(task, epochs=2).score(queries)
        assert np.array_equal(scores, self.fitted(elsewhere, epochs=2).score(queries))
        assert not np.allclose(scores, self.fitted(replace(elsewhere, seed=1), epochs=2).score(queries))

    def test_the_facts_of_a_fit_are_stated(self, tmp_path: Path) -> None:
        task, _, _ = planted_successors(tmp_path, n_users=20)
        fitted = self.fitted(task, epochs=1)
        report = fitted.report()
        assert report.training.epochs == 1
        assert report.training.seconds > 0
        assert report.trained_parameters == sum(weights.numel() for weights in fitted.model.parameters())
        assert fitted.deviations()
