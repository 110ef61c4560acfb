"""BPR-MF: user and item vectors trained so that a touched item's dot product beats an untouched one's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.baselines.recbole_models.recommender import RecBoleRecommender

from bench.learning.params import TrainingParams
from bench.plugin import at_least
from bench.registry import register


@register(
    "bpr",
    family="general",
    paper="Rendle et al. 2009",
    settings=("warm", "cold"),  # a user who was not trained on has no vector
    cold_rule="zero in the cold setting; otherwise, the dot product with its initial vector, which is not trained",
    ranks_catalogue=True,
    extras=("recbole",),
)
class BPR(RecBoleRecommender):
    """RecBole's BPR: no biases, and one uniform negative per interaction, drawn again in every epoch."""

    model_name = "BPR"

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of BPR."""

        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of user and item vectors."""

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names."""
        return {"embedding_size": self.params.dimensions}

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "Every training interaction once an epoch, by Adam; the original draws triples with replacement, for "
            "stochastic gradient descent.",
        )
