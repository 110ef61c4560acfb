"""Pooler + scorer: the best source's frozen adapter with a head trained on the target (X-Cross, table 2).

    score = u·GELU(P·h + p) + c

where h is the frozen encoder's last state of the first token, or the mean over all tokens. P, p, u and c are trained
on the target: d² + 2d + 1 values (591,361 on DeBERTa-v3-base). Before the first step it scores like ``source-lora``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.methods.shared.integrating import IntegratingParams, IntegratingRecommender, Integration

from bench.lm.adapters.experts import ParallelExperts
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.model import PairLanguageModel
    from bench.lm.pairs.prompts import PairBatch


@dataclass(frozen=True)
class PoolerScorerParams(IntegratingParams):
    """The recipe of the source adapters and of the head."""

    n_sources: int = field(default=1, metadata=at_least(1))
    """Number of adapters: the one with the best validation result."""


class HeadAlone(Integration):
    """A pooler and a scorer over one frozen adapter."""

    trains_inside = False

    def __init__(self, language_model: PairLanguageModel, adapters: Sequence[Adapter]) -> None:
        super().__init__(language_model, adapters)
        self._experts = ParallelExperts(adapters[:1], language_model.device)

    def states(self, batch: PairBatch) -> Tensor:
        """Return the adapted encoder's states, (1, n_prompts, d)."""
        with self._experts.hooked(self.language_model.model):
            return self.language_model.walk.pooled(batch, self._experts)


@register(
    "pooler-scorer",
    title="Pooler & Scorer",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859, baseline",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class PoolerScorer(IntegratingRecommender):
    """The best source's frozen adapter with a pooler and a scorer trained on the target."""

    Params = PoolerScorerParams
    min_sources = 1

    def integration(self, adapters: Sequence[Adapter]) -> HeadAlone:
        """Return the head over the best source's adapter."""
        return HeadAlone(self.language_model, adapters)
