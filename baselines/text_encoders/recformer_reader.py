"""RecFormer's input and encoder: flattened texts, two additional embeddings, and masked-word prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from bench.baselines.text_encoders.shared import PooledEncoder, Rows, TextParams, TitledDomains, framing, most_tokens
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

SPECIAL, KEY, VALUE, PADDING = range(4)
"""Types of a token: special token, attribute name, attribute text, and padding."""
ATTRIBUTE = "title"
IDS, TYPES, POSITIONS, WORDS = range(4)
"""Rows of a text: token ids, token types, item index (from 1), word index (from 1; 0 is never masked)."""
KEPT_WHEN_MASKED = 0.2
"""Fraction of tokens to predict that are not masked: half are kept and half become random tokens, as in BERT."""


class Texts:
    """The texts of histories and items, each an integer array of shape (4, n_tokens)."""

    def __init__(self, domains: TitledDomains, tokenizer: Any, encoder: nn.Module, attribute_names: bool) -> None:
        before, after = framing(tokenizer)
        names = tokenizer(ATTRIBUTE, add_special_tokens=False)["input_ids"] if attribute_names else []
        self._before, self._after = (_block(ids, SPECIAL, [0] * len(ids)) for ids in (before, after))
        key = _block(names, KEY, [0] * len(names))
        self._titles = [
            np.concatenate([key, _block(ids, VALUE, [word + 1 for word in words])], axis=1)
            for ids, words in zip(domains.tokens, domains.words, strict=True)
        ]
        self._titled = domains.titled
        self._most_words = 1 + max((max(words, default=0) + 1 for words in domains.words), default=0)
        self._most_tokens = most_tokens(tokenizer, encoder)
        self._fill = np.array([tokenizer.pad_token_id or 0, PADDING, 0, 0])

    def flattened(self, items: Sequence[int] | Rows) -> NDArray[np.int64]:
        """Return one text of the items in the given order; items without a title are skipped."""
        parts = [self._before]
        for number, item in enumerate((item for item in items if self._titled[item]), start=1):
            part = self._titles[item].copy()
            part[POSITIONS] = number
            part[WORDS, part[WORDS] > 0] += (number - 1) * self._most_words
            parts.append(part)
        room = self._most_tokens - self._after.shape[1]
        return np.concatenate([np.concatenate(parts, axis=1)[:, :room], self._after], axis=1)

    def padded(self, texts: Sequence[NDArray[np.int64]], device: torch.device, width: int | None = None) -> Tensor:
        """Return a batch of texts padded on the right, (4, n, width)."""
        batch = np.empty((4, len(texts), width or max(text.shape[1] for text in texts)), dtype=np.int64)
        batch[:] = self._fill[:, None, None]
        for row, text in enumerate(texts):
            batch[:, row, : text.shape[1]] = text
        return torch.from_numpy(batch).to(device)


class SequenceEncoder(PooledEncoder):
    """The encoder with two additional embeddings that start at zero, so step 0 equals the plain language model."""

    def __init__(self, encoder: nn.Module, params: TextParams) -> None:
        super().__init__(encoder, params)
        dimension = self.word_embeddings.embedding_dim
        self.token_types = nn.Embedding(4, dimension)
        self.item_positions = nn.Embedding(params.max_history + 1, dimension)
        nn.init.zeros_(self.token_types.weight)
        nn.init.zeros_(self.item_positions.weight)

    def token_states(self, batch: Tensor) -> Tensor:
        """Return the last states of a batch of texts, (n, width, dimension)."""
        added = self.token_types(batch[TYPES]) + self.item_positions(batch[POSITIONS])
        return self.states(batch[IDS], batch[TYPES] != PADDING, added)

    def forward(self, batch: Tensor) -> Tensor:
        """Return one unit vector per text, (n, dimension)."""
        return normalize(self.pool(self.token_states(batch), batch[TYPES] != PADDING), dim=-1)


class MaskedWords(nn.Module):
    """The head that predicts masked words; its output layer is the encoder's word embeddings."""

    def __init__(self, reader: SequenceEncoder, tokenizer: Any, mask_share: float) -> None:
        super().__init__()
        words = reader.word_embeddings
        width = int(reader.encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.transform = nn.Sequential(
            nn.Linear(width, words.embedding_dim), nn.GELU(), nn.LayerNorm(words.embedding_dim)
        )
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))
        self.mask = next(i for i in (tokenizer.mask_token_id, tokenizer.unk_token_id, 0) if i is not None)
        self.mask_share = mask_share

    def logits(self, states: Tensor, words: Tensor) -> Tensor:
        """Return a logit per word, (n, n_words), from states (n, dimension) and the embedding weights."""
        logits: Tensor = self.transform(states) @ words.T + self.bias
        return logits

    def hide(self, batch: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return the batch with whole words hidden and a mask of the tokens to predict, (n, width)."""
        words = batch[WORDS].cpu().numpy()
        drawn = rng.random((len(words), words.max(initial=0) + 1)) < self.mask_share
        drawn[:, 0] = False
        wanted = np.take_along_axis(drawn, words, axis=1)
        fate = rng.random(words.shape)
        random_ids = rng.integers(len(self.bias), size=words.shape)
        ids = batch[IDS].cpu().numpy().copy()
        ids[wanted & (fate >= KEPT_WHEN_MASKED)] = self.mask
        replaced = wanted & (fate < KEPT_WHEN_MASKED / 2)
        ids[replaced] = random_ids[replaced]
        hidden = batch.clone()
        hidden[IDS] = torch.from_numpy(ids).to(batch.device)
        return hidden, torch.from_numpy(wanted).to(batch.device)

    def forward(self, reader: SequenceEncoder, batch: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the mean cross-entropy of the hidden words, 0 if none is hidden."""
        hidden, wanted = self.hide(batch, rng)
        if not wanted.any():
            return self.bias.sum() * 0.0
        logits = self.logits(reader.token_states(hidden)[wanted], reader.word_embeddings.weight)
        return cross_entropy(logits, batch[IDS][wanted])


def _block(ids: Sequence[int], kind: int, words: Sequence[int]) -> NDArray[np.int64]:
    return np.array([ids, [kind] * len(ids), [0] * len(ids), words], dtype=np.int64).reshape(4, len(ids))
