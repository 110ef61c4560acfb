"""MeteoRA: a gate at every adapted layer weights the adapters by that layer's input.

    g = softmax(top-2(G·x)),    ΔW·x = Σ_m g_m · scaling · B_m A_m x

Each adapted layer has a gate G (n × d, no bias): 36,864 values on DeBERTa-v3-base with 24 layers and two adapters.
The gates start at zero, which gives all adapters the same weight. They learn only from the ranking loss, as in
X-Cross's comparison, without MeteoRA's task labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from bench.methods.shared.integrating import IntegratingParams, IntegratingRecommender, Integration
from torch import Tensor, nn

from bench.lm.adapters.experts import MixedExperts
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.model import PairLanguageModel
    from bench.lm.pairs.prompts import PairBatch


@dataclass(frozen=True)
class MeteoraParams(IntegratingParams):
    """Adds how many adapters a token may use."""

    top_k: int = field(default=2, metadata=at_least(1))
    """Number of adapters with the largest gates that are used; the others have weight zero."""


class GatedExperts(MixedExperts):
    """Adapters weighted by linear gates of the input states."""

    gates: Tensor
    """Shape (n_modules, n_adapters, d)."""
    top_k: int

    def weights(self, module: str, states: Tensor) -> Tensor:
        """Return the softmax over the largest gates; 0 for the others."""
        logits = nn.functional.linear(states, self.gates[self.modules.index(module)]).float()
        if self.top_k < self.n_adapters:
            largest = logits.topk(self.top_k, dim=-1).indices
            logits = torch.full_like(logits, -torch.inf).scatter(-1, largest, logits.gather(-1, largest))
        return logits.softmax(-1)


class LayerGates(Integration):
    """One gate per adapted layer."""

    def __init__(self, language_model: PairLanguageModel, adapters: Sequence[Adapter], top_k: int) -> None:
        super().__init__(language_model, adapters)
        self._experts = GatedExperts(adapters, language_model.device)
        self._experts.top_k = top_k
        self.gates = nn.Parameter(torch.zeros(len(self._experts.modules), len(adapters), language_model.dimension))

    def states(self, batch: PairBatch) -> Tensor:
        """Return the states of the encoder with the gated adapters, (1, n_prompts, d)."""
        self._experts.gates = self.gates
        with self._experts.hooked(self.language_model.model):
            return self.language_model.walk.pooled(batch, self._experts)


@register(
    "meteora",
    title="MeteoRA",
    family="integrating",
    paper="Xu et al. 2025, arXiv 2405.13053",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class Meteora(IntegratingRecommender):
    """Source adapters, weighted per token by a gate at every adapted layer."""

    Params = MeteoraParams

    def integration(self, adapters: Sequence[Adapter]) -> LayerGates:
        """Return the gates over the adapters."""
        return LayerGates(self.language_model, adapters, self.params.top_k)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "Gates learn only from the ranking loss; MeteoRA also trains them to predict a token's task.",
            "Gates start at zero, which gives all adapters the same weight; if top_k is less than the number of "
            "adapters, such ties are resolved in favor of the first ones.",
        )
