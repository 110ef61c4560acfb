"""Build a small T5 with random weights and a tokenizer trained on the domain's text, which needs no hub.

It is a toy: a method that trains all weights can run on it anywhere, but its results say nothing about how well
a pre-trained T5 would do.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.files.revisions import revision_of
from bench.lm.backbones import quiet_transformers
from bench.lm.prompts.shared import clean_title, plain_chat, prompt_hash, shared_prompt

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.files.store import ArtifactStore
    from bench.plugin import ProgressHook

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


@dataclass(frozen=True)
class TinySeq2SeqParams:
    """Size of the model."""

    vocabulary: int = 4096
    """Maximum number of pieces of the tokenizer."""
    hidden: int = 128
    """Width of the residual stream."""
    layers: int = 2
    """Number of layers of the encoder, and of the decoder."""
    heads: int = 2
    """Attention heads."""
    feed_forward: int = 256
    """Width inside the feed-forward part."""
    initial_range: float = 0.1
    """Standard deviation of the initial token vectors; with T5's own value of 1, a short training hardly moves them."""
    dropout: float = 0.0
    """Fraction of units dropped in training; 0, because such a small model underfits."""


def tiny_seq2seq(
    domains: Sequence[Domain],
    artifacts: ArtifactStore,
    progress: ProgressHook,
    params: TinySeq2SeqParams = TinySeq2SeqParams(),
    seed: int = 0,
) -> Path:
    """Return the directory of the untrained T5 for these domains, building it first if the store lacks it.

    Args:
        domains: Titled domains; their order does not matter.
        artifacts: Where the directory is stored.
        progress: Called when the model is built.
        params: Size.
        seed: Seed of the weights.

    Returns:
        A directory that ``AutoModelForSeq2SeqLM`` and ``AutoTokenizer`` load.

    Raises:
        BenchError: No domain has titles.
    """
    ordered = sorted((domain for domain in domains if domain.titled), key=lambda domain: domain.content_hash)
    if not ordered:
        raise BenchError("Backbone 'tiny' needs a dataset with titles. See 'bench data stats'.")
    key = {
        "backbone": "tiny-seq2seq",
        "revision": revision_of(__name__),
        "prompt": prompt_hash(),
        "domains": [domain.content_hash for domain in ordered],
        "params": asdict(params),
        "seed": seed,
    }

    def make(folder: Path) -> None:
        progress(f"tiny encoder-decoder: building it from the titles of {', '.join(domain.name for domain in ordered)}")
        save_tiny_seq2seq(folder, training_texts(ordered), params, seed)

    return artifacts.get_or_make("backbone", key, make)


def save_tiny_seq2seq(folder: Path, texts: Sequence[str], params: TinySeq2SeqParams, seed: int) -> None:
    """Build the tokenizer and the untrained model and save both in a directory."""
    tokenizer = piece_tokenizer(texts, params.vocabulary)
    with quiet_transformers():
        untrained_seq2seq(params, tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def training_texts(domains: Sequence[Domain]) -> list[str]:
    """Return the tokenizer's training texts: titles, the shared prompt's wording, and a number for each item."""
    titles = [clean_title(title) for domain in domains for title in domain.titles]
    numbers = [str(number) for number in range(1, 1 + max(domain.n_items for domain in domains))]
    return [*titles, *numbers, shared_prompt([], [], plain_chat)]


def piece_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    """Train a ``T5Tokenizer`` that splits words into the fewest pieces and marks the first piece of a word as T5 does.

    The pieces are those of byte-pair merges, because training T5's own kind of pieces sums in an order that depends on
    the number of threads, and so finds different pieces each time.
    """
    from tokenizers import Tokenizer, models, trainers
    from transformers import T5Tokenizer

    merges = Tokenizer(models.BPE())
    merges.pre_tokenizer = T5Tokenizer(extra_ids=0).backend_tokenizer.pre_tokenizer
    special = [PAD, END, UNKNOWN]
    # Any ASCII text can then be read, whatever wording a method adds to the titles.
    alphabet = list(string.ascii_letters + string.digits + string.punctuation)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary - len(special), initial_alphabet=alphabet, show_progress=False)
    merges.train_from_iterator(texts, trainer)
    learned = merges.get_vocab()
    pieces = sorted(learned, key=lambda piece: learned[piece])
    # Each piece costs about 1, so the fewest are chosen; ties go to pieces that were merged first.
    costs = [(piece, -1.0 - 0.5 * place / len(pieces) ** 2) for place, piece in enumerate(pieces)]
    return T5Tokenizer(vocab=[*((token, 0.0) for token in special), *costs], extra_ids=0)


def untrained_seq2seq(params: TinySeq2SeqParams, tokenizer: Any, seed: int) -> Any:
    """Build a ``T5ForConditionalGeneration`` with seeded random weights, without changing the global random state."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=params.hidden,
        d_kv=params.hidden // params.heads,
        d_ff=params.feed_forward,
        num_layers=params.layers,
        num_heads=params.heads,
        dropout_rate=params.dropout,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "tiny-seq2seq-weights"))
        model = T5ForConditionalGeneration(config)
        torch.nn.init.normal_(model.get_input_embeddings().weight, std=params.initial_range)
        # T5 divides the input of its head by the square root of the width, which suits token vectors of length 1.
        torch.nn.init.constant_(model.decoder.final_layer_norm.weight, params.hidden**0.5)
    return model
