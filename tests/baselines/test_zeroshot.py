from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.text_knn import TextNearestNeighbor
from bench.baselines.zeroshot import ZeroShot

from bench.errors import BenchError
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import local_backbone
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.likelihood import MAX_HISTORY, GenerativeLanguageModel
from bench.lm.prompts.shared import chat_format, prompt_hash
from bench.lm.training.attachment import attached
from bench.plugin import NoParams, Queries, Task
from bench.runs.params import named_params
from tests.support.adapter_training import trained
from tests.support.recbole_toy import queries_of, task_of
from tests.support.text_toys import domain_of, made_up_titles

SMALL = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, batch_size=8, max_examples=16)


@pytest.fixture
def task(tmp_path: Path, pico_folder: Path) -> Task:
    rng = np.random.default_rng(0)
    histories = [[int(item) for item in rng.permutation(40)[:5]] for _ in range(6)]
    validation = queries_of(histories, [int(rng.integers(40)) for _ in histories], 40, rng)
    task = task_of(domain_of(histories, made_up_titles(40)), validation, tmp_path)
    return dataclasses.replace(task, backbone=str(pico_folder))


def fitted(task: Task, **params: Any) -> ZeroShot:
    recommender = ZeroShot(ZeroShot.Params(**params))
    recommender.fit(task)
    return recommender


