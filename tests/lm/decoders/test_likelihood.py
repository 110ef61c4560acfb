from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import local_backbone
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.examples import titles_of
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.prompts.shared import clean_title
from bench.plugin import Answers, Queries
from tests.support.adapter_training import trained

RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, batch_size=4, max_examples=24, epochs=4, warmup_steps=2)


@pytest.fixture(scope="module")
def generative(pico_folder: Path) -> GenerativeLanguageModel:
    return GenerativeLanguageModel(local_backbone("pico", pico_folder))


@pytest.fixture(scope="module")
def queries() -> Queries:
    rng = np.random.default_rng(0)
    candidates = np.stack([rng.permutation(40)[:30] for _ in range(3)]).astype(np.int32)
    return Queries(np.arange(3), np.array([0, 2, 3, 6]), rng.integers(40, size=6).astype(np.int32), candidates)


def test_an_epoch_holds_each_sampled_prefix_once_and_never_more_than_asked(generative, make_domain) -> None:
    domain = make_domain()
    batches = list(generative.batches([domain], RECIPE, np.random.default_rng(0)))
    assert sum(n for _, n in batches) == 24
    assert len(batches) == 6
    assert generative.count_examples([domain], RECIPE) == 24
    answers = {prompt.answer for batch, _ in batches for prompt in batch}
    assert answers <= {clean_title(title) for title in domain.titles}


def test_the_answer_stands_among_the_offered_titles_and_not_in_the_history(generative, make_domain) -> None:
    domain = make_domain(n_items=60)
    for batch, _ in generative.batches([domain], RECIPE, np.random.default_rng(1)):
        for prompt in batch:
            assert prompt.answer in prompt.shared


def test_training_lowers_the_loss_and_changes_scores(generative, make_domain, queries) -> None:
    domain = make_domain(n_users=260)
    before = generative.score(domain, queries, lambda _line: None)
    adapter, log = trained(generative, [domain], RECIPE)
    with folded(generative.model, adapter):
        after = generative.score(domain, queries, lambda _line: None)
    assert before.shape == after.shape == (3, 30)
    assert np.mean(log.losses[-6:]) < np.mean(log.losses[:6])
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_array_equal(generative.score(domain, queries, lambda _line: None), before)


def test_the_loss_of_held_out_answers_is_recorded_at_each_check_and_nothing_is_scored_for_a_temperature(
    generative, make_domain, queries, monkeypatch
) -> None:
    domain, asked = make_domain(n_users=260), []
    answers = Answers(np.array([0, 4, 29]))
    score = GenerativeLanguageModel.scores_in_training
    monkeypatch.setattr(GenerativeLanguageModel, "scores_in_training", lambda *told: asked.append(told) or score(*told))
    recipe = dataclasses.replace(RECIPE, checks_an_epoch=1, epochs=2, decay_share=0.0)
    adapter, log = trained(generative, [domain], recipe, validation=[(domain, queries, answers)])
    assert adapter.temperature is not None
    assert len(log.held_out_losses) == 3
    assert len(log.validation) == len(asked) == 2  # before training and of the kept state
    prompts = generative.held_out(domain, queries, answers)
    assert [prompt.answer for prompt in prompts] == [
        clean_title(domain.titles[row[column]])
        for row, column in zip(queries.candidates, answers.positive_column, strict=True)
    ]
    with torch.no_grad():
        assert log.held_out_losses[0] == pytest.approx(float(generative.loss(prompts)), rel=1e-4)


def test_entropy_is_a_scalar_between_zero_and_the_uniform_one(generative, make_domain, queries) -> None:
    with torch.no_grad():
        entropy = generative.entropy(make_domain(), queries)
    assert entropy.shape == ()
    assert 0 < entropy.item() <= np.log(generative.causal.model.config.vocab_size)


def test_a_temperature_divides_the_logits(generative, make_domain, queries) -> None:
    domain = make_domain()
    with torch.no_grad():
        plain = generative.entropy(domain, queries).item()
        assert generative.entropy(domain, queries, temperature=1.0).item() == pytest.approx(plain)
        hot = generative.entropy(domain, queries, temperature=1e6).item()
    assert hot == pytest.approx(np.log(generative.causal.model.config.vocab_size), abs=1e-4)
    assert hot > plain


def test_as_many_tokens_count_as_are_asked_for(generative, make_domain, queries, monkeypatch) -> None:
    domain, causal = make_domain(), generative.causal
    monkeypatch.setattr(CausalLanguageModel, "greedy_ids", lambda *_arguments: [[1, 2, 3, 4, 5, 6]] * len(queries))
    with torch.no_grad():
        prompts = causal.prompt_ids(*titles_of(domain, queries))
        logits = torch.stack([causal.model(torch.tensor([[*ids, 1, 2, 3, 4]])).logits[0, -5:] for ids in prompts])
        five = generative.entropy(domain, queries, n_tokens=5).item()
        assert five == pytest.approx(softmax_entropy(logits.float()).mean().item(), abs=1e-3)
        assert generative.entropy(domain, queries).item() != pytest.approx(five, abs=1e-7)
