from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines import p5
from bench.baselines.networks.p5 import N_WHOLE_WORDS, whole_words
from bench.baselines.p5 import NUMBER_PROMPTS, P5, random_numbers, share_of_peak
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.learning.epochs import TrainingRecord
from bench.lm.prompts.shared import NO_HISTORY, plain_chat, shared_prompt
from bench.lm.toys.tiny_seq2seq import TinySeq2SeqParams, save_tiny_seq2seq
from bench.metrics import Metric, chance
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of
from tests.support.text_toys import made_up_titles

PICO = TinySeq2SeqParams(vocabulary=1000, hidden=32, heads=2, feed_forward=64, layers=1)
QUICK = {
    "mode": "id",
    "max_length": 1,
    "batch_size": 16,
    "learning_rate": 5e-3,
    "validation_queries": 80,
}


@pytest.fixture(scope="module")
def pico_t5(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Make the folder of a one-layer T5 that has a piece for each number, each user and each word of the texts."""

    def make(n_numbers: int, texts: Sequence[str] = ()) -> str:
        numbers = [str(number) for number in range(1, n_numbers + 1)]
        users = [f"user_{number}" for number in range(1, 121)]
        folder = tmp_path_factory.mktemp("pico-t5")
        save_tiny_seq2seq(folder, [*numbers, *users, *NUMBER_PROMPTS, *texts], PICO, seed=0)
        return str(folder)

    return make


@pytest.fixture(scope="module")
def pico(pico_t5: Callable[..., str]) -> str:
    return pico_t5(
        60, [*made_up_titles(192), *(shared_prompt(titles, titles, plain_chat) for titles in ([], ["item"]))]
    )


@pytest.fixture(scope="module")
def pico_of_numbers(pico_t5: Callable[..., str]) -> str:
    return pico_t5(60)


@pytest.fixture
def task(tmp_path: Path, pico: str) -> Task:
    """20 users whose items have titles of unequal length; items 50 to 59 are never trained."""
    rng = np.random.default_rng(0)
    histories = [[int(item) for item in rng.permutation(50)[:6]] for _ in range(20)]
    domain = dataclasses.replace(domain_of(histories, 60), titles=tuple(made_up_titles(60)))
    made = task_of(domain, queries_of(histories, [55] * 20, 60, rng), tmp_path)
    return dataclasses.replace(made, backbone=pico)


def fitted(task: Task, **params: Any) -> P5:
    recommender = P5(P5.Params(**params))
    recommender.fit(task)
    return recommender


def untrained(task: Task, **params: Any) -> P5:
    return fitted(task, epochs=0, **params)


def permuted(queries: Queries, order: NDArray[np.int64]) -> Queries:
    return dataclasses.replace(queries, candidates=queries.candidates[:, order])


def words_of(written: list[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(written, skip_special_tokens=True))


@pytest.fixture(scope="module")
def tokenizer(pico: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(pico)


# Whole words


def test_a_whole_word_number_is_constant_within_a_word_and_0_on_the_end_token(task: Task, tokenizer: Any) -> None:
    text = "user_17 bought Northwind soap, 3 oz"
    ids = tokenizer(text)["input_ids"]
    words = whole_words(torch.tensor([ids]), untrained(task).model.starts_word, (tokenizer.eos_token_id, 0))[0]
    assert words[-1] == 0
    pieces = [[ids[place] for place in np.flatnonzero(words.numpy() == word)] for word in range(1, 7)]
    assert [tokenizer.decode(word) for word in pieces] == text.split()
    assert words.max() == 6


def test_padding_and_words_beyond_the_last_slot_have_a_slot() -> None:
    starts_word = torch.tensor([False, False, True, False])
    long = torch.tensor([[2, 3] * N_WHOLE_WORDS + [1, 0]])
    words = whole_words(long, starts_word, (1, 0))[0].tolist()
    assert words[:4] == [1, 1, 2, 2]
    assert words[-4:] == [N_WHOLE_WORDS - 1, N_WHOLE_WORDS - 1, 0, 0]


def test_the_encoder_reads_the_place_of_a_word(task: Task) -> None:
    recommender = untrained(task)
    before = recommender.score(task.validation)
    recommender.model.whole_word.weight.data.zero_()
    assert not np.allclose(before, recommender.score(task.validation), atol=1e-4)


# Likelihoods


@pytest.mark.parametrize("mode", ["text", "id"])
def test_likelihoods_of_candidates_sum_to_at_most_1(task: Task, mode: str) -> None:
    recommender = untrained(task, mode=mode, title_tokens=40)
    assert recommender.report().extra["items_that_read_alike"] == 0
    with torch.no_grad():
        recommender.model.t5.decoder.final_layer_norm.weight *= 5  # certain of itself, so that the bound is near
    sums = np.exp(recommender.score(task.validation).astype(np.float64)).sum(axis=1)
    assert ((sums > 0) & (sums <= 1 + 1e-6)).all()


@pytest.mark.parametrize("mode", ["text", "id"])
def test_a_packed_score_is_that_of_each_answer_read_alone(task: Task, mode: str) -> None:
    recommender = untrained(task, mode=mode)
    scores = recommender.score(task.validation)
    model, writer = recommender.model, recommender.writer
    for row in (0, 13):
        candidates = task.validation.candidates[row]
        written = writer.write(0, row, task.validation.history(row), candidates)
        ids = torch.tensor([written])
        words = whole_words(ids, model.starts_word, (1, 0))
        vectors = model.t5.shared(ids) + model.whole_word(words)
        for column in (0, 7, 29):
            labels = torch.tensor([writer.answers(candidates[[column]])[0]])
            with torch.no_grad():
                mean = model.t5(inputs_embeds=vectors, labels=labels).loss.item()
            assert scores[row, column] == pytest.approx(-mean * labels.shape[1], abs=1e-4)


def test_the_loss_is_the_mean_over_all_tokens_of_the_answers(task: Task) -> None:
    recommender = untrained(task)
    model, writer, queries = recommender.model, recommender.writer, task.validation
    written = [writer.write(0, row, queries.history(row), queries.candidates[row]) for row in range(5)]
    answers = writer.answers(queries.candidates[:5, 3])
    totals = model.score(written, [[answer] for answer in answers])[:, 0]
    assert model.loss(written, answers).item() == pytest.approx(-totals.sum() / sum(map(len, answers)), abs=1e-5)


def test_batches_leave_scores_as_they_are(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = untrained(task)
    together = recommender.score(task.validation)
    monkeypatch.setattr("bench.baselines.networks.p5.MAX_BATCH_TOKENS", 1)
    np.testing.assert_allclose(together, recommender.score(task.validation), atol=1e-4)


def test_permuting_answers_permutes_likelihoods_under_one_prompt(task: Task) -> None:
    recommender, order = untrained(task), np.random.default_rng(0).permutation(30)
    queries, writer = task.validation, recommender.writer
    written = [writer.write(0, row, queries.history(row), queries.candidates[row]) for row in range(20)]
    straight, turned = (
        recommender.model.score(written, [writer.answers(row) for row in given.candidates])
        for given in (queries, permuted(queries, order))
    )
    np.testing.assert_allclose(straight[:, order], turned, atol=1e-4)


# Prompts


def test_a_text_prompt_is_the_shared_one_with_semicolons_for_line_breaks(task: Task, tokenizer: Any) -> None:
    recommender = untrained(task, title_tokens=100)
    history, candidates = task.validation.history(3), task.validation.candidates[3]
    titles = task.target.titles
    shared = shared_prompt([titles[item] for item in history], [titles[item] for item in candidates], plain_chat)
    expected = tokenizer(re.sub(r"\s*\n\s*", " ; ", shared.strip()))["input_ids"]
    assert recommender.writer.write(0, 3, history, candidates) == expected
    text = words_of(recommender.writer.write(0, 3, history[:0], candidates), tokenizer)
    assert f"oldest first: ; {NO_HISTORY} ; Products on offer: ;" in text


def test_candidates_stand_in_the_prompt_as_stored(task: Task, tokenizer: Any) -> None:
    recommender, candidates = untrained(task, mode="id"), task.validation.candidates[0]
    text = words_of(recommender.writer.write(0, 0, task.validation.history(0), candidates), tokenizer)
    numbers = random_numbers(60, task.seed, "items")
    assert f"Which of {' '.join(str(numbers[item]) for item in candidates)} is" in text


def test_the_oldest_items_are_left_out_until_the_prompt_fits_and_candidates_never(task: Task) -> None:
    history, candidates = task.validation.history(0), task.validation.candidates[0]
    whole = untrained(task).writer.write(0, 0, history, candidates)
    tight = untrained(task, max_tokens=len(whole) - 1).writer.write(0, 0, history, candidates)
    assert tight == untrained(task).writer.write(0, 0, history[1:], candidates)
    nothing = untrained(task).writer.write(0, 0, history[:0], candidates)
    fixed = len(nothing) - len(untrained(task).writer.nothing)
    assert len(untrained(task, max_tokens=fixed).writer.write(0, 0, history, candidates)) == fixed
    with pytest.raises(BenchError, match="lower -p title_tokens"):
        untrained(task, max_tokens=fixed - 1).writer.write(0, 0, history, candidates)


def test_only_the_latest_items_are_read(task: Task) -> None:
    writer, candidates = untrained(task, max_length=2).writer, task.validation.candidates[0]
    history = task.validation.history(0)
    assert writer.write(0, 0, history, candidates) == writer.write(0, 0, history[-2:], candidates)


def test_titles_that_are_cut_alike_are_counted_and_tie(task: Task) -> None:
    recommender = untrained(task, title_tokens=1)
    firsts = [title.split()[0] for title in task.target.titles]
    assert recommender.report().extra["items_that_read_alike"] == 60 == len(firsts)
    scores = recommender.score(task.validation)[0]
    starts = [recommender.writer.items[item][0] for item in task.validation.candidates[0]]
    for start in set(starts):
        assert np.ptp(scores[np.array(starts) == start]) < 1e-5


def test_numbers_are_random_and_know_nothing_of_histories(task: Task) -> None:
    numbers = random_numbers(2000, 0, "items")
    assert sorted(numbers) == list(range(1, 2001))
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.1
    assert not np.array_equal(numbers, random_numbers(2000, 1, "items"))
    other = dataclasses.replace(task, target=dataclasses.replace(task.target, items=task.target.items[::-1].copy()))
    assert untrained(task, mode="id").writer.items == untrained(other, mode="id").writer.items


@pytest.mark.parametrize("mode", ["text", "id"])
def test_training_asks_for_a_training_item_among_untouched_trained_ones(task: Task, mode: str) -> None:
    """Item 55 is every user's validation item; 50 to 59 were trained by nobody and must be in no prompt at all."""
    recommender = untrained(task, mode=mode, title_tokens=40, max_examples=None, batch_size=8)
    batches = list(recommender._examples(task, np.random.default_rng(0)))
    assert sum(len(written) for written, _ in batches) == 20 * 5
    between, items = recommender.writer.between, recommender.writer.items

    def mentions(written: list[int], item: int) -> bool:
        text, wanted = (",".join(map(str, ids)) for ids in (written, [*between, *items[item], *between]))
        return f",{wanted}," in f",{text},"

    for written, answers in batches:
        assert all(answer[:-1] in items[:50] for answer in answers)
        assert not any(mentions(ids, item) for ids in written for item in range(50, 60))


def test_an_epoch_draws_at_most_the_asked_number_of_prefixes_and_both_wordings(task: Task, tokenizer: Any) -> None:
    recommender = untrained(task, mode="id", max_examples=30)
    written = [ids for batch, _ in recommender._examples(task, np.random.default_rng(0)) for ids in batch]
    assert len(written) == 30
    texts = [words_of(ids, tokenizer) for ids in written]
    assert {text.startswith("Of ") for text in texts} == {True, False}
    assert all(re.search(r"user_\d+ (bought|buys)", text) for text in texts)


# Learning


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, pico_of_numbers: str) -> tuple[Task, Queries, Answers, P5]:
    task, queries, answers = planted_successors(tmp_path_factory.mktemp("planted"))
    task = dataclasses.replace(task, backbone=pico_of_numbers)
    return task, queries, answers, fitted(task, **QUICK, epochs=14)


