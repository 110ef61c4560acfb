from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.recbole_models.dataset import interaction
from bench.baselines.recbole_models.shortcuts import vectors_of_all_positions
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH
from bench.baselines.sasrec import SASRec
from torch.nn.functional import cross_entropy

from bench.learning.sequences import windows
from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of
from tests.support.sequential_behaviors import SequentialBehaviors

QUICK = {"batch_size": 16, "learning_rate": 5e-3, "dropout": 0.2, "max_length": 12, "epochs": 3}


class TestBehavior(SequentialBehaviors):
    recommender = SASRec
    quick = QUICK


def untrained(task: Task, **params: object) -> SASRec:
    recommender = SASRec(SASRec.Params(**{"epochs": 0, "max_length": 12, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=20)[0]


def test_the_successor_of_each_item_is_learned_by_the_papers_binary_loss_too(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path)
    recommender = SASRec(SASRec.Params(**{**QUICK, "loss": "bce", "epochs": 12}))
    recommender.fit(task)
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


def test_all_positions_at_once_lose_what_one_prefix_at_a_time_does(task: Task) -> None:
    recommender = untrained(task)
    learner, model = recommender.learner, recommender.model
    sequences = windows(task.target, 12)
    rows = np.arange(len(sequences))
    at_once = learner.loss(*learner.encode(sequences, rows), np.random.default_rng(0))
    losses = []
    for user in range(task.target.n_users):
        history = task.target.history(user).astype(np.int64) + 1
        for end in range(1, len(history)):
            prefix, target = torch.from_numpy(history[None, :end]), torch.from_numpy(history[[end]])
            batch = interaction(**{ITEMS: prefix, LENGTH: torch.tensor([end]), ITEM: target})
            losses.append(model.calculate_loss(batch).detach())
    assert at_once.item() == pytest.approx(float(torch.stack(losses).mean()), abs=1e-5)


def test_cutting_a_batch_into_groups_of_similar_length_leaves_its_loss(task: Task) -> None:
    recommender = untrained(task)
    learner, model = recommender.learner, recommender.model
    sequences = windows(task.target, 12)
    rows = np.arange(len(sequences))
    grouped = learner.loss(*learner.encode(sequences, rows), np.random.default_rng(0))
    items, following = (torch.from_numpy(sequences.padded(rows, 12, shift)) for shift in (0, 1))
    vectors = vectors_of_all_positions(model, items, torch.from_numpy(sequences.lengths))[items > 0]
    padded = cross_entropy(vectors @ model.item_embedding.weight.T, following[items > 0])
    assert grouped.item() == pytest.approx(padded.item(), abs=1e-5)


def test_a_later_item_changes_no_earlier_position(task: Task) -> None:
    model = untrained(task).model
    items = torch.arange(1, 11)[None]
    changed = items.clone()
    changed[0, 6] = 40
    before, after = (vectors_of_all_positions(model, each, torch.tensor([10])) for each in (items, changed))
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.isclose(before[:, 6:], after[:, 6:]).all(dim=-1).any()


def test_zero_embeddings_lose_the_logarithm_of_the_catalogue(task: Task) -> None:
    recommender = untrained(task)
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(task.target.n_items + 1)] * len(losses), abs=1e-5)


def test_an_item_that_nobody_touched_is_no_class_of_the_softmax_and_keeps_its_embedding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    task = task_of(domain_of(histories, 50), queries_of(histories, [4, 0, 2], 50, rng), tmp_path)
    fresh = untrained(task)
    fresh.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in fresh.learner.losses(rng)]
    assert losses == pytest.approx([math.log(5 + 1)], abs=1e-5)
    before, after = (untrained(task, epochs=epochs).model.item_embedding.weight for epochs in (0, 3))
    assert torch.equal(before[6:], after[6:])
    assert not torch.isclose(before[1:6], after[1:6]).all(dim=1).any()


def test_the_binary_loss_of_zero_logits_is_two_ln_2(task: Task) -> None:
    recommender = untrained(task, loss="bce")
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([2 * math.log(2)] * len(losses), abs=1e-6)


def test_a_layer_has_49984_parameters(task: Task) -> None:
    layer = untrained(task).model.trm_encoder.layer[0]
    assert sum(weights.numel() for weights in layer.parameters()) == 49_984


def test_a_score_is_the_dot_product_of_the_last_vector_and_the_items_embedding(tmp_path: Path) -> None:
    task, queries, _ = planted_successors(tmp_path)
    recommender = untrained(task)
    scores = recommender.score(queries)
    for query in (0, 17):
        history = torch.from_numpy(queries.history(query)[-12:].astype(np.int64) + 1)[None]
        with torch.no_grad():
            vector = recommender.model(history, torch.tensor([history.shape[1]]))[0].numpy()
        items = recommender.model.item_embedding.weight.detach().numpy()[queries.candidates[query] + 1]
        np.testing.assert_allclose(scores[query], items @ vector, rtol=1e-4, atol=1e-6)


def test_only_the_last_items_of_a_long_history_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[int(item) for item in rng.permutation(60)[:20]] for _ in range(6)]
    positives = [int(np.setdiff1d(np.arange(60), history)[0]) for history in histories]
    queries, answers = queries_of(histories, positives, 60, rng)
    shortened = [history[-12:] for history in histories]
    short, _ = queries_of(shortened, positives, 60, np.random.default_rng(0))
    recommender = untrained(task_of(domain_of(histories, 60), (queries, answers), tmp_path))
    same_candidates = type(queries)(short.users, short.history_indptr, short.history_items, queries.candidates)
    np.testing.assert_allclose(recommender.score(queries), recommender.score(same_candidates), rtol=1e-5, atol=1e-6)


def test_it_trains_every_position_and_cuts_padding(task: Task) -> None:
    shortcuts = untrained(task).report().extra["shortcuts"]
    assert shortcuts == {"cuts_padding": True, "scores_by_dot": True, "trains_every_position": True}


def test_cross_entropy_is_told_as_a_departure_and_the_papers_loss_is_not(task: Task) -> None:
    by_loss = {loss: untrained(task, loss=loss).deviations() for loss in ("ce", "bce")}
    assert any("instead of the binary loss" in sentence for sentence in by_loss["ce"])
    assert by_loss["ce"][:-1] == by_loss["bce"] != []


def test_it_is_registered() -> None:
    assert registry().recommender("sasrec") is SASRec