def test_scores_are_those_of_the_bare_backbone(task: Task, pico_folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recommender = fitted(dataclasses.replace(task, ranking="sum"))
    model = AutoModelForCausalLM.from_pretrained(pico_folder, dtype=recommender.language_model.model.dtype).eval()
    bare = CausalLanguageModel(model, AutoTokenizer.from_pretrained(pico_folder), max_history=MAX_HISTORY)
    titles, queries = task.target.titles, task.validation
    histories = [[titles[item] for item in queries.history(row)] for row in range(len(queries))]
    candidates = [[titles[item] for item in row] for row in queries.candidates]
    np.testing.assert_array_equal(recommender.score(queries), bare.score(histories, candidates, style="list"))
    assert recommender.report().trained_parameters == 0
    assert recommender.report().extra["scored_answer"] == "list"


def test_each_scoring_is_made_of_the_two_likelihoods_and_stated(task: Task) -> None:
    titles, queries = task.target.titles, task.validation
    causal = fitted(task).language_model.causal
    candidates = [[titles[item] for item in row] for row in queries.candidates]
    n_tokens = np.array([[len(ids) for ids in causal.token_ids([f"{one}||" for one in row])] for row in candidates])
    unseen = causal.score([[]] * len(queries), candidates, style="list")
    total = fitted(dataclasses.replace(task, ranking="sum")).score(queries)
    expected = {
        "sum": total,
        "mean": total / n_tokens,
        "prior-corrected": total - unseen,
        "prior-corrected-mean": (total - unseen) / n_tokens,
    }
    for scoring, scores in expected.items():
        recommender = fitted(dataclasses.replace(task, ranking=scoring))
        np.testing.assert_allclose(recommender.score(queries), scores, atol=1e-4)
        assert recommender.report().extra["scoring"] == scoring


def test_without_a_history_there_is_nothing_but_the_prior(task: Task) -> None:
    queries = dataclasses.replace(
        task.validation,
        history_indptr=np.zeros_like(task.validation.history_indptr),
        history_items=np.empty(0, np.int32),
    )
    for params in ({}, {"candidates_in_prompt": False}):
        scores = fitted(dataclasses.replace(task, ranking="prior-corrected"), **params).score(queries)
        np.testing.assert_allclose(scores, 0, atol=1e-4)


def test_an_encoder_has_no_likelihoods_to_score_by(task: Task, pico_encoder_folder: Path) -> None:
    encoder = dataclasses.replace(task, backbone=str(pico_encoder_folder))
    with pytest.raises(BenchError, match="gives titles no likelihood, which --scoring mean needs"):
        fitted(dataclasses.replace(encoder, ranking="mean"))
    with pytest.raises(BenchError, match="only apply to one: remove them"):
        fitted(encoder, title_words=5)


def test_what_is_read_by_default_leaves_the_id_of_a_run_as_it_was() -> None:
    assert set(named_params(ZeroShot.Params())) == {"n_written", "max_new_tokens"}


def test_shorter_prompts_are_stated_by_their_hash(task: Task) -> None:
    hashes = [
        fitted(task, **params).report().extra["prompt_hash"]
        for params in ({}, {"max_history": 10}, {"title_words": 5}, {"candidates_in_prompt": False})
    ]
    assert len(set(hashes)) == len(hashes)


def test_an_adapter_that_is_switched_off_leaves_the_very_logits_and_scores(task: Task, pico_folder: Path) -> None:
    from peft.tuners.lora import LoraLayer

    language_model = GenerativeLanguageModel(local_backbone("pico", pico_folder))
    prompts = language_model.causal.token_ids(["One prompt", "A rather longer prompt"])
    with torch.no_grad():
        base = language_model.causal.logits_after(prompts)
    adapter, _ = trained(language_model, [task.target], SMALL)
    with torch.no_grad(), attached(language_model.model, SMALL, 0, start=adapter):
        layers = [module for module in language_model.model.modules() if isinstance(module, LoraLayer)]
        switched_on = language_model.causal.logits_after(prompts)
        for layer in layers:
            layer.enable_adapters(False)
        switched_off = language_model.causal.logits_after(prompts)
    assert not torch.equal(switched_on, base)
    assert torch.equal(switched_off, base)
    asked = (task.target, task.validation, task.progress, "list", "sum")
    with folded(language_model.model, adapter):
        adapted = language_model.title_scores(*asked)
    zero = fitted(dataclasses.replace(task, ranking="sum")).score(task.validation)
    assert np.abs(adapted - zero).max() > 1e-4
    np.testing.assert_array_equal(language_model.title_scores(*asked), zero)


def test_the_prompt_is_that_of_the_fine_tuned_systems(task: Task) -> None:
    recommender = fitted(task)
    model = recommender.language_model
    stated = recommender.report().extra["prompt_hash"]
    assert stated == prompt_hash(chat_format(model.causal.tokenizer), MAX_HISTORY)
    assert prompt_hash(max_history=MAX_HISTORY) in GenerativeLanguageModel.objective


def test_with_an_encoder_it_is_the_nearest_neighbor_control(task: Task, pico_encoder_folder: Path) -> None:
    task = dataclasses.replace(task, backbone=str(pico_encoder_folder))
    control = TextNearestNeighbor(NoParams())
    control.fit(task)
    recommender = fitted(task)
    expected = control.score(task.validation)
    np.testing.assert_allclose(recommender.score(task.validation), expected, atol=1e-5)
    assert recommender.report().extra["equals"].startswith("text-knn")


def test_written_lists_are_counted_and_change_no_score(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [[task.target.titles[item] for item in row] for row in task.validation.candidates]

    def written(self: CausalLanguageModel, prompts: list[list[int]], *_: object) -> list[list[int]]:
        prompt = self.tokenizer.decode(prompts[0])
        first = next(row for row in offered if all(title in prompt for title in row))
        return self.token_ids([f"{first[3]}||{first[3]}||nonsense", "nothing that is on offer"])

    recommender = fitted(task, n_written=2)
    monkeypatch.setattr(CausalLanguageModel, "greedy_ids", written)
    np.testing.assert_array_equal(recommender.score(task.validation), fitted(task).score(task.validation))
    lists = recommender.report().extra["lists"]
    assert (lists["n_lists"], lists["share_cut"]) == (2, 1.0)
    assert lists["lenient"]["unknown_share"] == pytest.approx(2 / 4)
    assert lists["lenient"]["duplicate_share"] == pytest.approx(1 / 4)
    assert lists["lenient"]["share_of_lists_without_a_candidate"] == pytest.approx(1 / 2)


def test_the_model_really_writes(task: Task) -> None:
    recommender = fitted(task, n_written=2, max_new_tokens=4)
    recommender.score(task.validation)
    assert recommender.report().extra["lists"]["n_lists"] == 2


def test_an_encoder_is_not_asked_to_write(task: Task, pico_encoder_folder: Path) -> None:
    with pytest.raises(BenchError, match="--backbone smollm2"):
        fitted(dataclasses.replace(task, backbone=str(pico_encoder_folder)), n_written=1)


def test_no_candidate_depends_on_another_ones_column_under_one_prompt(task: Task) -> None:
    """A prompt lists its candidates in order, so their order is part of it; the same order gives the same scores."""
    queries = task.validation
    twice = Queries(
        users=np.repeat(queries.users[:1], 2),
        history_indptr=np.array([0, 5, 10]),
        history_items=np.tile(queries.history(0), 2),
        candidates=np.repeat(queries.candidates[:1], 2, axis=0),
    )
    scores = fitted(task).score(twice)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
