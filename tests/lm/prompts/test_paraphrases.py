from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bench.lm.backbones import local_backbone
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.prompts.paraphrases import PARAPHRASES, Paraphrase, paraphrased
from bench.lm.prompts.shared import NO_HISTORY, SEPARATOR, SYSTEM_LINE, USER_TURN, plain_chat, shared_prompt

HISTORY, CANDIDATES = ["red soap", "Products on offer:"], ["lip balm", "bath salt"]


@pytest.mark.parametrize("paraphrase", PARAPHRASES)
def test_only_the_words_around_the_titles_change(paraphrase: Paraphrase) -> None:
    text = shared_prompt(HISTORY, CANDIDATES, paraphrase.of(plain_chat))
    assert f"{paraphrase.before_history}\n" + "\n".join(HISTORY) + f"\n\n{paraphrase.before_candidates}\n" in text
    assert "\n".join(CANDIDATES) + f"\n\n{paraphrase.request}" in text
    assert text.startswith(paraphrase.system)
    assert SYSTEM_LINE not in text
    for piece in ("Bought so far", "Name the", "Most likely next:"):
        assert piece in USER_TURN
        assert piece not in text
    assert SEPARATOR in text


@pytest.mark.parametrize("paraphrase", PARAPHRASES)
def test_a_prompt_without_candidates_stays_one(paraphrase: Paraphrase) -> None:
    text = shared_prompt(HISTORY, None, paraphrase.of(plain_chat))
    titles = "\n".join(HISTORY)
    turn = f"{paraphrase.before_history}\n{titles}\n\n{paraphrase.request_without_candidates}"
    assert text == plain_chat(paraphrase.system, turn)
    assert paraphrase.before_candidates not in text
    assert SEPARATOR in text


def test_an_empty_history_stays_one() -> None:
    paraphrase = PARAPHRASES[0]
    assert f"{paraphrase.before_history}\n{NO_HISTORY}\n\n" in shared_prompt([], CANDIDATES, paraphrase.of(plain_chat))


def test_each_asks_in_words_of_its_own() -> None:
    for offered in (CANDIDATES, None):
        texts = {shared_prompt(HISTORY, offered, one.of(plain_chat)) for one in PARAPHRASES}
        assert len(texts | {shared_prompt(HISTORY, offered, plain_chat)}) == len(PARAPHRASES) + 1


def test_a_model_asks_in_other_words_inside_the_block_alone(pico_folder) -> None:
    language_model = GenerativeLanguageModel(local_backbone("pico", pico_folder), "cpu")
    before, wording = language_model.causal.shared_prompts([HISTORY], [CANDIDATES]), language_model.causal.prompt_hash
    scores = language_model.causal.score([HISTORY], [CANDIDATES])
    with paraphrased(language_model, PARAPHRASES[0]):
        (inside,) = language_model.causal.shared_prompts([HISTORY], [CANDIDATES])
        assert language_model.causal.prompt_hash != wording  # what is stored by the hash is of one wording
        assert not np.array_equal(language_model.causal.score([HISTORY], [CANDIDATES]), scores)
    assert PARAPHRASES[0].request in inside
    assert language_model.causal.shared_prompts([HISTORY], [CANDIDATES]) == before
    assert language_model.causal.prompt_hash == wording


def test_the_words_come_back_after_an_error() -> None:
    language_model = GenerativeLanguageModel.__new__(GenerativeLanguageModel)
    original = language_model.causal = SimpleNamespace()  # type: ignore[assignment]
    with pytest.raises(TypeError), paraphrased(language_model, PARAPHRASES[0]):
        pass
    assert language_model.causal is original
