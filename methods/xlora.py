"""XLoRA: a classifier over the plain encoder's last states weights every adapter, per token and layer.

    w = softmax(C·h⁰ + c) for each token,    ΔW·x = Σ_m w_m · scaling · B_m A_m x

h⁰ is the token's last state in the encoder without any adapter, so each prompt is encoded twice. C has one row per
adapter and adapted layer (36,912 values with its bias on DeBERTa-v3-base: 24 layers, 2 adapters) and starts at zero,
which gives all adapters the same weight. The adapters are frozen; the classifier, the pooler and the scorer learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from bench.methods.shared.integrating import IntegratingParams, IntegratingRecommender, Integration
from torch import Tensor, nn

from bench.lm.adapters.experts import MixedExperts
from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.model import PairLanguageModel
    from bench.lm.pairs.prompts import PairBatch


@dataclass(frozen=True)
class XLoraParams(IntegratingParams):
    """Adds the granularity of the classifier's weights."""

    layerwise: bool = True
    """Whether adapters have separate weights per adapted layer (as in X-Cross) or the same in all layers."""


class WeighedExperts(MixedExperts):
    """Adapters with precomputed weights for each token of each prompt."""

    by_token_alone = False
    by_prompt: Tensor
    """Weights (n_prompts, length, n_modules or 1, n_adapters)."""

    def weights(self, module: str, states: Tensor) -> Tensor:
        """Return the weights at one layer; relative positions belong to no token, so all adapters weigh the same."""
        if self.stream is not None:
            return states.new_full((1, 1, self.n_adapters), 1 / self.n_adapters)
        number = self.modules.index(module) if self.by_prompt.shape[2] > 1 else 0
        return self.by_prompt[:, : states.shape[1], number]


class TokenClassifier(Integration):
    """A linear classifier of the plain encoder's last states, a softmax over the adapters."""

    def __init__(self, language_model: PairLanguageModel, adapters: Sequence[Adapter], *, layerwise: bool) -> None:
        super().__init__(language_model, adapters)
        self._experts = WeighedExperts(adapters, language_model.device)
        n_places = len(self._experts.modules) if layerwise else 1
        self.shape = (n_places, len(adapters))
        self.classifier = nn.Linear(language_model.dimension, n_places * len(adapters))
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def states(self, batch: PairBatch) -> Tensor:
        """Return the states of the encoder with the weighted adapters, (1, n_prompts, d)."""
        walk = self.language_model.walk
        with torch.no_grad():
            plain = walk.all_tokens(batch)
        self._experts.by_prompt = self.classifier(plain).float().unflatten(-1, self.shape).softmax(-1)
        with self._experts.hooked(self.language_model.model):
            return walk.pooled(batch, self._experts)


@register(
    "xlora",
    title="X-LoRA",
    family="integrating",
    paper="Buehler & Buehler 2024, arXiv 2402.07148",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class XLora(IntegratingRecommender):
    """Source adapters, weighted per token by a classifier over the states of the encoder without adapters."""

    Params = XLoraParams

    def integration(self, adapters: Sequence[Adapter]) -> TokenClassifier:
        """Return the classifier over the adapters."""
        return TokenClassifier(self.language_model, adapters, layerwise=self.params.layerwise)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "One linear classifier (depth 1, temperature 1) that starts at zero, so all adapters first weigh the same.",
        )
