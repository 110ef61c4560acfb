from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.lm.backbones import local_backbone
from bench.lm.loading import task_backbone
from bench.lm.toys.tiny_seq2seq import (
    TinySeq2SeqParams,
    piece_tokenizer,
    save_tiny_seq2seq,
    tiny_seq2seq,
    training_texts,
    untrained_seq2seq,
)
from bench.plugin import Task

QUICK = TinySeq2SeqParams(vocabulary=300, hidden=16, heads=2, feed_forward=16, layers=1)


def silent(_line: str) -> None:
    pass


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def test_it_is_made_once_and_loads_as_an_encoder_decoder_with_its_own_tokenizer(store, make_domain) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    domain, lines = make_domain(), []
    folder = tiny_seq2seq([domain], store, lines.append, QUICK)
    assert tiny_seq2seq([domain], store, lines.append, QUICK) == folder
    assert len(lines) == 1
    assert local_backbone("tiny", folder).kind == "seq2seq"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings
    assert tokenizer.pad_token_id == model.config.decoder_start_token_id == 0
    ids = tokenizer("Acme soap (3 oz)")["input_ids"]
    assert ids == piece_tokenizer(training_texts([domain]), 300)("Acme soap (3 oz)")["input_ids"]
    assert ids[-1] == model.config.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Acme soap (3 oz)"


def test_a_word_is_cut_into_the_fewest_pieces_and_the_first_is_marked() -> None:
    tokenizer = piece_tokenizer(["alpha", "alphabet", "bet", *"alphbet"], 300)
    for text, pieces in (("alphabet bet", ["▁alphabet", "▁bet"]), ("alphaalpha", ["▁alpha", "a"])):
        assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])[: len(pieces)] == pieces


def test_ascii_that_was_in_no_text_can_be_read() -> None:
    tokenizer = piece_tokenizer(["alpha"], 300)
    assert tokenizer.unk_token_id not in tokenizer("Q; {9}~")["input_ids"]


def test_texts_hold_titles_and_a_number_for_each_item(make_domain) -> None:
    texts = training_texts([make_domain(n_items=40)])
    assert {"1", "40", make_domain(n_items=40).titles[0]} <= set(texts)
    assert "41" not in texts


def test_the_first_logits_are_neither_flat_nor_certain() -> None:
    """So that few steps teach it something: with T5's own start the token vectors hardly move."""
    tokenizer = piece_tokenizer(["one two three four five six seven"], 300)
    model = untrained_seq2seq(replace(QUICK, hidden=64), tokenizer, seed=0).eval()
    ids = torch.tensor([tokenizer("one two three")["input_ids"]])
    with torch.no_grad():
        logits = model(input_ids=ids, decoder_input_ids=ids).logits
    assert 0.2 < logits.std() < 2


def test_the_seed_alone_decides_the_weights_and_global_random_state_is_left_alone(tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> bytes:
        save_tiny_seq2seq(tmp_path / name, ["some text"], QUICK, seed)
        return (tmp_path / name / "model.safetensors").read_bytes()

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert weights("a", 0) == weights("b", 0) != weights("c", 1)
    assert torch.equal(torch.rand(1), expected)


def test_untitled_domains_are_refused(store, make_domain) -> None:
    with pytest.raises(BenchError, match="needs a dataset with titles"):
        tiny_seq2seq([replace(make_domain(), titles=("",) * 40)], store, silent, QUICK)


def task_on(backbone: str, store: ArtifactStore, domain: Any) -> Task:
    nothing: Any = None
    return Task(domain, nothing, nothing, "warm", 0, store, backbone=backbone)


def test_tiny_is_of_the_kind_that_the_method_runs_on(store, make_domain) -> None:
    backbone = task_backbone(task_on("tiny", store, make_domain()), "seq2seq")
    assert (backbone.kind, backbone.toy, backbone.name) == ("seq2seq", True, "tiny")


def test_an_encoder_decoder_is_refused_by_methods_of_the_other_kinds(store, make_domain, tmp_path: Path) -> None:
    save_tiny_seq2seq(tmp_path / "t5", ["some text"], QUICK, seed=0)
    task = task_on(str(tmp_path / "t5"), store, make_domain())
    assert task_backbone(task, "seq2seq").kind == "seq2seq"
    with pytest.raises(BenchError, match="kind 'seq2seq'; this method needs an encoder or a decoder"):
        task_backbone(task)
