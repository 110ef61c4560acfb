"""A pico encoder and a pico decoder shared by the tests of several packages, and planted catalogues."""

from __future__ import annotations

from pathlib import Path

from bench.contract.toys import NOUNS as NOUNS
from bench.contract.toys import domain_of as domain_of
from bench.contract.toys import planted_groups as planted_groups


def save_pico_encoder(folder: Path, deviation: float = 0.02) -> Path:
    """Save a two-layer BERT with random weights of that deviation and a word tokenizer; return the folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *NOUNS, *map(str, range(100))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        model = BertModel(
            BertConfig(vocab_size=len(words), max_position_embeddings=64, initializer_range=deviation, **sizes)
        )
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


PICO = {
    "vocabulary": 400,
    "hidden": 32,
    "layers": 2,
    "heads": 4,
    "key_value_heads": 2,
    "intermediate": 64,
    "max_positions": 2048,
}
"""Sizes of the pico model, as keyword arguments of TinyParams."""
MAKERS = ("Northwind", "Acme", "Larkspur", "Bluebird", "Old Mill", "Tern")
GOODS = ("soap", "hand cream", "hair brush", "lip balm", "bath salt", "nail file", "sun lotion", "face mask")
SIZES = ("3 oz", "large", "pack of 2", "travel size")


def made_up_titles(n_items: int) -> list[str]:
    """Return at most 192 distinct product titles of different lengths."""
    return [f"{maker} {goods}, {size}" for size in SIZES for goods in GOODS for maker in MAKERS][:n_items]


def save_pico_decoder(folder: Path) -> Path:
    """Save a two-layer Qwen2 with random weights and a newly trained tokenizer; return the folder."""
    from bench.lm.toys.tiny_decoder import TinyParams, byte_pair_tokenizer, untrained_decoder

    params = TinyParams(**PICO)
    tokenizer = byte_pair_tokenizer(made_up_titles(40), params.vocabulary)
    untrained_decoder(params, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_pico_seq2seq(folder: Path) -> Path:
    """Save a one-layer T5 with random weights and a tokenizer of the nouns and the shared prompt; return the folder."""
    from bench.lm.prompts.shared import plain_chat, shared_prompt
    from bench.lm.toys.tiny_seq2seq import TinySeq2SeqParams, save_tiny_seq2seq

    params = TinySeq2SeqParams(vocabulary=400, hidden=32, heads=2, feed_forward=64, layers=1)
    save_tiny_seq2seq(folder, [*NOUNS, *map(str, range(100)), shared_prompt([], [], plain_chat)], params, seed=0)
    return folder
