"""The first stage of S3-Rec: pre-train a SASRec with four self-supervised losses.

A batch contains prefixes of histories. Some of their items are masked, always including the last one. For the segment
loss, one segment is masked and a segment of the same length is taken from other users' histories. The encoder is
bidirectional.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from bench.data.domain import Domain, normalize_title
from bench.learning.sequences import NegativeSampler, Rows, Sequences, bucketed_batches, prefixes

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Weights:
    """The weight of each loss in the total."""

    attribute: float
    masked_item: float
    masked_attribute: float
    segment: float


class Losses(NamedTuple):
    """The four losses of a batch, each a sum."""

    attribute: Tensor
    """AAP: attributes of the visible items, from their own states."""
    masked_item: Tensor
    """MIP: a masked item against one the user has not interacted with."""
    masked_attribute: Tensor
    """MAP: attributes of the masked items."""
    segment: Tensor
    """SP: a masked segment against one of other users."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs of the four losses for some prefixes; all except ``lengths`` have shape (n, width)."""

    lengths: Tensor
    """Number of items of each prefix, shape (n,)."""
    items: Tensor
    """Ids, 0 after the end of a prefix."""
    masked: Tensor
    """Which items are masked individually."""
    negatives: Tensor
    """For each masked item, the id of an item the user has not interacted with; 0 elsewhere."""
    segment: Tensor
    """Which items make up the masked segment."""
    others: Tensor
    """``items`` with the masked segment replaced by a segment of other users' histories."""

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


