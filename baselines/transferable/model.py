"""The model shared by UniSRec and VQ-Rec: a SASRec-type encoder over given item vectors, and the losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from bench.baselines.recbole_models.zoo import importing_recbole
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding, normalize

from bench.learning.cross_entropy import linear_cross_entropy
from bench.learning.dot_scores import candidate_dots
from bench.learning.sequences import Rows, Sequences, last_stretches, ordered_batches, random_batches, windows

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.plugin import Queries

GROUP_SIZE = 64
"""Sequences of similar length encoded together: a compromise between the cost of padding and of calls."""
QUERIES_AT_ONCE = 1024
MASKED = -1e4
"""Added to the attention logits of masked positions."""
INITIAL_DEVIATION = 0.02
"""Standard deviation of weights before training."""


class SequenceEncoder(nn.Module):
    """SASRec without its item table: learned positions and causal self-attention blocks, RecBole's layers."""

    def __init__(
        self, dimensions: int, inner_dimensions: int, layers: int, heads: int, dropout: float, max_length: int
    ) -> None:
        super().__init__()
        with importing_recbole():
            from recbole.model.layers import TransformerEncoder
        self.positions = nn.Embedding(max_length, dimensions)
        self.norm = nn.LayerNorm(dimensions, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.blocks = TransformerEncoder(
            n_layers=layers,
            n_heads=heads,
            hidden_size=dimensions,
            inner_size=inner_dimensions,
            hidden_dropout_prob=dropout,
            attn_dropout_prob=dropout,
            hidden_act="gelu",
            layer_norm_eps=1e-12,
        )
        self.apply(initialize)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the vector of each position's history, shape (n, width, d), from items' vectors of that shape."""
        width = vectors.shape[1]
        mask = vectors.new_full((width, width), MASKED).triu(1)[None, None]
        hidden = self.dropout(self.norm(vectors + self.positions.weight[:width]))
        encoded: Tensor = self.blocks(hidden, mask, output_all_encoded_layers=False)[-1]
        return encoded


class TransferableModel(nn.Module, ABC):
    """An encoder and a mapping from titles to item vectors, over an exchangeable catalogue."""

    encoder: SequenceEncoder

    @abstractmethod
    def item_vectors(self, items: Tensor) -> Tensor:
        """Return the vectors of items of the current catalogue, shape (n, d)."""

    @abstractmethod
    def pretraining_loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Return the contrastive loss of a batch of mixed domains."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.encoder.positions.weight.device

    def vectors_of(self, items: Rows) -> Tensor:
        """Return the vectors of item indices, shape (n, d)."""
        return self.item_vectors(torch.from_numpy(items).to(self.device))


@dataclass(frozen=True, eq=False)
class Batch:
    """Concatenated sequences; every position is an example of an item read and the item that came next."""

    items: Rows
    """The items read, shape (n_positions,)."""
    following: Rows
    """The item after each of them, shape (n_positions,)."""
    lengths: Rows
    """Number of positions of each sequence, shape (n_sequences,)."""
    users: Rows
    """The user of each position, shape (n_positions,)."""

    @property
    def last(self) -> Rows:
        """The last position of each sequence."""
        return np.cumsum(self.lengths) - 1

    @classmethod
    def of(cls, sequences: Sequences, rows: Rows) -> Batch:
        """Gather these rows of the sequences."""
        lengths = sequences.lengths[rows]
        at = flat_positions(sequences.starts[rows], lengths)
        items, following = (sequences.items[places].astype(np.int64) for places in (at, at + 1))
        return cls(items, following, lengths, np.repeat(sequences.users[rows], lengths))


def initialize(module: nn.Module) -> None:
    """Draw the weights of linear maps and tables as RecBole's SASRec does."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def flat_positions(starts: Rows, lengths: Rows) -> Rows:
    """Return the concatenated positions ``starts[i], starts[i] + 1, …`` of all stretches."""
    before = np.cumsum(lengths) - lengths
    positions: Rows = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
    return positions


def position_vectors(encoder: SequenceEncoder, table: Tensor, items: Rows, lengths: Rows) -> Tensor:
    """Return the encoder's vector of every position of concatenated sequences.

    Sequences of similar length are encoded together, each group padded to its longest sequence.

    Args:
        encoder: A causal encoder, so that padding on the right does not affect real positions.
        table: Vectors of the items, shape (n_items, d).
        items: Rows of ``table``, shape (n_positions,).
        lengths: Number of positions of each sequence, shape (n_sequences,).

    Returns:
        Shape (n_positions, d), in the order of ``items``.
    """
    starts = np.cumsum(lengths) - lengths
    vectors, places = [table.new_empty((0, table.shape[1]))], [np.empty(0, np.int64)]
    nonempty = np.flatnonzero(lengths)
    for part in ordered_batches(lengths[nonempty], GROUP_SIZE):
        group = nonempty[part]
        columns = np.arange(lengths[group].max())
        real = columns < lengths[group, None]
        at = np.where(real, starts[group, None] + columns, 0)
        read = embedding(torch.from_numpy(items[at]).to(table.device), table)
        vectors.append(encoder(read)[torch.from_numpy(real).to(table.device)])
        places.append(at[real])
    order = np.argsort(np.concatenate(places))
    return torch.cat(vectors)[torch.from_numpy(order).to(table.device)]


def info_nce(
    queries: Tensor,
    keys: Tensor,
    targets: Tensor,
    users: Tensor,
    temperature: float,
    quirk: bool = False,
    more_negatives: Tensor | None = None,
) -> Tensor:
    """Return the mean InfoNCE of the cosines of ``queries`` with ``keys``; row ``i``'s positive is key ``i``.

    The other rows' keys are negatives, except those of the same user, who also interacted with them, and those of the
    same item.

    Args:
        queries: Shape (n, d).
        keys: Shape (n, d).
        targets: Item behind each key, shape (n,).
        users: User of each row, shape (n,).
        temperature: Divides the cosines.
        quirk: Give another row of the same item the logit 0, as the published code does, instead of leaving it out.
        more_negatives: One additional negative per row, used only for that row, shape (n, d).
    """
    queries = normalize(queries, dim=-1) / temperature
    logits = queries @ normalize(keys, dim=-1).T
    other = ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)
    logits = logits.masked_fill((targets[:, None] == targets) & other, 0.0 if quirk else -torch.inf)
    logits = logits.masked_fill((users[:, None] == users) & other, -torch.inf)
    if more_negatives is not None:
        logits = torch.cat([logits, (queries * normalize(more_negatives, dim=-1)).sum(-1, keepdim=True)], dim=1)
    return cross_entropy(logits, torch.arange(len(queries), device=queries.device))


