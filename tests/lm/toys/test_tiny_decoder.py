from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.prompts.shared import SEPARATOR, Prompt, chat_format, plain_chat, shared_prompt
from bench.lm.toys.tiny_decoder import (
    END,
    TinyParams,
    byte_pair_tokenizer,
    prompt_examples,
    tiny_backbone,
    title_sequences,
    training_rows,
    untrained_decoder,
)
from bench.metrics import Metric, per_user, rank_positive
from tests.support.heard import Heard
from tests.support.short_prompts import with_prompts

GOODS = ("kettle", "lamp", "mirror", "napkin", "oven", "pillow", "quilt", "rug", "stool", "towel")
SYLLABLES = ("ba", "de", "fi", "go", "lu", "mar", "nep", "sol")
LONGEST_WALK = 10


@pytest.fixture(scope="module")
def quick(pico_params):
    return replace(pico_params, steps=3, batch=2, row_tokens=64)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def silent(_line):
    pass


def load(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return CausalLanguageModel(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))


def planted_domain(rng, rule=None):
    """60 made-up products; each title decides which one is bought next. A random ``rule`` of None draws that order."""
    titles = [f"{SYLLABLES[i // 8].capitalize()}{SYLLABLES[i % 8]} {GOODS[i % 10]}" for i in range(60)]
    order = rng.permutation(60)
    successor = np.empty(60, dtype=np.int64)
    successor[order] = np.roll(order, -1)
    walks = [[start] for start in range(60)]
    for walk in walks:
        while len(walk) < LONGEST_WALK:
            walk.append(int(successor[walk[-1]]))
    indptr = np.arange(0, 60 * LONGEST_WALK + 1, LONGEST_WALK, dtype=np.int64)
    names = np.arange(60).astype(str)
    return Domain("planted", indptr, np.concatenate(walks).astype(np.int32), tuple(titles), names, names), successor


def ndcg_at_1(lm, domain, successor, rng):
    """Rank the successor of each title among 29 others by likelihood."""
    candidates, columns = [], []
    for item in range(60):
        negatives = rng.choice(np.setdiff1d(np.arange(60), [item, successor[item]]), size=29, replace=False)
        offered = rng.permutation(np.append(negatives, successor[item]))
        candidates.append([domain.titles[other] for other in offered])
        columns.append(int(np.flatnonzero(offered == successor[item])[0]))
    histories = [[title] for title in domain.titles]
    scores = with_prompts(lm, lambda title: title + SEPARATOR).score(histories, candidates, style="list")
    return per_user(rank_positive(scores, np.array(columns)), Metric("ndcg", 1)).mean()


@pytest.mark.slow
def test_backbone_learns_a_planted_catalogue_and_a_shuffled_rule_falls_to_chance(store):
    rng = np.random.default_rng(0)
    domain, successor = planted_domain(rng)
    params = TinyParams(
        vocabulary=500, hidden=64, layers=2, intermediate=128, steps=80, batch=16, row_tokens=64,
        initial_range=0.1, learning_rate=5e-3, prompt_share=0,
    )  # fmt: skip
    lm = load(tiny_backbone([domain], store, silent, params))
    assert ndcg_at_1(lm, domain, successor, rng) >= 0.9
    assert ndcg_at_1(lm, domain, rng.permutation(successor), rng) <= 0.2


