from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.llmrec import LlmRec, choice_loss

from bench.errors import BenchError
from bench.metrics import Metric, chance
from bench.plugin import FitReport, Task
from bench.registry import registry
from tests.support.recbole_toy import ndcg_at_1
from tests.support.text_encoder_toy import Planted, cold_text, permuted, text_blocks
from tests.support.text_toys import planted_groups

QUICK = {"learning_rate": 5e-3, "freeze_words": False, "batch_size": 16, "domains": "target", "pooling": "mean"}


def fitted(task: Task, **params: object) -> LlmRec:
    recommender = LlmRec(LlmRec.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


@pytest.fixture
def planted(tmp_path: Path, pico_encoder_folder: Path) -> Planted:
    return text_blocks(tmp_path, pico_encoder_folder)


@pytest.fixture
def untrained(planted: Planted) -> LlmRec:
    return fitted(planted[0], epochs=0)


@pytest.mark.parametrize("domains", ["target", "all"])
def test_planted_preferences_are_learned(planted: Planted, domains: str) -> None:
    task, queries, answers = planted
    assert ndcg_at_1(fitted(task, epochs=8, domains=domains), queries, answers) >= 0.9


def test_lora_factors_learn_planted_kinds_and_leave_a_plain_encoder(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = cold_text(tmp_path, pico_encoder_folder)
    before, recommender = fitted(task, epochs=0), fitted(task, epochs=5, lora_rank=16, learning_rate=1e-2)
    assert ndcg_at_1(before, queries, answers) < 0.4
    assert ndcg_at_1(recommender, queries, answers) >= 0.9
    untrained = dict(before.model.named_parameters())
    changed = {
        name for name, weights in recommender.model.named_parameters() if not torch.equal(weights, untrained[name])
    }
    assert changed
    assert all(name.endswith(".weight") and "embeddings" not in name for name in changed)


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = text_blocks(tmp_path, pico_encoder_folder, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    score = ndcg_at_1(fitted(task, epochs=3), queries, answers)
    assert score == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_cold_items_are_scored_from_their_titles(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = cold_text(tmp_path, pico_encoder_folder)
    assert ndcg_at_1(fitted(task, epochs=5), queries, answers) >= 0.8


def test_equal_scores_lose_the_logarithm_of_eleven() -> None:
    loss = choice_loss(torch.zeros(3, 11), torch.ones(3, 11, dtype=torch.bool))
    assert loss.item() == pytest.approx(math.log(11), abs=1e-6)


def test_a_negative_that_is_not_allowed_does_not_count() -> None:
    allowed = torch.ones(1, 11, dtype=torch.bool)
    allowed[0, 6:] = False
    assert choice_loss(torch.zeros(1, 11), allowed).item() == pytest.approx(math.log(6), abs=1e-6)


def test_an_item_matches_the_user_who_has_its_text_best(planted: Planted) -> None:
    recommender = fitted(planted[0], epochs=0, pooling="cls")
    titles = recommender.vectors([recommender.texts.joined([item]) for item in range(60)])
    users = recommender.vectors([recommender.texts.joined(np.array([item])) for item in range(60)])
    assert (users @ titles.T).argmax(dim=1).tolist() == list(range(60))


def test_a_users_text_joins_the_last_titles_oldest_first(untrained: LlmRec) -> None:
    titles, unknown = untrained.domains.tokens, 1  # the pico tokenizer does not know the separator
    assert untrained.texts.joined([4]) == [2, *titles[4], 3]
    assert untrained.texts.joined([4, 7]) == [2, *titles[4], unknown, *titles[7], 3]


def test_only_the_last_titles_are_read(planted: Planted) -> None:
    task, queries, _ = planted
    recommender = fitted(task, epochs=0, max_history=3)
    last = [queries.history(query)[-3:] for query in range(len(queries))]
    shortened = replace(
        queries,
        history_indptr=np.arange(len(queries) + 1, dtype=np.int64) * 3,
        history_items=np.concatenate(last),
    )
    np.testing.assert_array_equal(recommender.score(queries), recommender.score(shortened))


def test_a_score_is_the_dot_product_of_the_two_vectors(untrained: LlmRec, planted: Planted) -> None:
    queries = planted[1]
    scores = untrained.score(queries)
    for query in (0, 17):
        user = untrained.vectors([untrained.texts.joined(queries.history(query)[-8:])])[0]
        items = untrained.vectors([untrained.texts.joined([item]) for item in queries.candidates[query]])
        np.testing.assert_allclose(scores[query], (items @ user).numpy(), rtol=1e-4, atol=1e-4)


def test_permuting_candidates_permutes_scores(untrained: LlmRec, planted: Planted) -> None:
    order = np.random.default_rng(0).permutation(30)
    scores = untrained.score(planted[1])
    np.testing.assert_allclose(untrained.score(permuted(planted[1], order)), scores[:, order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pool", [12, 64])
def test_negatives_are_the_domains_own_and_never_the_users(planted: Planted, pool: int) -> None:
    recommender = fitted(planted[0], epochs=0, domains="all", negative_pool=pool)
    domains, seen = recommender.domains, 0
    for batch in recommender.batches(np.random.default_rng(0)):
        assert len(np.unique(batch.items)) == len(batch.items)
        assert len(np.unique(domains.item_domain[batch.items])) == 1
        assert np.isin(batch.items, np.flatnonzero(domains.trained)).all()
        assert batch.columns.shape == batch.allowed.shape == (len(batch.histories), 11)
        for history, columns, allowed in zip(batch.histories, batch.columns, batch.allowed, strict=True):
            negatives = batch.items[columns[1:][allowed[1:]]]
            assert len(set(negatives)) == len(negatives)
            assert not set(negatives) & {*history.tolist(), batch.items[columns[0]]}
            seen += len(negatives)
    assert seen > 500


def test_negatives_avoid_what_the_user_touched_after_the_target(planted: Planted) -> None:
    recommender = fitted(planted[0], epochs=0)
    domains = recommender.domains
    whole = [domains.history(user) for user in range(80)]
    checked = 0
    for batch in recommender.batches(np.random.default_rng(1)):
        for history, columns, allowed in zip(batch.histories, batch.columns, batch.allowed, strict=True):
            matching = [items for items in whole if items[: len(history)].tolist() == history.tolist()]
            if len(matching) == 1:
                negatives = batch.items[columns[1:][allowed[1:]]]
                assert not np.isin(negatives, matching[0]).any()
                checked += 1
    assert checked > 20


def test_each_domain_gives_the_same_number_of_examples(planted: Planted) -> None:
    task = planted[0]
    more = planted_groups(n_users=50, seed=9, name="more")
    recommender = fitted(replace(task, sources=(*task.sources, more)), epochs=0, domains="all", max_examples=60)
    counts = np.zeros(3, dtype=int)
    for batch in recommender.batches(np.random.default_rng(0)):
        counts[recommender.domains.item_domain[batch.items[0]]] += len(batch.histories)
    assert counts.tolist() == [20, 20, 20]


def test_the_order_of_the_sources_changes_nothing(planted: Planted) -> None:
    task, queries, _ = planted
    more = planted_groups(n_users=20, seed=9, name="more")
    first, second = (
        fitted(replace(task, sources=sources), epochs=1, domains="all")
        for sources in ((*task.sources, more), (more, *task.sources))
    )
    np.testing.assert_array_equal(first.score(queries), second.score(queries))


def test_an_untitled_item_is_passed_over_in_histories_and_scores_zero(planted: Planted) -> None:
    task, queries, _ = planted
    untitled = replace(task.target, titles=("", *task.target.titles[1:]))
    recommender = fitted(replace(task, target=untitled), epochs=0)
    assert recommender.texts.joined([5, 0, 6]) == recommender.texts.joined([5, 6])
    assert (recommender.score(queries)[queries.candidates == 0] == 0).all()


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_stored_model_scores_the_same_and_is_not_trained_again(planted: Planted, lora_rank: int) -> None:
    task, queries, _ = planted
    first = fitted(task, epochs=1, lora_rank=lora_rank)
    lines: list[str] = []
    second = fitted(replace(task, progress=lines.append), epochs=1, lora_rank=lora_rank)
    assert not lines
    np.testing.assert_array_equal(first.score(queries), second.score(queries))


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_seed_determines_the_scores(tmp_path: Path, pico_encoder_folder: Path, lora_rank: int) -> None:
    scores = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        task, queries, _ = text_blocks(tmp_path / folder, pico_encoder_folder, n_users=40)
        scores.append(fitted(replace(task, seed=seed), epochs=1, lora_rank=lora_rank).score(queries))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_mixing_without_sources_is_refused(planted: Planted) -> None:
    with pytest.raises(BenchError, match="domains=target"):
        fitted(replace(planted[0], sources=()), domains="all")


def test_a_causal_backbone_is_refused(planted: Planted, pico_folder: Path) -> None:
    with pytest.raises(BenchError, match="not an encoder; llmrec needs one, such as --backbone minilm"):
        fitted(replace(planted[0], backbone=str(pico_folder)))


def test_the_record_states_parameters_seconds_and_deviations(planted: Planted) -> None:
    recommender = fitted(planted[0], epochs=1, domains="all")
    report = recommender.report()
    assert FitReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report
    assert report.extra["trained_domains"] == 2
    assert report.training.seconds > 0
    assert len(recommender.deviations()) >= 5


def test_it_is_registered() -> None:
    assert registry().recommender("llmrec") is LlmRec
    assert registry().entry("llmrec").family == "transferable"
