from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from bench.errors import BenchError
from bench.lm.prompts.shared import plain_chat
from bench.lm.prompts.yes_no import NO, SYSTEM_LINE, USER_TURN, YES, answer_tokens, log_odds, question_parts


def test_logits_two_and_nought_give_the_known_probability() -> None:
    odds = log_odds(torch.tensor([[2.0, 0.0], [0.7, 0.7]]), 1)
    assert odds.sigmoid().tolist() == pytest.approx([0.880797, 0.5], abs=1e-6)


def test_variants_of_an_answer_add_up_their_probabilities() -> None:
    odds = log_odds(torch.tensor([[0.4, 0.1, 0.3, 0.2]]).log(), 2)
    assert odds.sigmoid().item() == pytest.approx(0.5)


def test_a_softmax_of_probabilities_would_order_otherwise() -> None:
    """Three tokens, the third neither answer: the ratio decides here, their difference in the authors' evaluator."""
    first, second = torch.tensor([0.09, 0.01, 0.9]), torch.tensor([0.6, 0.4, 0.0])
    twice = [torch.softmax(both[:2], 0)[0].item() for both in (first, second)]
    ours = [log_odds(both[:2].log(), 1).item() for both in (first, second)]
    assert twice[0] < twice[1]
    assert ours[0] > ours[1]
    printed = torch.tensor([2.0, 0.0, -30.0]).softmax(0)[:2].softmax(0)[0].item()
    assert printed == pytest.approx(0.6817, abs=1e-4)


def test_answers_are_told_apart_by_their_first_tokens_with_and_without_a_space(pico_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(pico_folder)
    yes, no = answer_tokens(tokenizer)
    assert not set(yes) & set(no)
    for answer, tokens in ((YES, yes), (NO, no)):
        firsts = {tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in (answer, " " + answer)}
        assert {token for token in firsts if tokenizer.decode(token).strip()} <= set(tokens)
        assert all(answer.startswith(tokenizer.decode(token).strip()) for token in tokens)


class OneTokenTokenizer:
    def __call__(self, _text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [7]}

    def decode(self, _token: int) -> str:
        return "x"


def test_a_tokenizer_that_begins_both_answers_alike_is_refused() -> None:
    with pytest.raises(BenchError, match="with the same first token"):
        answer_tokens(OneTokenTokenizer())


def test_a_question_reads_as_one_text_with_the_item_on_a_line_of_its_own() -> None:
    opening, closing = question_parts(["First", "Second"], plain_chat)
    text = opening + "Third" + closing
    assert text == plain_chat(SYSTEM_LINE, USER_TURN.format(history="First\nSecond", item="Third"))
    assert opening.endswith("\n")
    assert closing.startswith("\n")
