from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.recformer import RecFormer, contrast
from bench.baselines.text_encoders.recformer_reader import (
    IDS,
    KEY,
    PADDING,
    POSITIONS,
    SPECIAL,
    TYPES,
    VALUE,
    WORDS,
    MaskedWords,
)

from bench.errors import BenchError
from bench.metrics import Metric, chance
from bench.plugin import FitReport, Task
from bench.registry import registry
from tests.support.recbole_toy import ndcg_at_1, planted_successors
from tests.support.text_encoder_toy import Planted, cold_text, permuted, text_blocks, text_task
from tests.support.text_toys import NOUNS, planted_groups

QUICK = {"learning_rate": 5e-3, "warm_up_steps": 5, "freeze_words": False, "batch_size": 16, "pretrain_examples": 0}
UNTRAINED = {**QUICK, "epochs": 0, "second_epochs": 0}


def fitted(task: Task, **params: object) -> RecFormer:
    recommender = RecFormer(RecFormer.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


@pytest.fixture
def planted(tmp_path: Path, pico_encoder_folder: Path) -> Planted:
    return text_blocks(tmp_path, pico_encoder_folder)


@pytest.fixture
def untrained(planted: Planted) -> RecFormer:
    return fitted(planted[0], **UNTRAINED)


def test_planted_preferences_are_learned(planted: Planted) -> None:
    task, queries, answers = planted
    assert ndcg_at_1(fitted(task, epochs=4, second_epochs=1), queries, answers) >= 0.9


def test_the_successor_of_each_item_is_learned(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = text_task(planted_successors(tmp_path, n_users=240), pico_encoder_folder)
    recommender = fitted(task, epochs=6, second_epochs=8, max_history=1)
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = text_blocks(tmp_path, pico_encoder_folder, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    score = ndcg_at_1(fitted(task, epochs=2, second_epochs=1), queries, answers)
    assert score == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_cold_items_are_scored_from_their_titles(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = cold_text(tmp_path, pico_encoder_folder)
    recommender = fitted(task, epochs=4, second_epochs=1)
    assert ndcg_at_1(recommender, queries, answers) >= 0.8
    cold = np.flatnonzero(task.target.item_counts() == 0)
    assert np.isin(task.target.items, cold).sum() == 0
    norms = recommender.model.table[torch.from_numpy(cold)].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(len(cold)))  # encoded as all others


def test_step_0_is_the_plain_language_model(untrained: RecFormer) -> None:
    reader = untrained.model.reader.eval()
    batch = untrained.texts.padded([untrained.texts.flattened(items) for items in ([3, 8, 1], [5])], reader.device)
    mask = (batch[TYPES] != PADDING).long()
    with torch.no_grad():
        ours = reader.token_states(batch)
        plain = reader.encoder(input_ids=batch[IDS], attention_mask=mask).last_hidden_state
    assert not reader.token_types.weight.any()
    assert not reader.item_positions.weight.any()
    torch.testing.assert_close(ours, plain, rtol=0, atol=0)


def test_a_text_says_what_each_token_is_and_which_item_it_belongs_to(untrained: RecFormer) -> None:
    text = untrained.texts.flattened([3, 8])
    name, *titles = untrained.tokenizer(["title", *NOUNS], add_special_tokens=False)["input_ids"]
    assert text[IDS].tolist() == [2, *name, *titles[3], *name, *titles[8], 3]
    assert text[TYPES].tolist() == [SPECIAL, KEY, VALUE, KEY, VALUE, SPECIAL]
    assert text[POSITIONS].tolist() == [0, 1, 1, 2, 2, 0]
    assert (text[WORDS] > 0).tolist() == [False, False, True, False, True, False]


def test_histories_are_read_most_recent_first_and_in_order(untrained: RecFormer) -> None:
    forwards, backwards, cut = untrained.history_vectors(
        [np.array([1, 2, 3]), np.array([3, 2, 1]), np.array([7, 1, 2, 3])]
    )
    assert not torch.allclose(forwards, backwards, atol=1e-4)
    assert not torch.allclose(forwards, cut, atol=1e-4)
    text = untrained.texts.flattened(np.array([1, 2, 3])[::-1])
    assert text[IDS, text[TYPES] == VALUE].tolist() == [untrained.domains.tokens[item][0] for item in (3, 2, 1)]


def test_an_item_alone_is_encoded_alike_twice(untrained: RecFormer) -> None:
    vectors = untrained.history_vectors([np.array([4]), np.array([4])])
    assert torch.equal(vectors[0], vectors[1])


def test_an_items_similarity_with_itself_is_twenty(untrained: RecFormer) -> None:
    vector, table = untrained.history_vectors([np.array([4])])[0], untrained.item_vectors()
    scores = table @ vector / untrained.params.temperature
    assert scores[4].item() == pytest.approx(20.0, abs=1e-4)
    assert scores.argmax().item() == 4


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_to_a_multiple_of_64_changes_nothing(planted: Planted, pooling: str) -> None:
    recommender = fitted(planted[0], **UNTRAINED, pooling=pooling)
    reader, texts = recommender.model.reader.eval(), [recommender.texts.flattened([1, 2, 3])]
    with torch.no_grad():
        tight, wide = (reader(recommender.texts.padded(texts, reader.device, width)) for width in (None, 64))
    torch.testing.assert_close(tight, wide, rtol=1e-5, atol=1e-6)


def test_pooling_is_a_choice_between_the_mean_and_the_first_state(planted: Planted) -> None:
    vectors = [fitted(planted[0], **UNTRAINED, pooling=pooling).item_vectors() for pooling in ("mean", "cls")]
    assert not torch.allclose(*vectors, atol=1e-3)


def test_a_long_text_is_cut_to_what_the_encoder_reads(planted: Planted) -> None:
    recommender = fitted(planted[0], **UNTRAINED, max_history=50)
    text = recommender.texts.flattened(list(range(40)))
    assert text.shape == (4, 64)
    assert text[IDS, -1] == 3


def test_an_untitled_item_is_passed_over_in_histories_and_scores_zero(planted: Planted) -> None:
    task, queries, _ = planted
    titles = ("", *task.target.titles[1:])
    recommender = fitted(replace(task, target=replace(task.target, titles=titles)), **UNTRAINED)
    with_it, without = recommender.history_vectors([np.array([5, 0, 6]), np.array([5, 6])])
    torch.testing.assert_close(with_it, without)
    scores = recommender.score(queries)
    assert (scores[queries.candidates == 0] == 0).all()


def test_permuting_candidates_permutes_scores(untrained: RecFormer, planted: Planted) -> None:
    order = np.random.default_rng(0).permutation(30)
    scores = untrained.score(planted[1])
    np.testing.assert_allclose(untrained.score(permuted(planted[1], order)), scores[:, order], rtol=1e-5, atol=1e-5)


def test_equal_vectors_lose_the_logarithm_of_the_batch() -> None:
    same = torch.ones(8, 4) / 2
    assert contrast(same, same, torch.arange(8), 0.05).item() == pytest.approx(math.log(8), abs=1e-5)


def test_whole_words_are_hidden_and_nothing_else(untrained: RecFormer) -> None:
    reader = untrained.model.reader
    head = MaskedWords(reader, untrained.tokenizer, mask_share=0.5)
    text = np.concatenate([untrained.texts.flattened([1, 2, 3, 4])] * 3, axis=1)
    text[WORDS, text[WORDS] > 0] = np.repeat(np.arange(1, 7), 2)  # words of two tokens
    batch = untrained.texts.padded([text] * 200, reader.device)
    hidden, wanted = head.hide(batch, np.random.default_rng(0))
    value = batch[TYPES] == VALUE
    assert not wanted[~value].any()
    assert wanted[value].float().mean().item() == pytest.approx(0.5, abs=0.05)
    pairs = wanted[value].reshape(-1, 2)
    assert torch.equal(pairs[:, 0], pairs[:, 1])
    assert torch.equal(hidden[IDS][~wanted], batch[IDS][~wanted])
    assert (hidden[IDS][wanted] == head.mask).float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert torch.equal(hidden[TYPES:], batch[TYPES:])


def test_the_masked_word_head_is_tied_to_the_word_embeddings(untrained: RecFormer) -> None:
    reader = untrained.model.reader
    reader.make_trainable(freeze_words=False)
    head = MaskedWords(reader, untrained.tokenizer, mask_share=0.5)
    words = reader.word_embeddings.weight
    assert all(weights.shape != words.shape for weights in head.parameters())
    states = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(head.logits(states, words), head.transform(states) @ words.T)
    batch = untrained.texts.padded([untrained.texts.flattened([1, 2, 3, 4])], reader.device)
    head(reader, batch, np.random.default_rng(0)).backward()
    assert words.grad is not None
    assert bool(words.grad.any())


def test_pre_training_learns_from_the_sources_and_is_shared_by_targets(planted: Planted) -> None:
    task = planted[0]
    store = task.artifacts.root / "models"
    params = {**UNTRAINED, "pretrain_examples": 40}
    first = fitted(task, **params)
    assert bool(first.model.reader.token_types.weight.any())
    assert first.pretraining.n_examples == 40
    made = set(store.iterdir())
    other = replace(task, target=planted_groups(n_users=30, seed=3, name="other"))
    second = fitted(other, **params)
    assert len(set(store.iterdir()) - made) == 1  # the fine-tuned model alone
    assert torch.equal(first.model.reader.token_types.weight, second.model.reader.token_types.weight)
    assert first.pretraining == second.pretraining


def test_masked_words_can_be_turned_off_in_pre_training(planted: Planted) -> None:
    states = [
        fitted(planted[0], **{**UNTRAINED, "pretrain_examples": 40, "mlm_weight": weight}).model.reader.item_positions
        for weight in (0.0, 0.1)
    ]
    assert not torch.equal(states[0].weight, states[1].weight)


def test_pre_training_without_sources_is_refused(planted: Planted) -> None:
    with pytest.raises(BenchError, match="pretrain_examples=0"):
        fitted(replace(planted[0], sources=()), pretrain_examples=10)


def test_the_second_stage_holds_the_best_table_still(planted: Planted) -> None:
    first = fitted(planted[0], epochs=2, second_epochs=0)
    both = fitted(planted[0], epochs=2, second_epochs=2)
    assert torch.equal(first.model.table, both.model.table)
    assert both.record.epochs == 4
    if both.record.best_epoch > 2:
        assert not torch.equal(first.item_vectors(), both.item_vectors())


def test_the_word_embeddings_stay_frozen_by_default(planted: Planted) -> None:
    before = fitted(planted[0], **UNTRAINED).model.reader.word_embeddings.weight
    after = fitted(planted[0], epochs=1, second_epochs=0, freeze_words=True).model.reader
    assert RecFormer.Params().freeze_words
    assert torch.equal(before, after.word_embeddings.weight)
    assert bool(after.token_types.weight.any())


def test_a_stored_model_scores_the_same_and_is_not_trained_again(planted: Planted) -> None:
    task, queries, _ = planted
    first = fitted(task, epochs=1, second_epochs=1, pretrain_examples=20)
    lines: list[str] = []
    second = fitted(replace(task, progress=lines.append), epochs=1, second_epochs=1, pretrain_examples=20)
    assert not lines
    np.testing.assert_array_equal(first.score(queries), second.score(queries))


def test_a_seed_determines_the_scores(tmp_path: Path, pico_encoder_folder: Path) -> None:
    scores = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        task, queries, _ = text_blocks(tmp_path / folder, pico_encoder_folder)
        scores.append(fitted(replace(task, seed=seed), epochs=1, pretrain_examples=20).score(queries))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_a_causal_backbone_is_refused(planted: Planted, pico_folder: Path) -> None:
    with pytest.raises(BenchError, match="not an encoder; recformer needs one, such as --backbone minilm"):
        fitted(replace(planted[0], backbone=str(pico_folder)))


def test_the_record_states_parameters_seconds_and_deviations(planted: Planted) -> None:
    recommender = fitted(planted[0], epochs=1, second_epochs=0, pretrain_examples=20)
    report = recommender.report()
    assert FitReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report
    assert report.training.epochs == 1
    assert report.training.seconds > 0
    assert report.extra["parameters"] > report.trained_parameters > 0
    assert len(recommender.deviations()) >= 5


def test_it_is_registered() -> None:
    assert registry().recommender("recformer") is RecFormer
    entry = registry().entry("recformer")
    assert (entry.family, entry.needs_titles, entry.needs_sources, entry.needs_backbone) == (
        "transferable",
        True,
        True,
        True,
    )
