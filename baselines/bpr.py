"""BPR-MF: user and item vectors trained to score items with an interaction above items without one."""

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
    title="BPR-MF",
    family="general",
    paper="Rendle et al. 2009, arXiv 1205.2618",
    settings=("warm", "cold"),  # a user outside the training part has no vector
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
            "Adam over every training interaction once per epoch; the original uses stochastic gradient descent on "
            "triples drawn with replacement.",
        )