def test_the_successor_of_each_item_is_learned(learned: tuple[Task, Queries, Answers, P5]) -> None:
    _, queries, answers, recommender = learned
    assert ndcg_at_1(recommender, queries, answers) >= 0.8


def test_permuting_candidates_leaves_the_successor_first(learned: tuple[Task, Queries, Answers, P5]) -> None:
    _, queries, answers, recommender = learned
    order = np.random.default_rng(0).permutation(30)
    moved = Answers(np.argsort(order)[answers.positive_column])
    assert ndcg_at_1(recommender, permuted(queries, order), moved) >= 0.8


def test_an_equal_training_is_found_and_scores_identically(learned: tuple[Task, Queries, Answers, P5]) -> None:
    task, queries, _, recommender = learned
    lines: list[str] = []
    again = fitted(dataclasses.replace(task, progress=lines.append), **QUICK, epochs=14)
    assert not lines
    assert np.array_equal(recommender.score(queries), again.score(queries))


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_of_numbers: str) -> None:
    task, queries, answers = planted_successors(tmp_path, shuffled=True)
    recommender = fitted(
        dataclasses.replace(task, backbone=pico_of_numbers), **{**QUICK, "validation_queries": 4}, epochs=2
    )
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert ndcg_at_1(recommender, queries, answers) == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_the_same_seed_scores_the_same_and_every_weight_is_trained(task: Task, tmp_path: Path) -> None:
    def scores(name: str, seed: int, epochs: int = 1) -> tuple[NDArray[np.floating], dict[str, torch.Tensor]]:
        own = dataclasses.replace(task, artifacts=type(task.artifacts)(tmp_path / name), seed=seed)
        recommender = fitted(own, mode="text", epochs=epochs, max_examples=32, batch_size=16, validation_queries=4)
        return recommender.score(own.validation), dict(recommender.model.named_parameters())

    (first, trained), (again, _), (other, _), (_, before) = (
        scores("a", 0), scores("b", 0), scores("c", 1), scores("d", 0, epochs=0)
    )  # fmt: skip
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert all(not torch.equal(trained[name], before[name]) for name in before)


