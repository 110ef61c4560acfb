from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.transferable.model import Batch, SequenceEncoder, mixed
from bench.baselines.unisrec import GatedWhitening, UniSRec, UniSRecModel, UniSRecParams, with_words_dropped

from bench.errors import BenchError
from bench.files.store import read_json
from bench.metrics import Metric, chance
from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import ndcg_at_1
from tests.support.transferable_toy import N_ITEMS, N_STEPS, cold_steps, planted_titles, source

QUICK = {
    "dimensions": 32,
    "inner_dimensions": 32,
    "dropout": 0.1,
    "max_length": 12,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "epochs": 12,
    "pretrain_epochs": 5,
    "pretrain_batch_size": 128,
    "pretrain_learning_rate": 5e-3,
}
UNTRAINED = {**QUICK, "epochs": 0, "pretrain_epochs": 0}


def fitted(task: Task, **params: object) -> UniSRec:
    recommender = UniSRec(UniSRec.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


def tiny_model(n_items: int = 0, **params: object) -> UniSRecModel:
    chosen = UniSRecParams(dimensions=16, **params)
    model = UniSRecModel(chosen, 8, SequenceEncoder(16, 32, 1, 2, dropout=0.0, max_length=12))
    model.read(np.random.default_rng(0).standard_normal((n_items, 8)).astype(np.float32))
    return model


@pytest.mark.parametrize("params", [{}, {"pretrain_epochs": 0}, {"frozen_encoder": True, "quirk": True}])
def test_the_successor_of_each_title_is_learned(
    tmp_path: Path, pico_encoder_folder: Path, params: dict[str, object]
) -> None:
    task, queries, answers = planted_titles(tmp_path, pico_encoder_folder)
    recommender = fitted(task, **params, **({"epochs": 25} if params.get("pretrain_epochs") == 0 else {}))
    assert recommender.report().extra["mode"] == "transductive"
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = planted_titles(tmp_path, pico_encoder_folder, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    recommender = fitted(task, pretrain_epochs=0, epochs=4)
    assert ndcg_at_1(recommender, queries, answers) == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_titles_alone_tell_a_cold_item(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = cold_steps(tmp_path, pico_encoder_folder)
    recommender = fitted(task)
    assert recommender.report().extra["mode"] == "inductive"
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert ndcg_at_1(recommender, queries, answers) > by_chance + 5 * standard_error


def test_a_cold_items_embedding_stays_zero_in_the_transductive_mode(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = cold_steps(tmp_path, pico_encoder_folder)
    recommender = fitted(task, mode="transductive", epochs=2)
    touched = torch.from_numpy(task.target.item_counts() > 0)
    assert recommender.model.identity.weight[~touched].abs().max() == 0
    assert recommender.model.identity.weight[touched].abs().min(dim=1).values.min() > 0


def test_permuted_candidates_have_permuted_scores(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    recommender = fitted(task, **UNTRAINED)
    order = np.random.default_rng(0).permutation(30)
    permuted = recommender.score(replace(queries, candidates=queries.candidates[:, order]))
    np.testing.assert_allclose(permuted, recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_a_stored_model_and_a_second_training_score_the_same(tmp_path: Path, pico_encoder_folder: Path) -> None:
    params = {"epochs": 2, "pretrain_epochs": 2}
    scores = []
    for folder in ("one", "one", "other"):
        task, queries, _ = planted_titles(tmp_path / folder, pico_encoder_folder, n_users=30)
        scores.append(fitted(task, **params).score(queries))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_targets_and_settings_with_the_same_sources_share_one_pre_training(
    tmp_path: Path, pico_encoder_folder: Path
) -> None:
    warm, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    cold, _, _ = cold_steps(tmp_path, pico_encoder_folder)
    short = {"epochs": 1, "pretrain_epochs": 1}
    for task, params in ((warm, {}), (cold, {}), (warm, {"mode": "inductive", "learning_rate": 1e-3})):
        fitted(task, **short, **params)
    (made,) = (tmp_path / "pretrained").glob("*/made.json")
    assert warm.target.content_hash not in made.read_text()
    assert len(read_json(made)["sources"]) == 2
    fitted(replace(warm, sources=warm.sources[:1]), **short)
    fitted(replace(warm, seed=1), **short)
    assert len(list((tmp_path / "pretrained").glob("*/made.json"))) == 3


def test_a_pre_trained_encoder_that_is_frozen_stays_as_it_was(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    before, frozen, free = (
        fitted(task, pretrain_epochs=1, epochs=epochs, frozen_encoder=freeze).model
        for epochs, freeze in ((0, False), (1, True), (1, False))
    )
    for name, weights in before.encoder.named_parameters():
        assert torch.equal(weights, frozen.encoder.get_parameter(name))
    assert not torch.equal(before.encoder.positions.weight, free.encoder.positions.weight)
    assert not torch.equal(before.adaptor.map, frozen.adaptor.map)


def test_an_encoder_without_pre_training_is_never_frozen(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    before, after = (
        fitted(task, epochs=epochs, pretrain_epochs=0, frozen_encoder=True).model.encoder.positions.weight
        for epochs in (0, 1)
    )
    assert not torch.equal(before, after)


def test_without_pre_training_no_source_is_needed(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20, sources=())
    with pytest.raises(BenchError, match=r"Pre-training needs source datasets.*-p pretrain_epochs=0"):
        fitted(task)
    recommender = fitted(task, **UNTRAINED)
    assert recommender.score(queries).shape == (20, 30)
    assert recommender.report().stages["pretraining"].domains == ()
    assert "no pre-training" in recommender.deviations()


def test_zero_item_embeddings_make_the_transductive_mode_the_inductive_one(
    tmp_path: Path, pico_encoder_folder: Path
) -> None:
    task, queries, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    transductive, inductive = (fitted(task, **UNTRAINED, mode=mode) for mode in ("transductive", "inductive"))
    assert not np.allclose(transductive.score(queries), inductive.score(queries), atol=1e-3)
    transductive.model.identity.weight.data.zero_()
    np.testing.assert_allclose(transductive.score(queries), inductive.score(queries), rtol=1e-5, atol=1e-6)


def test_an_empty_history_scores_all_candidates_alike(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    empty = replace(queries, history_indptr=np.zeros(21, np.int64), history_items=queries.history_items[:0])
    assert not fitted(task, **UNTRAINED).score(empty).any()


def test_the_adaptor_has_the_published_shape_and_size() -> None:
    adaptor = GatedWhitening(768, 300, experts=8, text_dropout=0.2)
    assert adaptor(torch.randn(5, 768)).shape == (5, 300)
    assert adaptor.map[0].numel() + adaptor.shift[0].numel() == 231_168
    assert sum(weights.numel() for weights in adaptor.parameters()) == 1_861_632


def test_gates_sum_to_one_and_zero_gates_are_equal_without_noise() -> None:
    adaptor = GatedWhitening(16, 4, experts=8, text_dropout=0.0)
    text = torch.randn(50, 16)
    noisy, still = adaptor.gates(text), adaptor.eval().gates(text)
    torch.testing.assert_close(noisy.sum(dim=1), torch.ones(50))
    torch.testing.assert_close(still, torch.full((50, 8), 1 / 8))
    assert (noisy - still).abs().max() > 0.05


def test_the_adaptor_is_the_gated_sum_of_its_whitenings() -> None:
    adaptor = GatedWhitening(16, 4, experts=3, text_dropout=0.0).eval()
    for weights in adaptor.parameters():
        torch.nn.init.normal_(weights)
    text = torch.randn(7, 16)
    gates = (text @ adaptor.gate).softmax(dim=1)
    each = [(text - adaptor.shift[j]) @ adaptor.map[j] for j in range(3)]
    expected = sum(gates[:, [j]] * each[j] for j in range(3))
    torch.testing.assert_close(adaptor(text), expected, rtol=1e-4, atol=1e-4)


def test_equal_experts_are_one_expert() -> None:
    adaptor = GatedWhitening(16, 4, experts=8, text_dropout=0.0)
    with torch.no_grad():
        adaptor.map.copy_(adaptor.map[:1].expand_as(adaptor.map))
        adaptor.shift.copy_(torch.randn(1, 16).expand_as(adaptor.shift))
    text = torch.randn(7, 16)
    torch.testing.assert_close(adaptor(text), (text - adaptor.shift[0]) @ adaptor.map[0], rtol=1e-4, atol=1e-5)


def test_copies_lose_a_fifth_of_their_items_and_never_all_of_them() -> None:
    model = tiny_model(2 * N_ITEMS, word_drop=0.15)
    sequences = mixed([source(10, "toy", n_users=600)], max_length=12)
    batch = Batch.of(sequences, np.arange(len(sequences)))
    items, lengths = model.augmented(batch, np.random.default_rng(0))
    assert lengths.min() >= 1
    assert (lengths <= batch.lengths).all()
    ends = np.cumsum(lengths)
    of_words = items[ends - 1] >= N_ITEMS
    assert of_words.mean() == pytest.approx(0.1, abs=0.04)
    assert (lengths[of_words] == batch.lengths[of_words]).all()
    assert 1 - lengths[~of_words].sum() / batch.lengths[~of_words].sum() == pytest.approx(0.2, abs=0.03)
    row = int(np.flatnonzero(of_words)[0])
    original = batch.items[batch.last[row] - batch.lengths[row] + 1 : batch.last[row] + 1]
    assert items[ends[row] - lengths[row] : ends[row]].tolist() == (original + N_ITEMS).tolist()


def test_without_dropped_words_every_copy_drops_items() -> None:
    model = tiny_model(N_ITEMS, word_drop=0.0)
    sequences = mixed([source(10, "toy")], max_length=12)
    items, _ = model.augmented(Batch.of(sequences, np.arange(len(sequences))), np.random.default_rng(0))
    assert items.max() < N_ITEMS


def test_pre_training_adds_a_thousandth_of_the_loss_between_sequences() -> None:
    sequences = mixed([source(10, "toy")], max_length=12)
    batch = Batch.of(sequences, np.arange(len(sequences)))
    losses = []
    for weight in (0.0, 1e-3, 1.0):
        torch.manual_seed(0)
        model = tiny_model(2 * N_ITEMS, sequence_loss_weight=weight).eval()
        losses.append(model.pretraining_loss(batch, np.random.default_rng(0)).item())
    assert losses[1] - losses[0] == pytest.approx((losses[2] - losses[0]) / 1000, abs=2e-6)
    assert losses[2] > losses[0]


def test_dropped_words_leave_a_shorter_title_that_is_always_the_same() -> None:
    domain = replace(source(10, "toy"), titles=("one two three four five six", "alone", "", *("a b c d",) * 57))
    dropped = with_words_dropped(domain, 0.15)
    assert dropped.titles == with_words_dropped(domain, 0.15).titles
    assert dropped.titles[1:3] == ("alone", "")
    n_words = sum(len(title.split()) for title in dropped.titles)
    assert n_words == pytest.approx(0.85 * sum(len(title.split()) for title in domain.titles), abs=20)
    assert all(with_words_dropped(domain, 1.0).titles[:2])


def test_it_is_registered_with_what_it_needs() -> None:
    entry = registry().entry("unisrec")
    assert registry().recommender("unisrec") is UniSRec
    assert (entry.family, entry.needs_titles, entry.needs_sources, entry.needs_backbone) == (
        "transferable",
        True,
        True,
        True,
    )
    assert N_ITEMS % N_STEPS == 0
