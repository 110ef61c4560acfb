"""FMLP-Rec: learned filters in the frequency domain mix a history's positions; the last is compared with the items.

RecBole does not include FMLP-Rec, so it is implemented here as a RecBole sequential model. A product in the frequency
domain is a circular convolution over the slots, padding included. Therefore the number of slots is part of the model,
only the last position can be trained, and each prefix of a history is a separate example. The last block only
computes the last position, where the convolution is a weighted sum over the slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from bench.baselines.recbole_models.learners import EveryPositionLearner, Learner, Transform
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH, ModelConfig, importing_recbole
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, logsigmoid

from bench.learning.params import TrainingParams
from bench.learning.sequences import Rows, prefixes, random_batches
from bench.lm.training.dropout import IntegerDropout, Masks
from bench.plugin import at_least, below
from bench.registry import register

if TYPE_CHECKING:
    from bench.baselines.recbole_models.dataset import Interaction
    from bench.baselines.recbole_models.shortcuts import Abilities

    from bench.data.domain import Domain
    from bench.plugin import Task

with importing_recbole():
    from recbole.model.abstract_recommender import SequentialRecommender

LAYER_NORM_EPSILON = 1e-12
INITIAL_DEVIATION = 0.02
BEST_EPOCH = "The best epoch is the one with the highest validation NDCG@3, not the highest MRR."
CROSS_ENTROPY = "Cross-entropy over all items of the training part instead of the binary loss."


class Filter(nn.Module):
    """A learnable complex weight for each frequency and dimension, as in Zhou et al. 2022."""

    def __init__(self, n_slots: int, dimensions: int) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.weight = nn.Parameter(torch.randn(n_slots // 2 + 1, dimensions, 2) * INITIAL_DEVIATION)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the filtered states, of the same shape (n, n_slots, d)."""
        spectrum = torch.fft.rfft(hidden, dim=1, norm="ortho") * torch.view_as_complex(self.weight)
        passed: Tensor = torch.fft.irfft(spectrum, n=self.n_slots, dim=1, norm="ortho")
        return passed

    def at_last(self, hidden: Tensor) -> Tensor:
        """Return the filtered state of the last slot, shape (n, d)."""
        kernel = torch.fft.irfft(torch.view_as_complex(self.weight), n=self.n_slots, dim=0)
        return torch.einsum("nsd,sd->nd", hidden, kernel.flip(0))


class Block(nn.Module):
    """A filter and a feed-forward layer, each followed by dropout, a residual connection and layer normalization."""

    def __init__(self, n_slots: int, dimensions: int, inner_dimensions: int, dropout: IntegerDropout) -> None:
        super().__init__()
        self.filter = Filter(n_slots, dimensions)
        self.filter_norm = nn.LayerNorm(dimensions, eps=LAYER_NORM_EPSILON)
        self.widen = nn.Linear(dimensions, inner_dimensions)
        self.narrow = nn.Linear(inner_dimensions, dimensions)
        self.norm = nn.LayerNorm(dimensions, eps=LAYER_NORM_EPSILON)
        self.dropout = dropout

    def forward(self, hidden: Tensor) -> Tensor:
        """Return all slots, of the same shape (n, n_slots, d)."""
        return self._after_filter(hidden, self.filter(hidden))

    def at_last(self, hidden: Tensor) -> Tensor:
        """Return the last slot, shape (n, d), of slots of shape (n, n_slots, d)."""
        return self._after_filter(hidden[:, -1], self.filter.at_last(hidden))

    def _after_filter(self, hidden: Tensor, filtered: Tensor) -> Tensor:
        hidden = self.filter_norm(hidden + self.dropout(filtered))
        widened = gelu(self.widen(hidden))
        normed: Tensor = self.norm(hidden + self.dropout(self.narrow(widened)))
        return normed


