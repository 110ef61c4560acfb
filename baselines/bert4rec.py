"""BERT4Rec: a bidirectional self-attention encoder trained to predict masked items; [MASK] marks the next item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.learners import GROUP_SIZE, EveryPositionLearner, Learner, Transform
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from bench.learning.cross_entropy import linear_cross_entropy
from bench.learning.params import TrainingParams
from bench.learning.sequences import Rows, Sequences, ordered_batches, random_batches, windows
from bench.plugin import above, at_least, at_most, below, between, divides
from bench.registry import register

if TYPE_CHECKING:
    from bench.baselines.recbole_models.dataset import Interaction
    from bench.baselines.recbole_models.shortcuts import Abilities

    from bench.data.domain import Domain


class ReadsTheMask:
    """Mixin for RecBole's BERT4Rec that puts [MASK] after the last item without dropping an item.

    RecBole shifts the history by one to make room for [MASK], which drops the oldest item even of a short history, and
    its loss ignores a masked first position. Attention gives padding a weight of exactly zero, so the vectors do not
    depend on the width of the padding.
    """

    def __init__(self, config: zoo.ModelConfig, dataset: Any) -> None:
        recbole: Any = super()
        recbole.__init__(zoo.ModelConfig(config, MAX_ITEM_LIST_LENGTH=config["MAX_ITEM_LIST_LENGTH"] + 1), dataset)
        touched = np.bincount(dataset.inter_matrix().col, minlength=dataset.item_num) > 0
        recbole.register_buffer("touched", torch.from_numpy(touched), persistent=False)

    def vectors_at(self: Any, items: Tensor, chosen: Tensor) -> Tensor:
        """Return the encoder's vectors at the chosen positions, ids and a mask of shape (n, width), row by row."""
        places = self.position_embedding.weight[: items.shape[1]]
        entered = self.dropout(self.LayerNorm(self.item_embedding(items) + places))
        attended = self.trm_encoder(entered, self.get_attention_mask(items, bidirectional=True))[-1]
        vectors: Tensor = attended[chosen]
        return vectors

    def head(self: Any, vectors: Tensor) -> Tensor:
        """Return the vectors that are compared with the item embeddings, shape (n, d)."""
        compared: Tensor = self.output_ln(self.output_gelu(self.output_ffn(vectors)))
        return compared

    def full_sort_predict(self: Any, batch: Interaction) -> Tensor:
        """Return the scores of all items at a [MASK] after the last one, shape (n, n_items)."""
        items, ends = pad(batch[ITEMS], (0, 1)), batch[LENGTH][:, None]
        items = items.scatter(1, ends, self.mask_token)
        vectors = self.head(self.vectors_at(items, items == self.mask_token))
        scores: Tensor = vectors @ self.item_embedding.weight[: self.n_items].T + self.biases()
        return scores

    def biases(self: Any) -> Tensor:
        """Return the items' biases, shape (n_items,); items without interactions get the lowest trained bias."""
        return torch.where(self.touched, self.output_bias, self.output_bias[self.touched].min())

    def calculate_loss(self, batch: Interaction) -> Tensor:
        """Return the cross-entropy of the next item at a [MASK] after the last one."""
        return cross_entropy(self.full_sort_predict(batch), batch[ITEM])


