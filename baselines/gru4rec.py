"""GRU4Rec: a gated recurrent network reads the history, and its last state is compared with the items' embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.baselines.recbole_models.recommender import RecBoleRecommender

from bench.learning.params import TrainingParams
from bench.plugin import at_least, below
from bench.registry import register


@register(
    "gru4rec",
    title="GRU4Rec",
    family="sequential",
    paper="Hidasi et al. 2016, arXiv 1511.06939",
    cold_rule="zero in the cold setting; otherwise, the dot product with its initial embedding, which is not trained",
    ranks_catalogue=True,
    extras=("recbole",),
)
class GRU4Rec(RecBoleRecommender):
    """RecBole's GRU4Rec, trained on all positions of a sequence at once.

    A state depends only on the items up to its position, so the result equals training on one prefix at a time.
    """

    model_name = "GRU4Rec"

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of GRU4Rec."""

        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of item vectors."""
        hidden_dimensions: int = field(default=128, metadata=at_least(1))
        """Size of the recurrent state (100 in the original)."""
        layers: int = field(default=1, metadata=at_least(1))
        """Recurrent layers."""
        dropout: float = field(default=0.3, metadata=at_least(0) | below(1))
        """Dropout rate of item vectors."""

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names."""
        return {
            "embedding_size": self.params.dimensions,
            "hidden_size": self.params.hidden_dimensions,
            "num_layers": self.params.layers,
            "dropout_prob": self.params.dropout,
            "loss_type": "CE",
        }

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "Cross-entropy over all items of the training part instead of the original's ranking losses over the "
            "other sessions of a batch.",
            "Every session starts from an empty state and is trained at all its positions at once.",
            "The recurrent layer has no biases, and a linear layer maps its state to the length of an item's vector.",
        )
