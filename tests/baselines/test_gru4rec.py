from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.gru4rec import GRU4Rec
from bench.baselines.recbole_models.dataset import interaction
from bench.baselines.recbole_models.shortcuts import vectors_of_all_positions
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH

from bench.learning.sequences import windows
from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, planted_successors, queries_of, task_of
from tests.support.sequential_behaviors import SequentialBehaviors


class TestBehavior(SequentialBehaviors):
    recommender = GRU4Rec
    quick = {"batch_size": 16, "learning_rate": 1e-2, "max_length": 12, "epochs": 6}  # noqa: RUF012


def untrained(task: Task, **params: object) -> GRU4Rec:
    recommender = GRU4Rec(GRU4Rec.Params(**{"epochs": 0, "max_length": 12, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=20)[0]


def test_the_recurrent_layer_has_73728_weights_and_the_linear_one_8256(task: Task) -> None:
    model = untrained(task).model
    counts = [sum(weights.numel() for weights in part.parameters()) for part in (model.gru_layers, model.dense)]
    assert counts == [73_728, 8_256]
    assert untrained(task).report().trained_parameters == (60 + 1) * 64 + 73_728 + 8_256


def test_padding_after_the_last_item_changes_nothing(task: Task) -> None:
    model = untrained(task).model
    items = torch.arange(1, 7)[None]
    padded = torch.nn.functional.pad(items, (0, 6))
    assert torch.equal(model(items, torch.tensor([6])), model(padded, torch.tensor([6])))


def test_zero_embeddings_lose_the_logarithm_of_the_catalogue_and_its_padding(task: Task) -> None:
    recommender = untrained(task)
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(task.target.n_items + 1)] * len(losses), abs=1e-5)


def test_all_positions_at_once_lose_what_one_prefix_at_a_time_does(task: Task) -> None:
    recommender = untrained(task)
    sequences = windows(task.target, 12)
    rows = np.arange(len(sequences))
    at_once = recommender.learner.loss(*recommender.learner.encode(sequences, rows), np.random.default_rng(0))
    losses = []
    for user in range(task.target.n_users):
        history = torch.from_numpy(task.target.history(user).astype(np.int64) + 1)
        for end in range(1, len(history)):
            columns = {ITEMS: history[None, :end], LENGTH: torch.tensor([end]), ITEM: history[[end]]}
            losses.append(recommender.model.calculate_loss(interaction(**columns)).detach())
    assert at_once.item() == pytest.approx(float(torch.stack(losses).mean()), abs=1e-5)


def test_a_later_item_changes_no_earlier_position(task: Task) -> None:
    model = untrained(task).model
    items = torch.arange(1, 11)[None]
    changed = items.clone()
    changed[0, 6] = 40
    before, after = (vectors_of_all_positions(model, each, torch.tensor([10])) for each in (items, changed))
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.isclose(before[:, 6:], after[:, 6:]).all(dim=-1).any()


def test_a_score_is_the_dot_product_of_the_last_vector_and_the_items_embedding(tmp_path: Path) -> None:
    task, queries, _ = planted_successors(tmp_path, n_users=20)
    recommender = untrained(task)
    scores = recommender.score(queries)
    history = torch.from_numpy(queries.history(7)[-12:].astype(np.int64) + 1)[None]
    with torch.no_grad():
        vector = recommender.model(history, torch.tensor([history.shape[1]]))[0].numpy()
    items = recommender.model.item_embedding.weight.detach().numpy()[queries.candidates[7] + 1]
    np.testing.assert_allclose(scores[7], items @ vector, rtol=1e-4, atol=1e-6)


def test_an_item_that_nobody_touched_is_no_class_of_the_softmax_and_keeps_its_embedding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    task = task_of(domain_of(histories, 50), queries_of(histories, [4, 0, 2], 50, rng), tmp_path)
    fresh = untrained(task)
    fresh.model.item_embedding.weight.data.zero_()
    assert [loss.item() for loss in fresh.learner.losses(rng)] == pytest.approx([math.log(5 + 1)], abs=1e-5)
    before, after = (untrained(task, epochs=n, weight_decay=0.1).model.item_embedding.weight for n in (0, 3))
    assert torch.equal(before[6:], after[6:])
    assert not torch.isclose(before[1:6], after[1:6]).all(dim=1).any()


def test_it_trains_every_position_and_cuts_padding(task: Task) -> None:
    shortcuts = untrained(task).report().extra["shortcuts"]
    assert shortcuts == {"cuts_padding": True, "scores_by_dot": True, "trains_every_position": True}


def test_it_is_registered() -> None:
    assert registry().recommender("gru4rec") is GRU4Rec
    assert registry().entry("gru4rec").family == "sequential"
