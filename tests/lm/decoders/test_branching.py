from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.lm.decoders import branching
from bench.lm.decoders.branching import Branching, last_hidden_states

PROMPTS = [[5, 9, 2, 7, 3], [4], [8, 8, 1]]
BRANCHES = [[[3, 1], [6, 2, 9, 4], []], [[7], [5, 5]], [[], []]]


def laid_out(pico, prompts=PROMPTS, branches=BRANCHES) -> Branching:
    return Branching.of(prompts, branches, pico.model.dtype, pico.device)


def hidden_states_one_by_one(pico, prompts) -> list[torch.Tensor]:
    """Each branch behind its prompt in a pass of its own, its tokens' states joined in order."""
    decoder = pico.model.get_decoder()
    return [
        decoder(torch.tensor([prompt + branch])).last_hidden_state[0, len(prompt) :]
        for prompt, row in zip(prompts, BRANCHES, strict=True)
        for branch in row
    ]


WITH_A_COMMON_BEGINNING = [[5, 9, 2, 7, 3], [5, 9], [5, 9, 8]]


@pytest.mark.parametrize("fused_width", [1, 10**6])
@pytest.mark.parametrize("prompts", [PROMPTS, WITH_A_COMMON_BEGINNING, [[5, 9]] * 3])
@pytest.mark.parametrize("block_tokens", [1, 2, 3, 128])
def test_a_branch_reads_as_if_it_stood_alone_behind_its_prompt(pico, monkeypatch, block_tokens, prompts, fused_width):
    monkeypatch.setattr(branching, "BLOCK_TOKENS", block_tokens)
    monkeypatch.setattr(branching, "FUSED_WIDTH", fused_width)
    batch = laid_out(pico, prompts)
    with torch.no_grad():
        hidden = last_hidden_states(pico.model, batch)
        expected = torch.cat(hidden_states_one_by_one(pico, prompts))
        ends = [pico.model.get_decoder()(torch.tensor([prompt])).last_hidden_state[0, -1] for prompt in prompts]
    torch.testing.assert_close(hidden[batch.branch_rows], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(hidden[batch.prompt_ends], torch.stack(ends), atol=1e-5, rtol=1e-5)


def test_no_token_is_padding_and_branches_start_where_their_prompt_ends(pico):
    batch = laid_out(pico)
    assert batch.token_ids.shape == (1, sum(map(len, PROMPTS)) + 9)
    assert batch.position_ids[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 0, 1, 1, 2, 0, 1, 2]
    assert batch.prompt_ends.tolist() == [4, 11, 17]
    rows = np.concatenate([np.arange(block.rows.start, block.rows.stop) for block in batch.blocks])
    assert sorted(rows.tolist()) == list(range(18))


def test_what_all_prompts_begin_with_is_read_once(pico):
    batch = laid_out(pico, WITH_A_COMMON_BEGINNING)
    assert batch.token_ids.shape == (1, 2 + 3 + 0 + 1 + 9)
    assert batch.token_ids[0].tolist() == [5, 9, 2, 7, 3, 3, 1, 6, 2, 9, 4, 7, 5, 5, 8]
    assert batch.position_ids[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 2, 2, 3, 2]
    assert batch.prompt_ends.tolist() == [4, 1, 14]
    assert laid_out(pico, [[5, 9]], [[[1]]]).token_ids.tolist() == [[5, 9, 1]]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_model_attends_as_before_afterwards_even_if_reading_failed(pico, attention):
    pico.model.set_attn_implementation(attention)
    last_hidden_states(pico.model, laid_out(pico))
    assert pico.model.config._attn_implementation == attention
    pico.model.model.layers[0].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        last_hidden_states(pico.model, laid_out(pico))
    assert pico.model.config._attn_implementation == attention


def test_a_model_that_attends_its_own_way_is_refused(pico, monkeypatch):
    monkeypatch.setattr(pico.model, "set_attn_implementation", lambda _name: None)
    with pytest.raises(BenchError, match="does not use the attention interface of transformers"):
        last_hidden_states(pico.model, laid_out(pico))


def test_key_heads_are_repeated_on_an_accelerator_alone(monkeypatch) -> None:
    asked, attend = [], branching.F.scaled_dot_product_attention

    def spy(queries, keys, values, **settings):
        asked.append((keys, settings["enable_gqa"]))
        return attend(queries, keys, values, **settings)

    monkeypatch.setattr(branching.F, "scaled_dot_product_attention", spy)
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(heads, 3, 8, generator=generator) for heads in (4, 2, 2))
    mask = torch.zeros(3, 3)
    found = branching._fused(queries, keys, values, mask)
    alone = branching._fused(queries, keys.repeat_interleave(2, 0), values.repeat_interleave(2, 0), mask)
    torch.testing.assert_close(found, alone)
    there = branching._fused(*(each.to("meta") for each in (queries, keys, values, mask)))
    assert there.shape == found.shape == (3, 4, 8)
    assert [(len(heads[0]), shared) for heads, shared in asked] == [(2, True), (4, False), (4, False)]
