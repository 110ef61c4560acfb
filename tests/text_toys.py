"""A pico encoder, a pico decoder and planted text catalogues that several rooms' tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.domain import Domain

NOUNS = " ".join(
    (
        "apple anchor bridge candle desert engine feather garden hammer island jacket kettle",
        "ladder mirror needle ocean pencil quarry ribbon saddle temple umbrella violin window",
        "yogurt zipper bottle carpet dragon elbow forest glove harbor igloo jungle kitten",
        "lantern marble napkin orchid pillow quartz rocket salmon tunnel urchin valley walnut",
        "yacht zebra basket cannon doctor embassy falcon grape helmet insect juice knight",
    )
).split(" ")


def domain_of(histories: list[list[int]], titles: list[str], name: str = "toy") -> Domain:
    """Return a domain with these histories, oldest first."""
    lengths = [len(history) for history in histories]
    return Domain(
        name=name,
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        titles=tuple(titles),
        user_ids=np.array([f"user {user}" for user in range(len(histories))]),
        item_ids=np.array([f"item {item}" for item in range(len(titles))]),
    )


def planted_groups(
    n_users: int = 160, group_size: int = 10, *, shuffled: bool = False, seed: int = 0, name: str = "toy"
) -> Domain:
    """Each user stays in one group of nouns that nothing but the histories ties together; ``shuffled``: in none."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(NOUNS))
    groups = order.reshape(-1, group_size)
    histories = []
    for user in range(n_users):
        pool = order if shuffled else groups[user % len(groups)]
        histories.append([int(item) for item in rng.permutation(pool)[:8]])
    return domain_of(histories, NOUNS, name)


def save_pico_encoder(folder: Path) -> Path:
    """Save a two-layer BERT with random weights and a word tokenizer; return the folder."""
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
        model = BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes))
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
    """Return distinct product titles of unequal length, at most 192."""
    return [f"{maker} {goods}, {size}" for size in SIZES for goods in GOODS for maker in MAKERS][:n_items]


def save_pico_decoder(folder: Path) -> Path:
    """Save a two-layer Qwen2 with random weights and a tokenizer trained on the spot; return the folder."""
    from bench.lm.tiny import TinyParams, byte_pair_tokenizer, untrained_decoder

    params = TinyParams(**PICO)
    tokenizer = byte_pair_tokenizer(made_up_titles(40), params.vocabulary)
    untrained_decoder(params, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
