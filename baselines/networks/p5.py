"""The network of P5: a T5 with whole-word embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import BenchError
from bench.lm.backbones import Backbone, quiet_transformers, reading_model
from bench.lm.batching import NO_ANSWER, PackedAnswers, length_buckets, padded

N_WHOLE_WORDS = 512
"""Rows of the whole-word embedding; row 0 is for the end token."""
MAX_BATCH_TOKENS = 4096
MAX_LOGITS = 2**25
"""Logits held at once while scoring (128 MB)."""
WORD_START = "▁"
"""What T5's tokenizer puts before the first piece of a word."""
Tokens = list[int]


class WholeWordT5(nn.Module):
    """A T5 whose encoder has an additional embedding of the word that each subword belongs to."""

    starts_word: Tensor

    def __init__(self, t5: Any, starts_word: Sequence[bool]) -> None:
        super().__init__()
        self.t5 = t5
        self.whole_word = nn.Embedding(N_WHOLE_WORDS, t5.config.d_model)
        token_deviation = float(t5.get_input_embeddings().weight.detach().std())
        nn.init.normal_(self.whole_word.weight, std=min(1.0, token_deviation))
        self.register_buffer("starts_word", torch.tensor(starts_word), persistent=False)

    def encode(self, written: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Return the encoder's vectors, shape (n, longest, d), and which are not padding, (n, longest)."""
        config = self.t5.config
        ids = padded(written, config.pad_token_id, self.starts_word.device)
        words = whole_words(ids, self.starts_word, (config.eos_token_id, config.pad_token_id))
        vectors = self.t5.get_input_embeddings()(ids) + self.whole_word(words)
        read = ids != config.pad_token_id
        return self.t5.get_encoder()(inputs_embeds=vectors, attention_mask=read).last_hidden_state, read

    def loss(self, written: Sequence[Tokens], answers: Sequence[Tokens]) -> Tensor:
        """Return the mean cross-entropy over the answers' tokens, end tokens included."""
        vectors, read = self.encode(written)
        logits, packed = self._packed_logits(vectors, read, [[answer] for answer in answers])
        told = packed.answer_index != NO_ANSWER
        return F.cross_entropy(logits[told], packed.targets[told])

    @torch.no_grad()
    def score(self, written: Sequence[Tokens], answers: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        """Return the log-likelihood of each prompt's answers, shape (n, n_answers); each prompt is encoded once."""
        self.eval()
        scores = np.empty((len(written), len(answers[0]) if answers else 0), dtype=np.float32)
        lengths = [max(len(ids), sum(map(len, row))) for ids, row in zip(written, answers, strict=True)]
        for rows in length_buckets(lengths, min(MAX_BATCH_TOKENS, MAX_LOGITS // self.t5.config.vocab_size)):
            vectors, read = self.encode([written[row] for row in rows])
            logits, packed = self._packed_logits(vectors, read, [answers[row] for row in rows])
            gained = -F.cross_entropy(logits.flatten(0, 1), packed.targets.flatten(), reduction="none")
            totals = vectors.new_zeros(len(rows), scores.shape[1] + 1)
            # Padding (index -1) is gathered in the last column and dropped.
            totals.scatter_add_(1, packed.answer_index % totals.shape[1], gained.view_as(packed.targets))
            scores[rows] = totals[:, :-1].float().cpu().numpy()
        return scores

    def _packed_logits(
        self, vectors: Tensor, read: Tensor, answers: Sequence[Sequence[Tokens]]
    ) -> tuple[Tensor, PackedAnswers]:
        """Return logits, shape (n, longest row, vocabulary), and the rows of concatenated answers per prompt.

        Every answer attends only to itself. T5 uses only relative positions, which are the same in a packed row, so
        the prompt's keys and values are computed once for all its answers, and only rows are padded.
        """
        start = self.t5.config.decoder_start_token_id
        packed = PackedAnswers.of([[[start, *ids] for ids in row] for row in answers], vectors.device)
        mask = packed.additive_mask(torch.zeros(len(answers), dtype=torch.long, device=vectors.device), vectors[:, :0])
        logits: Tensor = self.t5(
            encoder_outputs=(vectors,),
            attention_mask=read,
            decoder_input_ids=packed.inputs,
            decoder_attention_mask=mask,
            use_cache=False,
        ).logits
        return logits, packed


def load_t5(backbone: Backbone, device: str) -> tuple[WholeWordT5, Any]:
    """Load a T5 with its tokenizer; raise BenchError for another encoder-decoder."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    with quiet_transformers(), reading_model(backbone):
        t5 = AutoModelForSeq2SeqLM.from_pretrained(backbone.folder, trust_remote_code=False, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(backbone.folder, trust_remote_code=False)
    n_vectors = t5.get_input_embeddings().num_embeddings
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    starts_word = [token.startswith(WORD_START) for token in tokens] + [False] * (n_vectors - len(tokens))
    if not hasattr(t5.config, "relative_attention_num_buckets") or not any(starts_word):
        raise BenchError(
            f"Backbone '{backbone.name}' is not a T5 model with a subword tokenizer, which p5 needs: use "
            "--backbone google-t5/t5-small or --backbone tiny (a toy model)."
        )
    return WholeWordT5(t5, starts_word[:n_vectors]).to(device), tokenizer


def whole_words(ids: Tensor, starts_word: Tensor, special: Sequence[int]) -> Tensor:
    """Return the index of the word that each token belongs to, counted from 1, and 0 for special tokens.

    Args:
        ids: Token ids, shape (n, length).
        starts_word: Whether each token of the vocabulary starts a word.
        special: Ids of the end token and of padding.
    """
    words = starts_word[ids].cumsum(dim=1).clamp_max(N_WHOLE_WORDS - 1)
    return words.masked_fill(torch.isin(ids, torch.tensor(special, device=ids.device)), 0)
