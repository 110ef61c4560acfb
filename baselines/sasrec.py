"""SASRec: a causal self-attention encoder over the history, whose last vector is compared with item embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bench.baselines.recbole_models.learners import EveryPositionLearner, Learner, Transform
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from torch.nn.functional import logsigmoid

from bench.learning.params import TrainingParams
from bench.plugin import at_least, below, divides
from bench.registry import register

if TYPE_CHECKING:
    import numpy as np
    from bench.baselines.recbole_models.shortcuts import Abilities
    from torch import Tensor

    from bench.data.domain import Domain
    from bench.learning.sequences import Rows

LAYERS = (
    "RecBole's layers: GELU, post-norm, a feed-forward part four times as wide, and two heads; the original has ReLU, "
    "pre-norm, equal widths and one head."
)
CROSS_ENTROPY = "Cross-entropy over all items of the training part instead of the binary loss with one negative."


@register(
    "sasrec",
    title="SASRec",
    family="sequential",
    paper="Kang & McAuley 2018, arXiv 1808.09781",
    cold_rule="zero in the cold setting; otherwise, the dot product with its initial embedding, which is not trained",
    ranks_catalogue=True,
    extras=("recbole",),
)
class SASRec(RecBoleRecommender):
    """RecBole's SASRec, trained on all positions of a sequence at once."""

    model_name = "SASRec"

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of SASRec."""

        loss: Literal["ce", "bce"] = "ce"
        """Cross-entropy over all items with training interactions, or the original binary loss with one negative."""
        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of item vectors."""
        inner_dimensions: int = field(default=256, metadata=at_least(1))
        """Size of the feed-forward layers."""
        layers: int = field(default=2, metadata=at_least(1))
        """Self-attention blocks."""
        heads: int = field(default=2, metadata=at_least(1) | divides("dimensions"))
        """Attention heads per block."""
        dropout: float = field(default=0.5, metadata=at_least(0) | below(1))
        """Dropout rate of units and attention weights."""

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
            "loss_type": "CE",
        }

    def choose_learner(self, model: Any, abilities: Abilities, domain: Domain, transform: Transform) -> Learner:
        """Return the learner of the chosen loss."""
        if self.params.loss == "ce":
            return super().choose_learner(model, abilities, domain, transform)
        return BinaryLearner(model, domain, self.params.batch_size, self.params.max_length)

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (LAYERS, CROSS_ENTROPY) if self.params.loss == "ce" else (LAYERS,)


class BinaryLearner(EveryPositionLearner):
    """The original loss: at each position, the next item against one the user has not interacted with."""

    def loss(self, vectors: Tensor, targets: Tensor, users: Rows, rng: np.random.Generator) -> Tensor:
        """Return the mean over positions of the two binary cross-entropies."""
        keep = self.negatives.usable(users)
        negatives = self.tensor(self.negatives.draw(users[keep], rng) + 1)
        vectors, targets = vectors[self.tensor(keep)], targets[self.tensor(keep)]
        embedding = self.model.item_embedding
        wanted, unwanted = ((vectors * embedding(items)).sum(dim=1) for items in (targets, negatives))
        return -(logsigmoid(wanted) + logsigmoid(-unwanted)).mean()