class BatchMaker:
    """Draws the prefixes of an epoch and their masks."""

    def __init__(self, domain: Domain, max_length: int, batch_size: int, mask_share: float) -> None:
        self.domain = domain
        self.batch_size = batch_size
        self.mask_share = mask_share
        self.negatives = NegativeSampler(domain)
        before = prefixes(domain, max_length - 1)
        self.prefixes = replace(before, lengths=before.lengths + 1)  # a prefix here includes the item at its end
        elsewhere = sum(self._room(before.users, self.prefixes.lengths // 2))
        usable = self.negatives.usable(before.users) & (elsewhere > 0) & (self.prefixes.lengths > 1)
        self.usable = np.flatnonzero(usable)
        self.per_epoch = len(np.unique(before.users[self.usable]))

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield batches of prefixes of similar length: as many as there are users, drawn from all prefixes."""
        drawn = rng.choice(self.usable, self.per_epoch, replace=False)
        for batch in bucketed_batches(self.prefixes.lengths[drawn], self.batch_size, rng):
            yield self.batch(drawn[batch], rng)

    def batch(self, rows: Rows, rng: np.random.Generator) -> Batch:
        """Return the batch of these prefixes."""
        sequences: Sequences = self.prefixes
        lengths, users = sequences.lengths[rows], sequences.users[rows]
        items = sequences.padded(rows)
        columns = np.arange(items.shape[1])
        masked = (items > 0) & (rng.random(items.shape) < self.mask_share)
        masked[np.arange(len(rows)), lengths - 1] = True
        negatives = np.zeros_like(items)
        negatives[masked] = self.negatives.draw(np.repeat(users, masked.sum(axis=1)), rng) + 1
        sizes = rng.integers(1, lengths // 2 + 1)
        starts = rng.integers(lengths - sizes + 1)
        segment = (columns >= starts[:, None]) & (columns < (starts + sizes)[:, None])
        taken = self._starts_elsewhere(users, sizes, rng)[:, None] + columns - starts[:, None]
        others = items.copy()
        others[segment] = self.domain.items[taken[segment]].astype(np.int64) + 1
        arrays = (lengths, items, masked, negatives, segment, others)
        return Batch(*map(torch.from_numpy, arrays))

    def _starts_elsewhere(self, users: Rows, sizes: Rows, rng: np.random.Generator) -> Rows:
        """Draw the start, among all users' items, of a stretch of each size outside the user's own history."""
        before, behind = self._room(users, sizes)
        nth = rng.integers(before + behind)
        return np.where(nth < before, nth, nth - before + self.domain.indptr[users + 1])

    def _room(self, users: Rows, sizes: Rows) -> tuple[Rows, Rows]:
        """Return the number of stretches of each size before and after the user's own history."""
        before = self.domain.indptr[users] - sizes + 1
        behind = self.domain.n_interactions - self.domain.indptr[users + 1] - sizes + 1
        return np.maximum(before, 0), np.maximum(behind, 0)


class Pretraining(nn.Module):
    """A RecBole SASRec with the parts that only the first stage needs: a mask vector, attribute vectors, four maps."""

    attributes: Tensor
    """Each id's attributes as ones and zeros, shape (n_items + 1, n_attributes)."""

    def __init__(self, model: Any, attributes: NDArray[np.float32]) -> None:
        """Wrap the model; ``attributes`` are each item's as ones and zeros, shape (n_items, n_attributes)."""
        super().__init__()
        size = model.hidden_size
        self.model = model
        self.register_buffer("attributes", torch.from_numpy(np.pad(attributes, ((1, 0), (0, 0)))), persistent=False)
        self.mask = nn.Parameter(torch.empty(size).normal_(0, model.initializer_range))
        self.attribute_vectors = nn.Embedding(attributes.shape[1], size)
        self.maps = nn.ModuleDict({name: nn.Linear(size, size) for name in Losses._fields})
        self.attribute_vectors.apply(model._init_weights)
        self.maps.apply(model._init_weights)

    def encode(self, items: Tensor, masked: Tensor) -> Tensor:
        """Return the states of ids of shape (n, width), with the ``masked`` positions masked, shape (n, width, d)."""
        model = self.model
        vectors = torch.where(masked[..., None], self.mask, model.item_embedding(items))
        entering = model.dropout(model.LayerNorm(vectors + model.position_embedding.weight[: items.shape[1]]))
        attention = model.get_attention_mask(items, bidirectional=True)
        states: Tensor = model.trm_encoder(entering, attention, output_all_encoded_layers=False)[-1]
        return states

    def losses(self, batch: Batch) -> Losses:
        """Return the four losses of a batch, each summed over positions, attributes or prefixes."""
        real = batch.items > 0
        outside = real & ~batch.segment
        items = torch.cat([batch.items, batch.items, batch.items, batch.others])
        states = self.encode(items, torch.cat([batch.masked, batch.segment, outside, outside]))
        sequence, *segments = states.chunk(4)
        last = torch.arange(len(items) // 4, device=items.device), batch.lengths - 1
        context, true, other = (each[last] for each in segments)
        visible = real & ~batch.masked
        return Losses(
            self._attribute_loss("attribute", sequence[visible], batch.items[visible]),
            self._masked_item_loss(sequence[batch.masked], batch.items[batch.masked], batch.negatives[batch.masked]),
            self._attribute_loss("masked_attribute", sequence[batch.masked], batch.items[batch.masked]),
            _beats(self.maps["segment"](context), true, other),
        )

    def total(self, batch: Batch, weights: Weights) -> Tensor:
        """Return the weighted sum of the four losses, averaged over prefixes."""
        parts = zip(Losses._fields, self.losses(batch), strict=True)
        return torch.stack([getattr(weights, name) * loss for name, loss in parts]).sum() / len(batch.items)

    def _attribute_loss(self, name: str, states: Tensor, items: Tensor) -> Tensor:
        logits = self.maps[name](states) @ self.attribute_vectors.weight.T
        return binary_cross_entropy_with_logits(logits, self.attributes[items], reduction="sum")

    def _masked_item_loss(self, states: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
        embedding = self.model.item_embedding
        return _beats(self.maps["masked_item"](states), embedding(items), embedding(negatives))


def title_attributes(
    titles: Sequence[str], width: int, min_titles: int, max_share: float
) -> tuple[NDArray[np.float32], int]:
    """Return each title's words as ones and zeros, (n_items, at most width), and the number of words used.

    A word is used if it occurs in at least ``min_titles`` titles and in at most ``max_share`` of them. Up to ``width``
    words have a column each; more are hashed to ``width`` columns, so that some share one.
    """
    words = [set(WORD.findall(normalize_title(title))) for title in titles]
    counts = Counter(chain.from_iterable(words))
    kept = sorted(word for word, count in counts.items() if min_titles <= count <= max_share * len(titles))
    shared = len(kept) > width
    columns = {word: zlib.crc32(word.encode()) % width if shared else nth for nth, word in enumerate(kept)}
    attributes = np.zeros((len(titles), width if shared else len(kept)), dtype=np.float32)
    for item, of_item in enumerate(words):
        attributes[item, [columns[word] for word in of_item if word in columns]] = 1
    return attributes, len(kept)


def _beats(states: Tensor, wanted: Tensor, unwanted: Tensor) -> Tensor:
    """Return the sum of -log σ(σ(f⁺) - σ(f⁻)) with f a dot product; the double sigmoid is as in the authors' code."""
    positive, negative = (torch.sigmoid((states * each).sum(dim=1)) for each in (wanted, unwanted))
    return -logsigmoid(positive - negative).sum()