def test_a_cold_item_is_scored_by_its_title_alone(task: Task) -> None:
    titles = list(task.target.titles)
    titles[57] = titles[3]  # 57 was trained by nobody, 3 by several
    twin = dataclasses.replace(task, target=dataclasses.replace(task.target, titles=tuple(titles)))
    recommender = fitted(twin, epochs=1, max_examples=32, batch_size=16, validation_queries=4)
    candidates = task.validation.candidates.copy()
    candidates[:, 0], candidates[:, 1] = 3, 57
    scores = recommender.score(dataclasses.replace(task.validation, candidates=candidates))
    np.testing.assert_allclose(scores[:, 0], scores[:, 1], atol=1e-4)


def private_shelves(folder: Path, n_users: int = 80) -> tuple[Task, Queries, Answers]:
    """Each user buys 7 to 12 items that nobody else does, in the order of the catalogue: what comes next is unknown."""
    rng = np.random.default_rng(0)
    ends = np.cumsum(rng.integers(7, 13, size=n_users))
    whole = [list(range(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    train, n_items = [history[:-2] for history in whole], int(ends[-1])
    validation = queries_of(train, [history[-2] for history in whole], n_items, rng)
    test, answers = queries_of([history[:-1] for history in whole], [history[-1] for history in whole], n_items, rng)
    return task_of(domain_of(train, n_items), validation, folder), test, answers


@pytest.mark.slow
def test_numbers_in_order_of_first_appearance_give_the_next_item_away_and_random_ones_do_not(
    tmp_path: Path, pico_t5: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokenizer knows numbers up to 90, so that the leading digits of longer ones are a piece that they share."""
    task, queries, answers = private_shelves(tmp_path)
    task = dataclasses.replace(task, backbone=pico_t5(90))
    training = {**QUICK, "epochs": 18, "validation_queries": 40, "patience": 18}
    honest = ndcg_at_1(fitted(task, **training), queries, answers)

    def in_order_over_full_histories(count: int, seed: int, purpose: str) -> NDArray[np.int64]:
        return np.arange(1, count + 1) if purpose == "items" else random_numbers(count, seed, purpose)

    monkeypatch.setattr(p5, "random_numbers", in_order_over_full_histories)
    leaky_task = dataclasses.replace(task, artifacts=type(task.artifacts)(tmp_path / "leaky"))
    leaky = ndcg_at_1(fitted(leaky_task, **training), queries, answers)
    by_chance = chance(Metric("ndcg", 1))
    assert honest <= by_chance + 3.5 * math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert leaky >= 0.3


# Backbones and record


def test_the_rate_rises_over_a_twentieth_of_the_steps_and_falls_to_0() -> None:
    shares = [share_of_peak(step, 1000) for step in range(1001)]
    assert shares[0] == pytest.approx(1 / 50)
    assert shares[49] == shares[50] == 1.0
    assert shares[525] == pytest.approx(0.5)
    assert shares[1000] == 0.0
    assert share_of_peak(0, 1) == 1.0


def test_a_training_whose_rate_falls_over_all_epochs_is_never_reported_as_converged(task: Task) -> None:
    recommender = untrained(task)
    recommender.record = TrainingRecord((1.0,) * 7, (0.3, *[0.2] * 6), (1.0,) * 7)
    assert recommender.report().ended == "budget"


def test_without_a_backbone_it_runs_on_the_toy_and_says_so(task: Task) -> None:
    assert complete(RunRequest("p5", "beauty")).backbone == "tiny"
    recommender = untrained(dataclasses.replace(task, backbone="tiny"))
    assert recommender.report().extra["from_scratch"]
    assert "the T5 starts from random weights" in recommender.deviations()
    assert not untrained(task).report().extra["from_scratch"]


def test_another_kind_of_backbone_is_refused(task: Task, pico_folder: Path, pico_encoder_folder: Path) -> None:
    for folder, kind in ((pico_folder, "causal"), (pico_encoder_folder, "encoder")):
        with pytest.raises(BenchError, match=f"kind '{kind}'; this method needs an encoder-decoder"):
            untrained(dataclasses.replace(task, backbone=str(folder)))


def test_an_encoder_decoder_that_is_no_t5_is_refused(task: Task, tmp_path: Path, tokenizer: Any) -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1}
    config = BartConfig(vocab_size=len(tokenizer), d_model=8, max_position_embeddings=16, **sizes, **heads)
    BartForConditionalGeneration(config).save_pretrained(tmp_path / "bart")
    tokenizer.save_pretrained(tmp_path / "bart")
    with pytest.raises(BenchError, match="is not a T5"):
        untrained(dataclasses.replace(task, backbone=str(tmp_path / "bart")))


def test_it_is_registered() -> None:
    assert registry().recommender("p5") is P5
    assert registry().entry("p5").backbone_kind == "seq2seq"
