from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.bpr import BPR

from bench.metrics import Metric, chance
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_blocks, queries_of, task_of

QUICK = {"batch_size": 64, "learning_rate": 1e-2, "epochs": 8, "patience": 4}


def fitted(folder: Path, **params: object) -> BPR:
    recommender = BPR(BPR.Params(**{**QUICK, **params}))
    recommender.fit(planted_blocks(folder)[0])
    return recommender


def test_zero_vectors_lose_ln_2(tmp_path: Path) -> None:
    recommender = fitted(tmp_path, epochs=0)
    for weights in recommender.model.parameters():
        weights.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(2)] * len(losses), abs=1e-6)


def test_a_preference_for_one_of_two_blocks_is_recovered(tmp_path: Path) -> None:
    task, queries, answers = planted_blocks(tmp_path)
    recommender = BPR(BPR.Params(**QUICK))
    recommender.fit(task)
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path) -> None:
    task, queries, answers = planted_blocks(tmp_path, n_users=200, shuffled=True)
    recommender = BPR(BPR.Params(**QUICK))
    recommender.fit(task)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert ndcg_at_1(recommender, queries, answers) == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_a_score_is_the_dot_product_of_the_users_and_the_items_vector(tmp_path: Path) -> None:
    recommender = fitted(tmp_path, epochs=1)
    queries = planted_blocks(tmp_path)[1]
    users = recommender.model.user_embedding.weight.detach().numpy()[queries.users + 1]
    items = recommender.model.item_embedding.weight.detach().numpy()[queries.candidates + 1]
    np.testing.assert_allclose(recommender.score(queries), np.einsum("nd,ncd->nc", users, items), rtol=1e-5, atol=1e-6)


def test_a_cold_items_score_does_not_depend_on_training_of_items(tmp_path: Path) -> None:
    histories = [[0, 1, 2], [1, 2, 3], [0, 3]]
    validation = queries_of(histories, [4, 5, 4], 40, np.random.default_rng(0))
    task = task_of(domain_of(histories, 40), validation, tmp_path)
    vectors = []
    for epochs in (0, 5):
        recommender = BPR(BPR.Params(epochs=epochs))
        recommender.fit(task)
        vectors.append(recommender.model.item_embedding.weight.detach().clone())
    touched = np.array([1, 2, 3, 4])
    cold = np.setdiff1d(np.arange(1, 41), touched)
    assert torch.equal(vectors[0][cold], vectors[1][cold])
    assert not torch.equal(vectors[0][touched], vectors[1][touched])


def test_weight_decay_shortens_the_vectors(tmp_path: Path) -> None:
    plain, decayed = fitted(tmp_path, epochs=3), fitted(tmp_path, epochs=3, weight_decay=0.1)
    assert decayed.model.item_embedding.weight.norm() < plain.model.item_embedding.weight.norm()


def test_it_has_one_vector_a_user_and_item_and_no_biases(tmp_path: Path) -> None:
    recommender = fitted(tmp_path, epochs=1, dimensions=16)
    assert recommender.report().trained_parameters == (80 + 1 + 60 + 1) * 16


def test_two_seeds_give_two_models(tmp_path: Path) -> None:
    task, queries, _ = planted_blocks(tmp_path)
    scores = []
    for seed in (0, 1):
        recommender = BPR(BPR.Params(epochs=1))
        recommender.fit(replace(task, seed=seed))
        scores.append(recommender.score(queries))
    assert not np.array_equal(scores[0], scores[1])


def test_permuting_the_candidates_permutes_the_scores(tmp_path: Path) -> None:
    recommender, queries = fitted(tmp_path, epochs=1), planted_blocks(tmp_path)[1]
    order = np.random.default_rng(0).permutation(30)
    permuted = replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_a_stored_model_is_read_back_and_scores_the_same(tmp_path: Path) -> None:
    lines: list[str] = []
    task, queries, _ = planted_blocks(tmp_path)
    task = replace(task, progress=lines.append)
    first, second = BPR(BPR.Params(**{**QUICK, "epochs": 2})), BPR(BPR.Params(**{**QUICK, "epochs": 2}))
    for recommender in (first, second):
        recommender.fit(task)
    assert len(lines) == 2
    assert np.array_equal(first.score(queries), second.score(queries))


def test_the_way_of_training_is_told_as_a_departure(tmp_path: Path) -> None:
    assert "with replacement" in fitted(tmp_path, epochs=0).deviations()[0]


def test_it_is_registered() -> None:
    assert registry().recommender("bpr") is BPR
