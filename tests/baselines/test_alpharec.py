from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines import alpharec
from bench.baselines.alpharec import AlphaRec, sampled_softmax_loss
from torch.nn.functional import normalize

from bench.learning.interaction_graph import Graph, touched, untouched
from bench.metrics import Metric, chance
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_blocks, queries_of, task_of
from tests.support.text_toys import NOUNS

QUICK = {"learning_rate": 1e-2, "batch_size": 256, "epochs": 20, "patience": 20, "hidden": 32, "dimensions": 16}


@pytest.fixture
def blocks(tmp_path: Path, pico_encoder_folder: Path):
    """Two blocks of items and users; the titles are nouns whose vectors know nothing of the blocks.

    The histories of the queries are the training ones: the planted ones would name the positive.
    """

    def make(**options: object) -> tuple[Task, Queries, Answers]:
        task, queries, answers = planted_blocks(tmp_path, **options)
        nouns = [NOUNS[noun] for noun in np.random.default_rng(1).permutation(len(NOUNS))]
        domain = replace(task.target, titles=tuple(nouns))
        task = replace(task, target=domain, backbone=str(pico_encoder_folder))
        return replace(task, validation=trained_on(task, task.validation)), trained_on(task, queries), answers

    return make


def trained_on(task: Task, queries: Queries) -> Queries:
    return replace(queries, history_indptr=task.target.indptr, history_items=task.target.items)


