from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bench.baselines.text_linear
import numpy as np
import pytest
from bench.baselines.text_linear import TextLinear, TextLinearParams

from bench.files.store import ArtifactStore
from bench.lm.encoders.towers import tower_scores
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Task
from bench.protocol.task import PreparedTask, prepare_task
from bench.spec import ProtocolSpec
from tests.support.text_toys import planted_groups

N_GROUPS = 6
SMALL = {"batch_size": 64, "n_negatives": 16, "warmup_steps": 4, "learning_rate": 1e-2}


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedTask:
    """Histories within groups of ten items."""
    return prepare_task(planted_groups(240, touched=10), ProtocolSpec("toy"), ArtifactStore(tmp_path))


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch, prepared: PreparedTask) -> np.ndarray:
    """Title vectors in which only the first six of 26 numbers tell an item's group, and weakly."""
    domain = prepared.domain
    group = np.zeros(domain.n_items, dtype=np.int64)
    for user in range(domain.n_users):
        group[domain.history(user)] = user % N_GROUPS
    noise = np.random.default_rng(0).normal(size=(domain.n_items, 20))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    made = np.concatenate([0.4 * np.eye(N_GROUPS)[group], noise], axis=1).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    monkeypatch.setattr(bench.baselines.text_linear, "title_vectors", lambda *_: made)
    return made


@pytest.fixture
def fitted(prepared: PreparedTask, vectors: np.ndarray, tmp_path: Path) -> Callable[..., TextLinear]:
    def fit(**params: float) -> TextLinear:
        recommender = TextLinear(TextLinearParams(**{**SMALL, **params}))
        recommender.fit(
            Task(
                target=prepared.training,
                validation=prepared.validation.queries,
                validation_answers=prepared.validation.answers,
                setting="warm",
                seed=0,
                artifacts=ArtifactStore(tmp_path),
                backbone="minilm",
            )
        )
        return recommender

    return fit


def test_untrained_it_scores_as_the_nearest_title(
    fitted: Callable[..., TextLinear], prepared: PreparedTask, vectors: np.ndarray
) -> None:
    scores = fitted(epochs=0).score(prepared.test.queries)
    np.testing.assert_allclose(scores, tower_scores(vectors, prepared.test.queries), rtol=1e-5, atol=1e-6)


def test_it_finds_the_part_of_the_vectors_that_tells(
    fitted: Callable[..., TextLinear], prepared: PreparedTask, vectors: np.ndarray
) -> None:
    def figure(scores: np.ndarray) -> float:
        return float(per_user(rank_positive(scores, prepared.test.answers.positive_column), Metric("ndcg", 1)).mean())

    trained = fitted(epochs=12)
    assert figure(tower_scores(vectors, prepared.test.queries)) < 0.7
    assert figure(trained.score(prepared.test.queries)) > 0.85
    report = trained.report()
    assert report.trained_parameters == 26 * 26 + 1
    assert report.training is not None
    assert report.training.ended in ("converged", "rising", "budget")
    assert len(report.training.epoch_of_check) == len(report.training.curves["validation_ndcg@3"])


def test_the_weights_are_found_again(fitted: Callable[..., TextLinear], monkeypatch: pytest.MonkeyPatch) -> None:
    first = fitted(epochs=2)
    monkeypatch.setattr(TextLinear, "training", lambda *_: pytest.fail("trained again"))
    again = fitted(epochs=2)
    np.testing.assert_array_equal(first.model.table(), again.model.table())
    assert first.log == again.log
