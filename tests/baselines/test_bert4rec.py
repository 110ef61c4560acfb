from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.bert4rec import BERT4Rec, whole_windows
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.dataset import interaction

from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, planted_successors, queries_of, task_of
from tests.support.sequential_behaviors import SequentialBehaviors, planted_with_cold_items


class TestBehavior(SequentialBehaviors):
    recommender = BERT4Rec
    # Short windows: where all histories are about as long, the last positions of longer ones were never trained.
    quick = {"batch_size": 16, "dropout": 0.1, "max_length": 4, "epochs": 5, "copies": 6}  # noqa: RUF012


def untrained(task: Task, **params: object) -> BERT4Rec:
    recommender = BERT4Rec(BERT4Rec.Params(**{"epochs": 0, "max_length": 12, "copies": 1, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=20)[0]


def biased(recommender: BERT4Rec) -> BERT4Rec:
    torch.nn.init.normal_(recommender.model.output_bias, generator=torch.Generator().manual_seed(0))
    return recommender


# The loss


def recboles_loss(recommender: BERT4Rec, items: np.ndarray, chosen: np.ndarray) -> float:
    """RecBole's own loss of these masks, on sequences padded to the full length."""
    model = recommender.model
    width = recommender.params.max_length + 1
    seen, masked, index, positives = (np.zeros((len(items), width), dtype=np.int64) for _ in range(4))
    seen[:, : items.shape[1]] = items
    masked[:, : items.shape[1]] = np.where(chosen, model.mask_token, items)
    for row in range(len(items)):
        places = np.flatnonzero(chosen[row])
        index[row, : len(places)] = places
        positives[row, : len(places)] = seen[row, places]
    model.MASK_ITEM_SEQ, model.POS_ITEMS, model.NEG_ITEMS, model.MASK_INDEX = "masked", "positive", "negative", "index"
    columns = {"masked": masked, "positive": positives, "negative": positives, "index": index}
    batch = interaction(**{name: torch.from_numpy(column) for name, column in columns.items()})
    return zoo.model_class("BERT4Rec").calculate_loss(model, batch).item()


def test_the_loss_is_recboles_at_the_masked_positions_however_far_it_is_padded(task: Task) -> None:
    recommender = biased(untrained(task))
    histories = whole_windows(task.target, 12)
    rows = np.arange(len(histories))
    items = histories.padded(rows)
    chosen = (np.random.default_rng(0).random(items.shape) < 0.4) & (items > 0)
    chosen[:, 0] = False  # RecBole passes over the first position
    ours = recommender.learner.masked_loss(items, chosen)
    assert ours.item() == pytest.approx(recboles_loss(recommender, items, chosen), abs=1e-5)


def test_a_masked_first_position_counts(task: Task) -> None:
    recommender = biased(untrained(task))
    items = np.array([[5, 6, 7], [9, 10, 0]])
    chosen = np.array([[True, False, False], [True, False, False]])
    with torch.no_grad():
        vectors = recommender.model(torch.tensor([[61, 6, 7], [61, 10, 0]]))[:, 0]
        logits = vectors @ recommender.model.item_embedding.weight[:61].T + recommender.model.output_bias
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([5, 9]))
    assert recommender.learner.masked_loss(items, chosen).item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_gradient_is_that_of_the_full_softmax(task: Task) -> None:
    model = untrained(task).model
    learner = untrained(task).learner
    vectors, targets = torch.randn(7, 64, requires_grad=True), torch.arange(3, 10)
    embedding, bias = learner.model.item_embedding.weight, learner.model.output_bias
    learner.cross_entropy(vectors, targets).backward()
    fused = [vectors.grad.clone(), embedding.grad.clone(), bias.grad.clone()]
    vectors.grad = embedding.grad = bias.grad = None
    torch.nn.functional.cross_entropy(vectors @ embedding[: model.n_items].T + bias, targets).backward()
    for one, other in zip(fused, (vectors.grad, embedding.grad, bias.grad), strict=True):
        torch.testing.assert_close(one, other)


def test_zero_embeddings_lose_the_logarithm_of_the_catalogue_and_its_padding(task: Task) -> None:
    recommender = untrained(task)
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(task.target.n_items + 1)] * len(losses), abs=1e-5)


# What is masked


