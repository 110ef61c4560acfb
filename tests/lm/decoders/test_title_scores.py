from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.files.store import ArtifactStore
from bench.lm.backbones import local_backbone
from bench.lm.decoders import title_scores as module
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.decoders.title_scores import (
    SCORINGS,
    Scoring,
    TitlePriors,
    counting,
    likelihoods_alone,
    title_scores,
)
from bench.lm.language_model import Reading
from bench.lm.loading import load_language_model
from bench.lm.prompts.paraphrases import PARAPHRASES, paraphrased
from bench.lm.prompts.shared import SEPARATOR, chat_format, shared_prompt
from bench.lm.toys.tiny_decoder import TinyParams, tiny_backbone
from bench.plugin import Task
from tests.support.heard import Heard
from tests.support.recbole_toy import queries_of, task_of
from tests.support.text_toys import domain_of, made_up_titles, planted_groups

MAX_DIFFERENCE = 1e-4
HISTORIES = [["Acme soap", "Brush no 3 for long hair", "Cream"], ["Cream"], []]
CANDIDATES = [[*made_up_titles(9)[row : row + 6], "Acme soap"] for row in range(3)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CausalLanguageModel:
    """The tiny decoder, hardly trained."""
    params = TinyParams(steps=2, batch=2, row_tokens=64)
    store = ArtifactStore(tmp_path_factory.mktemp("tiny"))
    folder = tiny_backbone([planted_groups(20)], store, lambda _line: None, params)
    causal = GenerativeLanguageModel(local_backbone("tiny", folder, toy=True)).causal
    return dataclasses.replace(causal, model=causal.model.float())


def direct(causal: CausalLanguageModel, history: Sequence[str], offered: Sequence[str] | None, title: str) -> float:
    """Return log P(title, separator) after the prompt, one token after the other in passes of their own."""
    prompt = causal.token_ids([shared_prompt(history, offered, chat_format(causal.tokenizer))])[0]
    total = 0.0
    for token in causal.token_ids([title + SEPARATOR])[0]:
        with torch.no_grad():
            logits = causal.model(torch.tensor([prompt])).logits[0, -1]
        total += float(logits.log_softmax(-1)[token])
        prompt = [*prompt, token]
    return total


@pytest.mark.parametrize("with_candidates", [True, False])
@pytest.mark.parametrize("scoring", SCORINGS)
def test_each_score_of_tiny_is_that_of_a_direct_computation(
    tiny: CausalLanguageModel, scoring: Scoring, with_candidates: bool
) -> None:
    causal = dataclasses.replace(tiny, with_candidates=with_candidates)
    found = title_scores(causal, HISTORIES, CANDIDATES, "list", scoring)
    for row, column in ((0, 0), (0, 6), (1, 3), (2, 5)):
        title = CANDIDATES[row][column]
        offered = CANDIDATES[row] if with_candidates else None
        expected = direct(tiny, HISTORIES[row], offered, title)
        if scoring.startswith("prior-corrected"):
            expected -= direct(tiny, [], offered, title)
        if scoring.endswith("mean"):
            expected /= len(tiny.token_ids([title + SEPARATOR])[0])
        assert found[row, column] == pytest.approx(expected, abs=MAX_DIFFERENCE)
    if scoring.startswith("prior-corrected"):
        np.testing.assert_allclose(found[2], 0, atol=MAX_DIFFERENCE)


def test_titles_are_cut_alike_in_prompt_and_answer(tiny: CausalLanguageModel) -> None:
    cut = dataclasses.replace(tiny, title_words=2)
    (prompt,) = cut.shared_prompts([["Brush no 3 for long hair"]], [["One two three", "Four"]])
    assert "\nBrush no\n" in prompt
    assert "\nOne two\nFour\n" in prompt
    short = [["Brush no"]], [["One two", "Four"]]
    np.testing.assert_array_equal(
        cut.score([["Brush no 3 for long hair"]], [["One two three", "Four"]]), tiny.score(*short)
    )
    assert cut.prompt_hash != tiny.prompt_hash


def test_the_prior_of_a_title_is_computed_once_and_found_again_by_other_processes(
    tiny: CausalLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    causal = dataclasses.replace(tiny, with_candidates=False)
    asked: list[list[str]] = []

    def counted(causal: CausalLanguageModel, titles: Sequence[str], *others: Any) -> np.ndarray:
        asked.append(list(titles))
        return likelihoods_alone(causal, titles, *others)

    monkeypatch.setattr(module, "likelihoods_alone", counted)
    priors = TitlePriors(ArtifactStore(tmp_path), ("model",))
    first = priors.rows(causal, CANDIDATES[:2], "list")
    both = priors.rows(causal, CANDIDATES, "list")
    distinct = {title for row in CANDIDATES for title in row}
    assert sorted(title for titles in asked for title in titles) == sorted(distinct)
    np.testing.assert_array_equal(both[:2], first)
    again = TitlePriors(ArtifactStore(tmp_path), ("model",)).rows(causal, CANDIDATES[:2], "list")
    np.testing.assert_array_equal(again, first)
    assert len(asked) == 2
    TitlePriors(ArtifactStore(tmp_path), ("other",)).rows(causal, CANDIDATES[:2], "list")
    assert len(asked) == 3


def test_more_titles_than_fit_behind_one_prompt_have_the_same_priors(tiny: CausalLanguageModel) -> None:
    causal = dataclasses.replace(tiny, with_candidates=False)
    titles = made_up_titles(40)
    alone = [likelihoods_alone(causal, [title], "list")[0] for title in (titles[0], titles[39])]
    np.testing.assert_allclose(likelihoods_alone(causal, titles, "list")[[0, 39]], alone, atol=MAX_DIFFERENCE)


def test_each_pass_is_reported(tiny: CausalLanguageModel) -> None:
    causal, heard = dataclasses.replace(tiny, with_candidates=False, batch_tokens=1), Heard()
    counted = counting(heard, "scoring", len(HISTORIES), "queries")
    titles = {title for row in CANDIDATES for title in row}
    title_scores(causal, HISTORIES, CANDIDATES, "list", "prior-corrected", None, heard, counted)
    assert heard.steps == [
        *(("scoring", done, len(HISTORIES)) for done in range(len(HISTORIES) + 1)),
        *(("scoring titles without a history", done, len(titles)) for done in (0, len(titles))),
    ]


def prior_corrected_task(backbone: Path, folder: Path) -> Task:
    """Return a task of four queries, scored with priors."""
    rng = np.random.default_rng(0)
    histories = [[int(item) for item in rng.permutation(40)[:4]] for _ in range(4)]
    validation = queries_of(histories, [0] * 4, 40, rng)
    task: Task = task_of(domain_of(histories, made_up_titles(40)), validation, folder)
    return dataclasses.replace(task, backbone=str(backbone), ranking="prior-corrected")


def test_priors_belong_to_one_wording(pico_folder: Path, tmp_path: Path) -> None:
    task = prior_corrected_task(pico_folder, tmp_path)
    asked = (None, task.target, task.validation, task.progress)

    def loaded(store: ArtifactStore | None) -> GenerativeLanguageModel:
        model = GenerativeLanguageModel(local_backbone("pico", pico_folder))
        model.store = store
        model.set_up(Reading(candidates_in_prompt=False), task.ranking)
        return model

    first, second, without_store = loaded(task.artifacts), loaded(task.artifacts), loaded(None)
    usual = first.score_with(*asked)
    with paraphrased(without_store, PARAPHRASES[0]):
        expected = without_store.score_with(*asked)
    for each in (first, second):  # with the usual priors in memory, and in the store alone
        with paraphrased(each, PARAPHRASES[0]):
            np.testing.assert_array_equal(each.score_with(*asked), expected)
    np.testing.assert_array_equal(first.score_with(*asked), usual)


def test_priors_belong_to_one_adapter(tiny: CausalLanguageModel, pico_folder: Path, tmp_path: Path) -> None:
    from bench.lm.adapters.adapter import LoraRecipe
    from tests.support.adapter_training import trained

    task = prior_corrected_task(pico_folder, tmp_path)
    model = load_language_model(task, Reading(candidates_in_prompt=False))
    recipe = LoraRecipe(rank=4, alpha=8, learning_rate=1e-1, batch_size=4, max_examples=8, candidates_in_prompt=False)
    adapter, _ = trained(model, [task.target], recipe)
    asked = (task.target, task.validation, task.progress)
    bare, adapted, again = (model.score_with(one, *asked) for one in (None, adapter, None))
    np.testing.assert_array_equal(bare, again)
    assert np.abs(bare - adapted).max() > MAX_DIFFERENCE
    assert len(list((task.artifacts.root / module.KIND).iterdir())) == 2