class MaskedItemLearner(EveryPositionLearner):
    """Trains on several copies of each history per epoch, each masked anew; the loss is over masked positions only.

    In a copy, either every item is masked with the same probability, or only the last item of a prefix of random
    length, which is what a query looks like. Items without interactions are not classes, as in the other softmaxes.
    """

    name = "a history with masked items"

    def __init__(self, model: Any, domain: Domain, params: BERT4Rec.Params) -> None:
        super().__init__(model, domain, params.batch_size, params.max_length)
        self.params = params

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's mean loss over its masked positions."""
        histories = whole_windows(self.domain, self.max_length)
        for _ in range(self.params.copies):
            for rows in random_batches(len(histories), self.batch_size, rng):
                yield self.masked_loss(*self.masked(histories.padded(rows), histories.lengths[rows], rng))

    def masked(self, items: Rows, lengths: Rows, rng: np.random.Generator) -> tuple[Rows, NDArray[np.bool_]]:
        """Choose the masked positions; return the ids, cut to the prefixes, and the choice, both (n, width)."""
        column = np.arange(items.shape[1])
        last_only = rng.random(len(items)) < self.params.last_only_share
        # a prefix has at least two items, so that the masked one follows another
        ends = np.where(last_only, rng.integers(2, lengths + 1), lengths)[:, None]
        drawn = (rng.random(items.shape) < self.params.mask_share) & (column < ends)
        chosen = np.where(last_only[:, None], column == ends - 1, drawn)
        one_at_least = column == (rng.random(len(items))[:, None] * ends).astype(np.int64)
        chosen |= one_at_least & ~chosen.any(axis=1, keepdims=True)
        return np.where(column < ends, items, 0), chosen

    def masked_loss(self, items: Rows, chosen: NDArray[np.bool_]) -> Tensor:
        """Return the mean cross-entropy at the chosen positions, which the model sees as [MASK]."""
        vectors, targets = [], []
        lengths = (items > 0).sum(axis=1)
        for group in ordered_batches(lengths, GROUP_SIZE):
            width = int(lengths[group].max())
            seen, hidden = items[group, :width], chosen[group, :width]
            masked = np.where(hidden, self.model.mask_token, seen)
            vectors.append(self.model.vectors_at(self.tensor(masked), self.tensor(hidden)))
            targets.append(seen[hidden])
        return self.cross_entropy(self.model.head(torch.cat(vectors)), self.tensor(np.concatenate(targets)))

    def cross_entropy(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of target ids (n,) under vectors (n, d)."""
        # linear_cross_entropy has no bias, so the bias is one more column
        ones = vectors.new_ones(len(vectors), 1)
        weight = torch.cat([self.model.item_embedding.weight[: self.model.n_items], self.model.output_bias[:, None]], 1)
        return linear_cross_entropy(torch.cat([vectors, ones], 1), weight[self.classes], self.class_of_id[targets])


def whole_windows(domain: Domain, max_length: int) -> Sequences:
    """Cut each history of at least two items into windows of up to ``max_length`` + 1 that share their end items."""
    inputs = windows(domain, max_length)
    return Sequences(inputs.items, inputs.starts, inputs.lengths + 1, inputs.users)


@register(
    "bert4rec",
    title="BERT4Rec",
    family="sequential",
    paper="Sun et al. 2019, arXiv 1904.06690",
    cold_rule="the lowest trained bias; outside the cold setting, also its initial embedding, which is not trained",
    ranks_catalogue=True,
    extras=("recbole",),
)
class BERT4Rec(RecBoleRecommender):
    """RecBole's BERT4Rec, with its own masking."""

    model_name = "BERT4Rec"

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of BERT4Rec."""

        copies: int = field(default=10, metadata=at_least(1))
        """Masked copies of each history per epoch (10, as in the authors' code)."""
        mask_share: float = field(default=0.2, metadata=above(0) | at_most(1))
        """Probability that an item is masked (the authors: 0.2 for MovieLens, 0.6 for Beauty)."""
        last_only_share: float = field(default=0.5, metadata=between(0, 1))
        """Fraction of copies in which only the last item of a prefix is masked."""
        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of item vectors."""
        inner_dimensions: int = field(default=256, metadata=at_least(1))
        """Size of the feed-forward layers."""
        layers: int = field(default=2, metadata=at_least(1))
        """Self-attention blocks."""
        heads: int = field(default=2, metadata=at_least(1) | divides("dimensions"))
        """Attention heads per block."""
        dropout: float = field(default=0.2, metadata=at_least(0) | below(1))
        """Dropout rate of units and attention weights."""

    def model_class(self) -> type[Any]:
        """Return RecBole's class with [MASK] after the last item."""
        return type(self.model_name, (ReadsTheMask, super().model_class()), {})

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names."""
        return {
            "hidden_size": self.params.dimensions,
            "inner_size": self.params.inner_dimensions,
            "n_layers": self.params.layers,
            "n_heads": self.params.heads,
            "hidden_dropout_prob": self.params.dropout,
            "attn_dropout_prob": self.params.dropout,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "initializer_range": 0.02,
            "mask_ratio": self.params.mask_share,
            "loss_type": "CE",
        }

    def choose_learner(self, model: Any, abilities: Abilities, domain: Domain, transform: Transform) -> Learner:
        """Return the learner of masked items."""
        return MaskedItemLearner(model, domain, self.params)

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "A last-item example masks the last item of a random prefix, as RecBole does; the paper masks the last "
            "item of the whole history.",
            "If no item of an example would be masked, a random one is.",
            "Adam with a constant learning rate, without the paper's warm-up, decay and weight decay.",
        )
