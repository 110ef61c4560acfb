from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.learning.entropy import softmax_entropy
from bench.lm.decoders.answer_entropy import leading_positions
from bench.lm.decoders.causal import CALIBRATED_TOKENS, CausalLanguageModel
from bench.lm.prompts.shared import SEPARATOR, Prompt, title_answer
from tests.support.short_prompts import with_prompts

MAX_DIFFERENCE = 1e-4


@pytest.fixture
def queries(pico_titles):
    """Three queries of unequal history length with 30 candidates each."""
    rng = np.random.default_rng(5)
    histories = [list(rng.choice(pico_titles, size=n)) for n in (6, 1, 3)]
    candidates = [list(rng.choice(pico_titles, size=30, replace=False)) for _ in histories]
    return histories, candidates


def log_likelihood_in_one_pass(lm: CausalLanguageModel, shared: str, answer_ids: list[int]) -> float:
    """The plain way: the whole sequence, logits everywhere."""
    prefix = lm.tokenizer(shared, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([prefix + answer_ids])
    with torch.no_grad():
        log_probabilities = lm.model(ids).logits[0, len(prefix) - 1 : -1].double().log_softmax(-1)
    return float(log_probabilities[torch.arange(len(answer_ids)), answer_ids].sum())


def token_ids(lm, text):
    return lm.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(("attention", "batch_tokens"), [("sdpa", 1), ("sdpa", 10_000), ("eager", 10_000)])
def test_cached_scores_equal_thirty_full_passes(pico, queries, attention, batch_tokens):
    pico.model.set_attn_implementation(attention)
    lm = CausalLanguageModel(pico.model, pico.tokenizer, batch_tokens=batch_tokens)
    histories, candidates = queries
    prompts = lm.shared_prompts(histories, candidates)
    expected = [
        [log_likelihood_in_one_pass(lm, prompt, [*token_ids(lm, title), lm.tokenizer.eos_token_id]) for title in row]
        for prompt, row in zip(prompts, candidates, strict=True)
    ]
    scores = lm.score(histories, candidates)
    assert scores.dtype == np.float32
    assert scores.shape == (3, 30)
    np.testing.assert_allclose(scores, expected, atol=MAX_DIFFERENCE, rtol=0)


def test_scores_of_a_decoder_in_bfloat16_do_not_tie(pico, queries):
    histories, candidates = queries
    halved = CausalLanguageModel(copy.deepcopy(pico.model).to(torch.bfloat16), pico.tokenizer)
    assert [len(set(row)) for row in halved.score(histories, candidates)] == [30] * 3
    prompts, branches = [[7, 8, 9]], [[[token] for token in range(10, 40)]]
    one_token = halved.logits_behind(prompts, branches, [4])
    assert len(set(one_token.ravel())) == 30
    every_token = halved.logits_behind(prompts, branches, list(range(halved.model.config.vocab_size)))
    np.testing.assert_allclose(every_token[..., [4]], one_token, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):  # training needs no exact scores, and is faster without
        rounded = torch.from_numpy(halved.logits_behind(prompts, branches, [4]))
    assert torch.equal(rounded, rounded.bfloat16().float())


def test_answers_drawn_at_a_temperature_are_calibrated_by_it(pico, pico_titles, monkeypatch):
    examples, read = [Prompt("History", title) for title in pico_titles * 20], []
    generator = torch.Generator().manual_seed(0)

    def drawn(_lm, prompts, answers):
        read.extend(answers)
        logits = 6 * torch.randn(10, 25, generator=generator)
        return logits, torch.multinomial((logits / 3).softmax(-1), 1, generator=generator).squeeze(1)

    monkeypatch.setattr(CausalLanguageModel, "_answer_logits", drawn)
    assert pico.answer_temperature(examples) == pytest.approx(3, rel=0.2)
    n_tokens = sum(map(len, pico.answer_ids(read, "title")))
    assert n_tokens == pytest.approx(CALIBRATED_TOKENS, rel=0.2)


def test_permuting_candidates_permutes_likelihoods_under_one_prompt(pico, pico_titles):
    order = np.random.default_rng(0).permutation(30)
    rows = [pico_titles[:30], [pico_titles[column] for column in order]]
    scores = with_prompts(pico, lambda _history: "One prompt").score([[]] * 2, rows)
    np.testing.assert_allclose(scores[1], scores[0][order], atol=MAX_DIFFERENCE)


def test_the_length_of_an_answer_counts_what_ends_it(pico, queries):
    _, candidates = queries
    lengths = np.array([[len(token_ids(pico, title)) + 1 for title in row] for row in candidates])
    np.testing.assert_array_equal(pico.answer_lengths(candidates, "title"), lengths)
    np.testing.assert_array_equal(
        pico.answer_lengths([["Acme soap"]], "list"), [[len(token_ids(pico, "Acme soap" + SEPARATOR))]]
    )


def test_list_style_ends_a_title_with_the_separator(pico):
    expected = log_likelihood_in_one_pass(pico, "A prompt", token_ids(pico, "Acme soap" + SEPARATOR))
    scores = with_prompts(pico, lambda _history: "A prompt").score([[]], [["Acme soap"]], style="list")
    assert scores[0, 0] == pytest.approx(expected, abs=MAX_DIFFERENCE)


def test_logits_are_taken_in_chunks_without_changing_scores(pico, queries, monkeypatch):
    whole = pico.score(*queries)
    monkeypatch.setattr("bench.lm.decoders.causal.CACHED_LOGITS", 7 * pico.model.config.vocab_size)
    monkeypatch.setattr("bench.lm.decoders.causal.ROWS_BY_WIDTH", 0)
    np.testing.assert_allclose(pico.score(*queries), whole, atol=1e-5)


def test_no_queries_give_no_scores(pico):
    assert pico.score([], []).size == 0
    assert pico.generate([]) == []


def test_answer_loss_equals_the_full_computation_with_masked_labels(pico, pico_titles):
    batch = [Prompt("Short prompt\n", pico_titles[0]), Prompt("A prompt that is longer\n", pico_titles[7])]
    prefixes = [token_ids(pico, prompt.shared) for prompt in batch]
    answers = [[*token_ids(pico, prompt.answer), pico.tokenizer.eos_token_id] for prompt in batch]
    width = max(len(p) + len(a) for p, a in zip(prefixes, answers, strict=True))
    ids, labels, mask = (torch.full((2, width), filler) for filler in (0, -100, 0))
    for row, (prefix, answer) in enumerate(zip(prefixes, answers, strict=True)):
        length = len(prefix) + len(answer)
        ids[row, :length] = torch.tensor(prefix + answer)
        labels[row, len(prefix) : length] = torch.tensor(answer)
        mask[row, :length] = 1
    expected = pico.model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss = pico.answer_loss(batch)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    expected_gradient, gradient = (
        torch.autograd.grad(value, pico.model.model.layers[0].mlp.up_proj.weight)[0] for value in (expected, loss)
    )
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-5, rtol=1e-4)