class FMLPModel(SequentialRecommender):  # type: ignore[misc]
    """FMLP-Rec with RecBole's interface; a history may have any padding on its right."""

    def __init__(self, config: ModelConfig, dataset: Any) -> None:
        super().__init__(config, dataset)
        dimensions = config["hidden_size"]
        dropout = IntegerDropout(config["dropout"], Masks(config["seed"]))
        sizes = (self.max_seq_length, dimensions, config["inner_size"], dropout)
        self.item_embedding = nn.Embedding(self.n_items, dimensions, padding_idx=0)
        self.position_embedding = nn.Embedding(self.max_seq_length, dimensions)
        self.norm = nn.LayerNorm(dimensions, eps=LAYER_NORM_EPSILON)
        self.dropout = dropout
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(config["n_layers"]))
        self.apply(self._initialize)

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """Return the last slots' vectors, shape (n, d)."""
        hidden = self.slots(items, lengths)
        *earlier, last = cast("list[Block]", list(self.blocks))
        for block in earlier:
            hidden = block(hidden)
        return last.at_last(hidden)

    def slots(self, items: Tensor, lengths: Tensor) -> Tensor:
        """Return the input of the blocks, shape (n, n_slots, d), with the last item in the last slot."""
        slot = torch.arange(self.max_seq_length, device=items.device)
        source = slot - (self.max_seq_length - lengths[:, None])
        moved = torch.where(source >= 0, items.gather(1, source.clamp(0, items.shape[1] - 1)), 0)
        entered: Tensor = self.dropout(self.norm(self.item_embedding(moved) + self.position_embedding.weight))
        return entered

    def full_sort_predict(self, batch: Interaction) -> Tensor:
        """Return the scores of all items, shape (n, n_items)."""
        return self.forward(batch[ITEMS], batch[LENGTH]) @ self.item_embedding.weight.T

    def calculate_loss(self, batch: Interaction) -> Tensor:
        """Return the cross-entropy of the next items over the whole catalogue."""
        return cross_entropy(self.full_sort_predict(batch), batch[ITEM])

    @staticmethod
    def _initialize(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


class PrefixLearner(EveryPositionLearner):
    """Trains each prefix of each history against all items with training interactions."""

    name = "one prefix"

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's mean loss."""
        examples = prefixes(self.domain, self.max_length)
        for rows in random_batches(len(examples), self.batch_size, rng):
            vectors = self.model(self.tensor(examples.padded(rows)), self.tensor(examples.lengths[rows]))
            yield self.loss(vectors, self.tensor(examples.following(rows)), examples.users[rows], rng)


class BinaryPrefixLearner(PrefixLearner):
    """Trains each prefix's next item against one item the user has not interacted with, drawn anew every time.

    As published, the negative may be an item that nobody interacted with. This loss gives a logit of zero a meaning:
    if such items were never drawn, their logits would stay at zero, above those of nearly all other items, and new
    items would rank first.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.touched = np.unique(self.domain.users_of_interactions() * self.domain.n_items + self.domain.items)
        self.n_touched = np.bincount(self.touched // self.domain.n_items, minlength=self.domain.n_users)

    def loss(self, vectors: Tensor, targets: Tensor, users: Rows, rng: np.random.Generator) -> Tensor:
        """Return the mean over prefixes of the two binary cross-entropies."""
        usable = self.n_touched[users] < self.domain.n_items
        keep = self.tensor(usable)
        wrong = self.tensor(self.untouched(users[usable], rng) + 1)
        logits = (vectors[keep] * self.model.item_embedding(torch.stack([targets[keep], wrong]))).sum(dim=2)
        return -(logsigmoid(logits[0]) + logsigmoid(-logits[1])).mean()

    def untouched(self, users: Rows, rng: np.random.Generator) -> Rows:
        """Return one item index per user, uniform over the items the user has not interacted with."""
        items = rng.integers(self.domain.n_items, size=len(users))
        again = np.arange(len(users))
        while len(again):
            pairs = users[again] * self.domain.n_items + items[again]
            nearest = np.searchsorted(self.touched, pairs).clip(max=len(self.touched) - 1)
            again = again[self.touched[nearest] == pairs]
            items[again] = rng.integers(self.domain.n_items, size=len(again))
        return items


@register(
    "fmlp",
    title="FMLP-Rec",
    family="sequential",
    paper="Zhou et al. 2022, arXiv 2202.13556",
    cold_rule="drawn as a negative like any item, as published, so it is trained to rank last; with "
    "loss=ce, zero in the cold setting and otherwise the dot product with its initial embedding",
    ranks_catalogue=True,
    extras=("recbole",),
)
class FMLP(RecBoleRecommender):
    """FMLP-Rec, trained on the last position of each prefix."""

    model_name = "FMLP"

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of FMLP-Rec; ``max_length`` is the number of slots that a filter covers."""

        loss: Literal["bce", "ce"] = "bce"
        """The paper's binary loss with one negative, or cross-entropy over all items with training interactions."""
        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of item vectors."""
        inner_dimensions: int = field(default=256, metadata=at_least(1))
        """Size of the feed-forward layers."""
        layers: int = field(default=2, metadata=at_least(1))
        """Filter blocks."""
        dropout: float = field(default=0.5, metadata=at_least(0) | below(1))
        """Dropout rate."""

    def model_class(self) -> type[Any]:
        """Return the model."""
        return FMLPModel

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names."""
        return {
            "hidden_size": self.params.dimensions,
            "inner_size": self.params.inner_dimensions,
            "n_layers": self.params.layers,
            "dropout": self.params.dropout,
        }

    def choose_learner(self, model: Any, abilities: Abilities, domain: Domain, transform: Transform) -> Learner:
        """Return the learner of the chosen loss."""
        learner = BinaryPrefixLearner if self.params.loss == "bce" else PrefixLearner
        return learner(model, domain, self.params.batch_size, self.params.max_length)

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (BEST_EPOCH, CROSS_ENTROPY) if self.params.loss == "ce" else (BEST_EPOCH,)

    def _keep_cold_embeddings(self, optimizer: torch.optim.Optimizer, task: Task) -> None:
        if self.params.loss == "ce":
            super()._keep_cold_embeddings(optimizer, task)