def drawn(task: Task, **params: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    learner = untrained(task, **params).learner
    items = np.tile(np.arange(1, 11), (4000, 1))
    items[2000:, 4:] = 0
    seen, chosen = learner.masked(items, (items > 0).sum(axis=1), np.random.default_rng(0))
    return items, seen, chosen


def test_each_item_is_masked_with_the_same_probability_the_first_and_last_too(task: Task) -> None:
    items, seen, chosen = drawn(task, last_only_share=0.0)
    assert np.array_equal(seen, items)
    assert chosen.any(axis=1).all()
    assert not chosen[items == 0].any()
    shares = chosen[:2000].mean(axis=0)
    expected = 0.2 + 0.8**10 / 10  # where none is drawn, one is
    np.testing.assert_allclose(shares, expected, atol=4 * math.sqrt(expected / 2000))


def test_a_last_item_example_masks_the_end_of_a_prefix_of_any_length_from_two(task: Task) -> None:
    items, seen, chosen = drawn(task, last_only_share=1.0)
    lengths = (seen > 0).sum(axis=1)
    assert (chosen.sum(axis=1) == 1).all()
    assert np.array_equal(chosen.argmax(axis=1), lengths - 1)
    assert np.array_equal(seen, np.where(np.arange(10) < lengths[:, None], items, 0))
    assert set(lengths[:2000]) == set(range(2, 11))
    assert set(lengths[2000:]) == {2, 3, 4}


def test_half_of_the_copies_mask_the_last_item_of_a_prefix(task: Task) -> None:
    items, seen, _ = drawn(task)
    shortened = (seen > 0).sum(axis=1)[:2000] < 10
    assert shortened.mean() == pytest.approx(0.5 * 8 / 9, abs=0.05)
    assert items.shape == seen.shape


def test_an_epoch_shows_every_history_as_often_as_there_are_copies(task: Task) -> None:
    recommender = untrained(task, copies=3, batch_size=8)
    assert len(list(recommender.learner.losses(np.random.default_rng(0)))) == 3 * math.ceil(20 / 8)


def test_windows_hold_every_item_the_last_of_a_history_too() -> None:
    domain = domain_of([list(range(9)), [7, 8], [5]], 10)
    histories = whole_windows(domain, max_length=3)
    cut = [set(row[row > 0] - 1) for row in histories.padded(np.arange(len(histories)))]
    assert set().union(*cut[:-1]) == set(range(9))
    assert cut[-1] == {7, 8}
    assert histories.lengths.max() == 4


# The model


def test_an_item_changes_the_positions_before_it(task: Task) -> None:
    model = untrained(task).model
    items = torch.arange(1, 11)[None]
    changed = items.clone()
    changed[0, 6] = 40
    everywhere = torch.ones_like(items, dtype=torch.bool)
    with torch.no_grad():
        before, after = (model.vectors_at(each, everywhere) for each in (items, changed))
    assert not torch.isclose(before, after, atol=1e-7).all(dim=1).any()


def test_padding_changes_nothing(task: Task) -> None:
    model = untrained(task).model
    items = torch.tensor([[1, 2, model.mask_token]])
    padded = torch.nn.functional.pad(items, (0, 10))
    with torch.no_grad():
        cut, whole = (model.vectors_at(each, each == model.mask_token) for each in (items, padded))
    torch.testing.assert_close(cut, whole, rtol=1e-5, atol=1e-6)


def test_the_mask_comes_after_all_ids_and_is_never_a_candidate(tmp_path: Path) -> None:
    task, queries, _ = planted_successors(tmp_path, n_users=20)
    model = untrained(task).model
    assert model.mask_token == model.n_items == task.target.n_items + 1
    assert model.item_embedding.num_embeddings == model.n_items + 1
    assert queries.candidates.max() + 1 < model.mask_token
    batch = interaction(item_id_list=torch.tensor([[3, 4]]), item_length=torch.tensor([2]))
    assert model.full_sort_predict(batch).shape == (1, model.n_items)


def test_a_score_is_read_at_a_mask_after_the_last_item_and_none_is_dropped(tmp_path: Path) -> None:
    histories = [[3], [3, 9], [int(item) for item in np.random.default_rng(0).permutation(60)[:20]]]
    queries, answers = queries_of(histories, [40, 41, 43], 60, np.random.default_rng(0))
    task = task_of(domain_of([list(range(60))], 60), (queries, answers), tmp_path)
    recommender = biased(untrained(task))
    scores = recommender.score(queries)
    for query, history in enumerate(histories):
        read = torch.tensor([*history[-12:], recommender.model.mask_token - 1])[None] + 1
        with torch.no_grad():
            vector = recommender.model(read)[0, -1].numpy()
        ids = queries.candidates[query] + 1
        embeddings, biases = (
            weights.detach().numpy()[ids]
            for weights in (recommender.model.item_embedding.weight, recommender.model.output_bias)
        )
        np.testing.assert_allclose(scores[query], embeddings @ vector + biases, rtol=1e-4, atol=1e-5)


def test_an_item_that_nobody_touched_keeps_its_embedding_and_has_the_lowest_bias(tmp_path: Path) -> None:
    task = planted_with_cold_items(tmp_path)[0]
    fresh, trained = untrained(task), untrained(task, epochs=1, batch_size=16)
    cold = np.arange(46, 61)
    before, after = (made.model.item_embedding.weight for made in (fresh, trained))
    assert torch.equal(before[cold], after[cold])
    assert not torch.isclose(before[1:46], after[1:46]).all(dim=1).any()
    biases = trained.model.biases().detach().numpy()
    assert np.all(biases[cold] == trained.model.output_bias.detach().numpy()[1:46].min())
    assert np.array_equal(biases[1:46], trained.model.output_bias.detach().numpy()[1:46])
    fresh.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in fresh.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(45 + 1)] * len(losses), abs=1e-5)


def test_it_cuts_padding(task: Task) -> None:
    assert untrained(task).report().extra["shortcuts"]["cuts_padding"]


def test_it_is_registered() -> None:
    assert registry().recommender("bert4rec") is BERT4Rec
    assert registry().entry("bert4rec").family == "sequential"