def test_oldest_purchases_are_left_out_until_the_prompt_fits_and_candidates_stay(pico, pico_titles):
    full = pico.shared_prompts([pico_titles[:10]], [pico_titles[10:20]])[0]
    n_tokens = len(token_ids(pico, full))
    lm = CausalLanguageModel(pico.model, pico.tokenizer, max_tokens=n_tokens - 1)
    cut = lm.shared_prompts([pico_titles[:10]], [pico_titles[10:20]])[0]
    assert [title in cut for title in pico_titles[:20]] == [False] + [True] * 19
    least = CausalLanguageModel(pico.model, pico.tokenizer, max_tokens=1)
    shortest = least.shared_prompts([pico_titles[:10]], [pico_titles[10:20]])[0]
    assert [title in shortest for title in pico_titles[:20]] == [False] * 9 + [True] * 11


def test_history_cut_keeps_the_latest(pico, pico_titles):
    lm = CausalLanguageModel(pico.model, pico.tokenizer, max_history=2)
    text = lm.shared_prompts([pico_titles[:5]], [pico_titles[10:12]])[0]
    assert [title in text for title in pico_titles[:5]] == [False] * 3 + [True] * 2


def test_logits_after_prompts_are_those_of_the_full_pass(pico):
    prompts = ["One", "A rather longer prompt"]
    expected = [pico.model(torch.tensor([token_ids(pico, prompt)])).logits[0, -1] for prompt in prompts]
    torch.testing.assert_close(pico.logits_after(pico.token_ids(prompts)), torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_generation_is_greedy_whatever_else_is_in_the_batch(pico):
    prompts = ["One", "A rather longer prompt about soap"]
    alone = []
    for prompt in prompts:
        ids = token_ids(pico, prompt)
        for _ in range(6):
            ids.append(int(pico.model(torch.tensor([ids])).logits[0, -1].argmax()))
        alone.append(pico.tokenizer.decode(ids[-6:], skip_special_tokens=True))
    assert pico.generate(prompts, max_new_tokens=6) == alone


def test_generation_ends_at_the_end_token(pico):
    end = pico.tokenizer.eos_token_id
    favor_end = torch.zeros(len(pico.tokenizer)).index_fill(0, torch.tensor([end]), 1e4)
    pico.model.lm_head.register_forward_hook(lambda _module, _inputs, logits: logits + favor_end)
    assert pico.generate(["One"], max_new_tokens=50) == [""]
    assert pico.answer_entropy(["One"], k=3).item() == pytest.approx(0.0, abs=1e-6)


def test_answer_entropy_is_that_of_the_first_greedy_tokens(pico):
    prompt, k = "One prompt", 3
    ids, expected = token_ids(pico, prompt), []
    for _ in range(k):
        logits = pico.model(torch.tensor([ids])).logits[0, -1]
        expected.append(softmax_entropy(logits).item())
        ids.append(int(logits.argmax()))
    assert pico.answer_entropy([prompt], k).item() == pytest.approx(np.mean(expected), abs=1e-5)
    both = pico.answer_entropy([prompt, "Another, longer prompt"], k).item()
    halves = [pico.answer_entropy([text], k).item() for text in (prompt, "Another, longer prompt")]
    assert both == pytest.approx(np.mean(halves), abs=1e-5)


def test_answer_entropy_has_the_gradient_of_a_hooked_coefficient(pico):
    coefficient = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    pico.model.double()
    delta = torch.randn(32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pico.model.model.layers[0].self_attn.q_proj.register_forward_hook(
        lambda _module, inputs, output: output + coefficient * (inputs[0] @ delta)
    )
    prompts = ["One prompt", "Another, longer prompt"]
    value = pico.answer_entropy(prompts, k=2)
    gradient = torch.autograd.grad(value, coefficient)[0].item()
    step = 1e-3
    sides = []
    for sign in (1, -1):
        coefficient.data += sign * step
        sides.append(pico.answer_entropy(prompts, k=2).item())
        coefficient.data -= sign * step
    assert gradient == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=2e-2)
    assert abs(gradient) > 1e-7


def test_leading_positions_restart_after_each_separator():
    pieces = ["a", "b", "c", "||", "d", "||", "e", "f", "g", "h"]
    assert leading_positions(pieces, 2, "first_title") == [0, 1]
    assert leading_positions(pieces, 2, "each_title") == [0, 1, 4, 5, 6, 7]
    assert leading_positions(["a"], 5, "each_title") == [0]


def test_entropy_of_each_title_counts_more_positions(pico, monkeypatch):
    monkeypatch.setattr(pico.tokenizer, "decode", lambda _token, **_options: SEPARATOR)
    every = pico.answer_entropy(["One"], k=1, scope="each_title", max_new_tokens=4).item()
    monkeypatch.undo()
    assert every == pytest.approx(pico.answer_entropy(["One"], k=4).item(), abs=1e-6)


def test_adapters_put_on_from_outside_take_part_in_every_path(pico, queries):
    from peft import LoraConfig, inject_adapter_in_model

    prompt = [Prompt("One prompt\n", title_answer("Acme soap"))]
    before = pico.score(*queries), pico.answer_loss(prompt).item(), pico.answer_entropy(["One"], 2).item()
    config = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    inject_adapter_in_model(config, pico.model)
    pico.model.eval()
    after = pico.score(*queries), pico.answer_loss(prompt).item(), pico.answer_entropy(["One"], 2).item()
    assert np.abs(before[0] - after[0]).min() > 0
    assert before[1] != after[1]
    assert before[2] != after[2]


def test_scoring_leaves_the_mode_as_it_was_and_turns_dropout_off(pico, queries):
    pico.model.train()
    pico.model.model.layers[0].self_attn.attention_dropout = 0.5
    np.testing.assert_array_equal(pico.score(*queries), pico.score(*queries))
    assert pico.model.training


def test_unmaskable_attention_is_refused(pico):
    pico.model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(BenchError, match="'sdpa' or 'eager'"):
        CausalLanguageModel(pico.model, pico.tokenizer)


def test_tokenizer_without_end_token_is_refused(pico):
    pico.tokenizer.eos_token = None
    with pytest.raises(BenchError, match="no end-of-sequence token"):
        CausalLanguageModel(pico.model, pico.tokenizer)


@pytest.mark.parametrize("scope", ["first_title", "each_title"])
def test_the_terms_of_the_entropy_add_up_to_it_and_so_do_their_gradients(pico, scope):
    prompts = ["One prompt", "Another, longer prompt", "Three"]
    factor = torch.tensor(0.5, requires_grad=True)
    pico.model.get_decoder().layers[0].mlp.register_forward_hook(lambda _m, _i, output: output * (1 + factor))
    whole = pico.answer_entropy(prompts, 2, scope, max_new_tokens=8)
    (expected,) = torch.autograd.grad(whole, factor)
    terms = []
    for term in pico.answer_entropy_terms(prompts, 2, scope, max_new_tokens=8):
        term.backward()
        terms.append(term.item())
    assert len(terms) == 3
    assert sum(terms) == pytest.approx(whole.item(), rel=1e-5)
    torch.testing.assert_close(factor.grad, expected, rtol=1e-4, atol=1e-7)
    assert expected.abs() > 1e-6


def test_the_entropy_of_a_long_answer_needs_no_more_logits_than_positions_that_count(pico):
    rows = []
    pico.model.get_output_embeddings().register_forward_hook(
        lambda _m, inputs, _o: rows.append(inputs[0][..., 0].numel())
    )
    pico.answer_entropy(["One prompt", "Two"], 2, "each_title", max_new_tokens=60)
    generated, of_entropy = rows[:-1], rows[-1]
    assert max(generated) <= 2
    assert of_entropy < 2 * 60 / 4