def fitted(task: Task, **params: object) -> AlphaRec:
    recommender = AlphaRec(AlphaRec.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


def mapped(recommender: AlphaRec, vectors: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        hidden = recommender.model.first(vectors)
        return recommender.model.last(torch.where(hidden > 0, hidden, 0.01 * hidden))


@pytest.mark.parametrize("layers", [0, 2])
def test_a_preference_for_one_of_two_blocks_is_learned_from_titles_that_do_not_tell_it(blocks, layers: int) -> None:
    task, queries, answers = blocks()
    assert ndcg_at_1(fitted(task, layers=0, epochs=0), queries, answers) <= 0.3
    assert ndcg_at_1(fitted(task, layers=layers), queries, answers) >= 0.8


def test_shuffled_labels_are_scored_at_chance(blocks) -> None:
    task, queries, answers = blocks(n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    reached = ndcg_at_1(fitted(task, epochs=5), queries, answers)
    assert reached == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_without_layers_items_and_users_are_what_the_map_gives(blocks) -> None:
    task, _, _ = blocks()
    recommender = fitted(task, epochs=0, layers=0)
    titles = recommender.model.titles
    means = torch.stack([titles[task.target.history(user).astype(np.int64)].mean(0) for user in range(80)])
    users, items = recommender.model.encode()
    torch.testing.assert_close(items, normalize(mapped(recommender, titles), dim=1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(users, normalize(mapped(recommender, means), dim=1), rtol=1e-4, atol=1e-6)


def test_the_linear_map_is_one_matrix_without_bias(blocks) -> None:
    task, _, _ = blocks()
    recommender = fitted(task, epochs=0, layers=0, map="linear")
    (weight,) = recommender.model.parameters()
    _, items = recommender.model.encode()
    torch.testing.assert_close(items, normalize(recommender.model.titles @ weight.T, dim=1), rtol=1e-4, atol=1e-6)


def test_two_layers_are_the_printed_propagation(blocks) -> None:
    task, _, _ = blocks()
    recommender = fitted(task, epochs=0)
    adjacency = recommender.histories.toarray().astype(np.float64)
    user_degrees, item_degrees = adjacency.sum(1), np.maximum(adjacency.sum(0), 1)
    weights = torch.from_numpy(adjacency / np.sqrt(user_degrees[:, None] * item_degrees)).float()
    means = torch.from_numpy(adjacency / user_degrees[:, None]).float() @ recommender.model.titles
    users, items = [mapped(recommender, means)], [mapped(recommender, recommender.model.titles)]
    for _ in range(2):
        passed = weights @ items[-1]
        items.append(weights.T @ users[-1])
        users.append(passed)
    for layers, made in zip((users, items), recommender.model.encode(), strict=True):
        torch.testing.assert_close(made, normalize(sum(layers), dim=1), rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_sparse_products_is_that_of_dense_ones() -> None:
    histories = touched(np.array([0, 2, 3, 6]), np.array([0, 1, 1, 2, 3, 0], dtype=np.int32), 5)
    graph = Graph(histories, np.maximum(histories.sum(axis=0), 1), "cpu")
    generator = torch.Generator().manual_seed(0)
    items, upstream = torch.randn(5, 3, generator=generator, requires_grad=True), torch.randn(3, 3, generator=generator)
    dense = torch.from_numpy(histories.toarray())
    weights = dense / (dense.sum(1, keepdim=True) * dense.sum(0).clamp(min=1)).sqrt()
    torch.testing.assert_close(graph.to_users(items), weights @ items)
    torch.testing.assert_close(graph.to_items(upstream), weights.T @ upstream)
    (gradient,) = torch.autograd.grad(graph.to_users(items), items, upstream)
    torch.testing.assert_close(gradient, weights.T @ upstream)
    (gradient,) = torch.autograd.grad(graph.mean_of(items), items, upstream)
    torch.testing.assert_close(gradient, (dense / dense.sum(1, keepdim=True)).T @ upstream)


def test_permuting_the_users_permutes_their_vectors_and_leaves_the_items(blocks, tmp_path: Path) -> None:
    task, _, _ = blocks()
    order = np.random.default_rng(0).permutation(task.target.n_users)
    histories = [task.target.history(user).tolist() for user in order]
    permuted = replace(domain_of(histories, task.target.n_items), titles=task.target.titles)
    users, items = fitted(task, epochs=0).model.encode()
    permuted_users, permuted_items = fitted(replace(task, target=permuted), epochs=0).model.encode()
    torch.testing.assert_close(permuted_users, users[order], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(permuted_items, items, rtol=1e-4, atol=1e-6)


def test_equal_vectors_lose_ln_257_whatever_was_touched(blocks) -> None:
    recommender = fitted(blocks()[0], epochs=0)
    recommender.model.last.weight.data.zero_()
    recommender.model.last.bias.data.fill_(1)
    losses = [loss.item() for loss in recommender.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(257)] * len(losses), abs=1e-4)


def test_a_refused_negative_is_made_up_for_by_the_others() -> None:
    wanted, unwanted = torch.tensor([[0.5]]), torch.tensor([[0.1, 9.0, 0.3, 0.2]])
    allowed = torch.tensor([[True, False, True, True]])
    others = math.exp(0.1) + math.exp(0.3) + math.exp(0.2)
    expected = math.log(math.exp(0.5) + others * 4 / 3) - 0.5
    assert sampled_softmax_loss(wanted, unwanted, allowed).item() == pytest.approx(expected, abs=1e-6)


def test_the_allowed_negatives_are_those_that_a_history_lacks() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9, size=100)
    items = rng.integers(20, size=lengths.sum()).astype(np.int32)
    histories = touched(np.concatenate([[0], np.cumsum(lengths)]), items, 20)
    negatives = np.sort(rng.integers(20, size=(2, 30)))  # each item is drawn more than once
    allowed = untouched(histories, negatives, alpharec.ROWS_SHARING_NEGATIVES)
    for row in range(100):
        history = np.flatnonzero(histories[[row]].toarray()[0])
        assert np.array_equal(allowed[row], ~np.isin(negatives[row // alpharec.ROWS_SHARING_NEGATIVES], history))


def test_the_vector_of_a_training_history_is_the_trained_users(blocks) -> None:
    task, queries, _ = blocks()
    recommender = fitted(task, epochs=2)
    users, items = recommender.model.encode()
    expected = torch.einsum("nd,ncd->nc", users, items[torch.from_numpy(queries.candidates.astype(np.int64))])
    np.testing.assert_allclose(recommender.score(queries), expected.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_a_user_without_training_items_is_scored_by_the_history_given(blocks) -> None:
    task, queries, _ = blocks()
    shorter = task.target.keeping(task.target.users_of_interactions() != 7)
    seven, eight = (queries.take(np.array([user])) for user in (7, 8))
    for user_vector in ("query", "training"):
        recommender = fitted(replace(task, target=shorter), epochs=2, user_vector=user_vector)
        other = replace(eight, history_indptr=seven.history_indptr, history_items=seven.history_items)
        as_eight = recommender.score(replace(other, candidates=seven.candidates))
        assert np.allclose(recommender.score(seven), as_eight, atol=1e-6) == (user_vector == "query")
        assert np.ptp(recommender.score(seven)) > 0.1


def test_a_users_training_items_can_stand_for_the_querys_history(blocks) -> None:
    task, queries, _ = blocks()
    nothing = replace(queries, history_indptr=np.arange(81), history_items=np.zeros(80, dtype=np.int32))
    recommender = fitted(task, epochs=2, user_vector="training")
    np.testing.assert_allclose(recommender.score(nothing), recommender.score(queries), rtol=1e-5, atol=1e-6)


def test_a_cold_items_vector_is_its_mapped_title(tmp_path: Path, pico_encoder_folder: Path) -> None:
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    validation = queries_of(histories, [4, 0, 2], 60, np.random.default_rng(0))
    domain = replace(domain_of(histories, 60), titles=tuple(NOUNS))
    recommender = fitted(replace(task_of(domain, validation, tmp_path), backbone=str(pico_encoder_folder)), epochs=3)
    _, items = recommender.model.encode()
    alone = normalize(mapped(recommender, recommender.model.titles), dim=1)
    torch.testing.assert_close(items[5:], alone[5:], rtol=1e-4, atol=1e-6)
    assert not torch.isclose(items[:5], alone[:5], atol=1e-3).all(dim=1).any()


def test_a_cold_item_is_never_a_negative(tmp_path: Path, pico_encoder_folder: Path, monkeypatch) -> None:
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    validation = queries_of(histories, [4, 0, 2], 60, np.random.default_rng(0))
    domain = replace(domain_of(histories, 60), titles=tuple(NOUNS))
    recommender = fitted(replace(task_of(domain, validation, tmp_path), backbone=str(pico_encoder_folder)), epochs=0)
    drawn: list[torch.Tensor] = []
    monkeypatch.setattr(recommender.model, "loss", lambda *batch: drawn.append(batch[2]) or torch.zeros(()))
    list(recommender.losses(np.random.default_rng(0)))
    assert set(torch.cat(drawn).unique().tolist()) == {0, 1, 2, 3, 4}


def test_an_item_without_a_title_and_an_empty_history_have_scores(blocks) -> None:
    task, queries, _ = blocks()
    untitled = replace(task.target, titles=("", *task.target.titles[1:]))
    empty = replace(queries, history_indptr=np.zeros(81, np.int64), history_items=np.empty(0, np.int32))
    for map_ in ("mlp", "linear"):
        recommender = fitted(replace(task, target=untitled), epochs=1, map=map_)
        assert np.isfinite(recommender.score(queries)).all()
        assert np.isfinite(recommender.score(empty)).all()


def test_permuting_candidates_permutes_scores(blocks) -> None:
    task, queries, _ = blocks()
    recommender = fitted(task, epochs=1)
    order = np.random.default_rng(0).permutation(30)
    permuted = recommender.score(replace(queries, candidates=queries.candidates[:, order]))
    np.testing.assert_allclose(permuted, recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_scoring_in_parts_changes_nothing(blocks, monkeypatch) -> None:
    task, queries, _ = blocks()
    recommender = fitted(task, epochs=1)
    whole = recommender.score(queries)
    monkeypatch.setattr(alpharec, "QUERIES_AT_ONCE", 40)
    np.testing.assert_allclose(recommender.score(queries), whole, rtol=1e-5, atol=1e-6)


def test_a_model_is_trained_once_and_scores_the_same_when_read_back(blocks, monkeypatch) -> None:
    task, queries, _ = blocks()
    first = fitted(task, epochs=2)
    monkeypatch.setattr(AlphaRec, "losses", lambda *_: pytest.fail("trained again"))
    second = fitted(task, epochs=2)
    assert np.array_equal(first.score(queries), second.score(queries))
    assert second.record == first.record


def test_the_same_seed_gives_the_same_scores_and_another_seed_others(blocks, tmp_path: Path) -> None:
    task, queries, _ = blocks()
    stores = [replace(task.artifacts, root=tmp_path / name) for name in ("a", "b", "c")]
    scores = [
        fitted(replace(task, artifacts=store, seed=seed), epochs=2).score(queries)
        for store, seed in zip(stores, (0, 0, 1), strict=True)
    ]
    assert np.array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_its_record_states_size_training_cold_rule_and_deviations(blocks) -> None:
    task, _, _ = blocks()
    recommender = fitted(task, epochs=2)
    report = recommender.report()
    assert report.trained_parameters == (32 * 32 + 32) + (32 * 16 + 16)
    assert report.training.epochs == 2
    assert report.extra["edges"] == task.target.n_interactions
    assert recommender.deviations()


def test_it_is_registered() -> None:
    assert registry().recommender("alpharec") is AlphaRec
    entry = registry().entry("alpharec")
    assert (entry.needs_titles, entry.needs_backbone, entry.needs_sources) == (True, True, False)
