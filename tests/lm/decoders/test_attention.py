"""Attention without a mask: the usual results, and no question to the device before each pass."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from transformers import masking_utils
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from bench.lm.decoders.attention import (
    PLAINLY_CAUSAL,
    SHARING_KEYS,
    causal_attention,
    key_sharing_attention,
    plainly_causal,
    sharing_keys,
)
from bench.lm.decoders.causal import CausalLanguageModel, until

TOKENS = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 0, 0]])
"""The second row is padded on the right."""


@pytest.fixture
def questions() -> Iterator[list[torch.Tensor]]:
    """The positions about which transformers asks whether they are those of several texts."""
    asked: list[torch.Tensor] = []
    ordinary = masking_utils.find_packed_sequence_indices

    def noted(position_ids: torch.Tensor) -> torch.Tensor | None:
        asked.append(position_ids)
        return ordinary(position_ids)

    with patch.object(masking_utils, "find_packed_sequence_indices", noted):
        yield asked


def hidden_states(lm: CausalLanguageModel) -> torch.Tensor:
    with torch.no_grad():
        states: torch.Tensor = lm.model.get_decoder()(input_ids=TOKENS, use_cache=False).last_hidden_state
    return states


def test_the_states_are_the_usual_ones_bit_for_bit_and_nothing_is_asked(
    pico: CausalLanguageModel, questions: list[torch.Tensor]
) -> None:
    expected = hidden_states(pico)
    assert len(questions) == 1
    with plainly_causal(pico.model):
        assert pico.model.config._attn_implementation == PLAINLY_CAUSAL
        found = hidden_states(pico)
    assert len(questions) == 1
    assert torch.equal(found, expected)
    assert pico.model.config._attn_implementation == "sdpa"


def test_padding_on_the_right_changes_no_state_before_it(pico: CausalLanguageModel) -> None:
    with plainly_causal(pico.model), torch.no_grad():
        alone = pico.model.get_decoder()(input_ids=TOKENS[1:, :3], use_cache=False).last_hidden_state
        padded = hidden_states(pico)[1:, :3]
    torch.testing.assert_close(padded, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("_attn_implementation", "eager"), ("sliding_window", 2), ("layer_types", ["sliding_attention"])],
)
def test_models_that_need_their_masks_keep_their_attention(
    pico: CausalLanguageModel, monkeypatch: pytest.MonkeyPatch, setting: str, value: object
) -> None:
    monkeypatch.setattr(pico.model.config, setting, value)
    before = pico.model.config._attn_implementation
    with plainly_causal(pico.model):
        assert pico.model.config._attn_implementation == before


def test_logits_are_computed_without_asking(pico: CausalLanguageModel, questions: list[torch.Tensor]) -> None:
    assert torch.isfinite(pico.logits_after([[5, 6, 7], [8, 9]])).all()
    assert not questions


@pytest.mark.parametrize("block_tokens", [3, 7, 100], ids=lambda n: f"blocks of {n}")
@pytest.mark.parametrize("n_key_heads", [1, 2, 4])
def test_in_bfloat16_gradients_on_a_cpu_are_those_of_fused_attention(
    monkeypatch: pytest.MonkeyPatch, n_key_heads: int, block_tokens: int
) -> None:
    monkeypatch.setattr("bench.lm.decoders.attention.BLOCK_TOKENS", block_tokens)
    torch.manual_seed(0)
    shapes = [(2, heads, 7, 8) for heads in (4, n_key_heads, n_key_heads)]
    drawn = [torch.randn(shape).to(torch.bfloat16) for shape in shapes]
    narrow, exact = (
        [one.detach().to(dtype).requires_grad_() for one in drawn] for dtype in (torch.bfloat16, torch.float32)
    )
    expected = torch.nn.functional.scaled_dot_product_attention(*exact, is_causal=True, enable_gqa=True).transpose(1, 2)
    with patch("torch.nn.functional.scaled_dot_product_attention", side_effect=AssertionError("slow gradients")):
        found, weights = causal_attention(None, *narrow, attention_mask=None)
    assert weights is None
    upstream = torch.randn_like(expected)
    expected.backward(upstream)
    found.backward(upstream.to(torch.bfloat16))
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)
    for one, other in zip(narrow, exact, strict=True):
        torch.testing.assert_close(one.grad.float(), other.grad, rtol=0.05, atol=0.05)


def test_a_new_token_attends_to_shared_keys_as_to_copies_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 6, 1, 8, generator=generator)
    key, value = torch.randn(2, 2, 2, 5, 8, generator=generator)
    is_visible = torch.tensor([[True] * 5, [False, False, True, True, False]])[:, None, None]
    layer = SimpleNamespace(num_key_value_groups=3, is_causal=True)
    for mask in (is_visible, None):
        expected, _ = sdpa_attention_forward(layer, query, key, value, mask, scaling=0.3)
        found, _ = key_sharing_attention(layer, query, key, value, mask, scaling=0.3)
        assert found.shape == (2, 1, 6, 8)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_greedy_answers_are_those_of_the_usual_attention(pico: CausalLanguageModel, implementation: str) -> None:
    prompts = [[5, 6, 7, 8, 9], [9, 8, 7]]
    usual = [
        pico.model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=6, do_sample=False, pad_token_id=0)[0]
        for prompt in prompts
    ]
    expected = [
        until(ids[len(prompt) :].tolist(), pico.tokenizer.eos_token_id)
        for ids, prompt in zip(usual, prompts, strict=True)
    ]
    pico.model.set_attn_implementation(implementation)
    try:
        assert pico.greedy_ids(prompts, 6) == expected
        with sharing_keys(pico.model):
            assert (pico.model.config._attn_implementation == SHARING_KEYS) == (implementation == "sdpa")
        assert pico.model.config._attn_implementation == implementation
    finally:
        pico.model.set_attn_implementation("sdpa")