def test_answers_can_be_learnt_by_gradient_steps_on_their_loss(pico_params, pico_titles, tokenizer):
    lm = CausalLanguageModel(untrained_decoder(replace(pico_params, initial_range=0.15), tokenizer, seed=0), tokenizer)
    examples = [Prompt(f"After {pico_titles[i]}\n", pico_titles[i + 6]) for i in range(4)]
    histories = [[title] for title in pico_titles[:4]]
    shared, answers = [example.shared for example in examples], [example.answer for example in examples]
    optimizer = torch.optim.AdamW(lm.model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = lm.answer_loss(examples)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = with_prompts(lm, lambda title: f"After {title}\n").score(histories, [answers] * 4)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert lm.generate(shared, max_new_tokens=20) == answers


def test_backbone_is_made_once_and_loads_with_its_own_tokenizer(store, quick, make_domain):
    domain, heard = make_domain(), Heard()
    folder = tiny_backbone([domain], store, heard, quick)
    n_messages = len(heard.messages)
    assert heard.steps[-1][1:] == (quick.steps, quick.steps)
    assert tiny_backbone([domain], store, heard, quick) == folder
    assert len(heard.messages) == n_messages
    assert (folder / "model.safetensors").exists()
    lm = load(folder)
    assert len(lm.tokenizer) == lm.model.config.vocab_size
    assert lm.score([[domain.titles[0]]], [list(domain.titles[:30])]).shape == (1, 30)


def test_same_seed_gives_the_same_weights_in_any_order_of_domains(tmp_path, quick, make_domain):
    domains = [make_domain("one", seed=1), make_domain("two", seed=2)]
    weights = [
        (tiny_backbone(order, ArtifactStore(tmp_path / name), silent, quick) / "model.safetensors").read_bytes()
        for name, order in (("first", domains), ("second", domains[::-1]))
    ]
    assert weights[0] == weights[1]


def test_seed_text_and_parameters_each_make_another_backbone(store, quick, make_domain):
    domain = make_domain()
    folders = {
        tiny_backbone([domain], store, silent, quick),
        tiny_backbone([domain], store, silent, quick, seed=1),
        tiny_backbone([make_domain(seed=9)], store, silent, quick),
        tiny_backbone([domain], store, silent, replace(quick, steps=2)),
    }
    assert len(folders) == 4


def test_global_random_state_is_left_alone(store, quick, make_domain):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    tiny_backbone([make_domain()], store, silent, quick)
    assert torch.equal(torch.rand(1), expected)


def test_untitled_domains_are_refused(store, quick, make_domain):
    untitled = replace(make_domain(), titles=("",) * 40)
    with pytest.raises(BenchError, match="source dataset with titles"):
        tiny_backbone([untitled], store, silent, quick)


@pytest.fixture(scope="module")
def tokenizer(pico_titles):
    return byte_pair_tokenizer([*pico_titles, shared_prompt([], [], plain_chat)], 400)


def test_tokenizer_reads_back_any_text_and_survives_saving(tokenizer, tmp_path, quick):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    untrained_decoder(quick, tokenizer, seed=0).config.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("Acme soap (3 oz)||Café — 100% naïve ✓", "two\n\nlines", "<|im_start|>user\nx<|im_end|>\n"):
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(loaded) == len(tokenizer)


def test_separator_is_one_token_and_is_kept_in_decoded_answers(tokenizer):
    ids = tokenizer("Soap (large)||(3 oz) soap" + END)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids).count(SEPARATOR) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Soap (large)||(3 oz) soap"
    assert ids[-1] == tokenizer.eos_token_id


def test_a_title_is_cut_alike_in_the_prompt_and_in_the_answer(tokenizer, pico_titles):
    title = pico_titles[2]
    prompt = tokenizer(shared_prompt([], pico_titles[:5], chat_format(tokenizer)))["input_ids"]
    answer = tokenizer(title)["input_ids"]
    assert any(prompt[start : start + len(answer)] == answer for start in range(len(prompt)))


def test_texts_come_from_training_histories_alone(tokenizer, quick, make_domain):
    domain = make_domain(n_items=40)
    domain = replace(domain, items=domain.items % 20)
    rng = np.random.default_rng(0)
    params = replace(quick, prompt_candidates=6, prompt_history=2)
    streams = [
        title_sequences(domain, rng),
        prompt_examples(domain, params, tokenizer, rng),
    ]
    texts = [next(stream) for stream in streams for _ in range(40)]
    assert all(text.endswith(END) for text in texts)
    assert any(domain.titles[3] in text for text in texts)
    assert not any(
        re.search(f"^{re.escape(title)}$", text, re.MULTILINE) for title in domain.titles[20:] for text in texts
    )
    assert not any(title + SEPARATOR in text for title in domain.titles[20:] for text in texts)


def test_prompt_examples_answer_with_a_product_on_offer(tokenizer, quick, make_domain):
    domain = make_domain()
    stream = prompt_examples(domain, replace(quick, prompt_candidates=6), tokenizer, np.random.default_rng(0))
    for _ in range(10):
        shared, _, answer = next(stream).removesuffix(END).rpartition("assistant\n")
        assert f"\n{answer}\n" in shared


def test_training_rows_are_full_and_repeatable(tokenizer, quick, make_domain):
    drawn = [training_rows([make_domain()], quick, tokenizer, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0].shape == (3, 2, 64)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_histories_of_one_item_give_bare_titles_alone(tokenizer, make_domain, quick):
    domain = make_domain()
    single = replace(domain, indptr=np.arange(31, dtype=np.int64), items=domain.items[:30])
    rows = training_rows([single], quick, tokenizer, np.random.default_rng(0))
    assert rows.shape == (3, 2, 64)
    assert "<|im_start|>" not in tokenizer.decode(rows.flatten().tolist())