def mixed(domains: Sequence[Domain], max_length: int) -> Sequences:
    """Return the windows of all domains as one set of sequences, with items and users numbered consecutively."""
    items, starts, lengths, users = [], [], [], []
    n_items, n_events, n_users = 0, 0, 0
    for domain in domains:
        own = windows(domain, max_length)
        items.append(domain.items + np.int32(n_items))
        starts.append(own.starts + n_events)
        users.append(own.users + n_users)
        lengths.append(own.lengths)
        n_items, n_events, n_users = (
            n_items + domain.n_items,
            n_events + domain.n_interactions,
            n_users + domain.n_users,
        )
    return Sequences(np.concatenate(items), *(np.concatenate(parts) for parts in (starts, lengths, users)))


def pretraining_losses(
    model: TransferableModel, sequences: Sequences, batch_size: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Yield the contrastive loss of each batch of an epoch, with about ``batch_size`` examples of all domains."""
    at_once = max(2, round(batch_size / max(1.0, float(sequences.lengths.mean()))))
    for rows in random_batches(len(sequences), at_once, rng):
        yield model.pretraining_loss(Batch.of(sequences, rows), rng)


class FineTuning:
    """Cross-entropy of every next item over the items with training interactions: cosines divided by a temperature.

    Items without interactions are never targets; as negatives, they would only teach the model to avoid their titles.
    """

    def __init__(self, domain: Domain, max_length: int, batch_size: int, temperature: float) -> None:
        self.sequences = windows(domain, max_length)
        self.classes = np.flatnonzero(domain.item_counts())
        self.class_of = np.cumsum(domain.item_counts() > 0) - 1
        self.batch_size = batch_size
        self.temperature = temperature

    def losses(self, model: TransferableModel, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""
        for rows in random_batches(len(self.sequences), self.batch_size, rng):
            yield self.loss(model, Batch.of(self.sequences, rows))

    def loss(self, model: TransferableModel, batch: Batch) -> Tensor:
        """Return the mean loss over a batch's positions; each item's vector is computed once per batch."""
        table = model.vectors_of(self.classes)
        vectors = position_vectors(model.encoder, table, self.class_of[batch.items], batch.lengths)
        targets = torch.from_numpy(self.class_of[batch.following]).to(table.device)
        return linear_cross_entropy(normalize(vectors, dim=-1) / self.temperature, normalize(table, dim=-1), targets)


def cosine_scores(model: TransferableModel, queries: Queries, n_items: int, max_length: int) -> NDArray[np.float32]:
    """Return the cosines of histories and candidates, shape (n, n_candidates); 0 for an empty history."""
    histories = last_stretches(queries.history_indptr, queries.history_items, queries.users, max_length)
    scores = np.zeros(queries.candidates.shape, dtype=np.float32)
    nonempty = np.flatnonzero(histories.lengths)
    model.eval()
    with torch.no_grad():
        table = model.vectors_of(np.arange(n_items))
        unit = normalize(table, dim=-1)
        for part in ordered_batches(histories.lengths[nonempty], QUERIES_AT_ONCE):
            rows = nonempty[part]
            lengths = histories.lengths[rows]
            items = histories.items[flat_positions(histories.starts[rows], lengths)].astype(np.int64)
            last = torch.from_numpy(np.cumsum(lengths) - 1)
            vectors = position_vectors(model.encoder, table, items, lengths)[last.to(table.device)]
            scores[rows] = candidate_dots(normalize(vectors, dim=-1), unit, queries, rows).cpu().numpy()
    return scores
