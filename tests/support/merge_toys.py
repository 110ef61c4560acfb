"""Small random adapters, a model to merge them in, and PEFT's merge as the reference for several operators."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bench.data.domain import Domain
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import Adapter
from bench.plugin import Queries

D_OUT, D_IN = 4, 3


def random_adapter(
    seed: int, modules: Sequence[str] = ("layer",), rank: int = 2, d_out: int = D_OUT, d_in: int = D_IN, **facts: Any
) -> Adapter:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    factors = {module: (random(rank, d_in), random(d_out, rank)) for module in modules}
    return Adapter(factors, **{"scaling": 2.0, "base": "base", "initialisation": "init", **facts})


def adapter_of(update: Tensor | list[list[float]], scaling: float = 1.0) -> Adapter:
    """Return an adapter of one layer with this matrix as its update."""
    delta = torch.as_tensor(update, dtype=torch.float32)
    return Adapter({"layer": (delta, torch.eye(len(delta)) / scaling)}, scaling, "base", "init")


class LinearScorer:
    """A miniature language model: each query's scores are those of a single layer without its own weights.

    Scores are linear in the adapter's update, so scaling an adapter scales its scores.
    """

    n_choices, n_features = 30, 8

    def __init__(self) -> None:
        layer = nn.Linear(self.n_features, self.n_choices, bias=False).requires_grad_(False)
        layer.weight.zero_()
        self.model = nn.ModuleDict({"layer": layer})
        self.features = torch.randn(100, self.n_features, generator=torch.Generator().manual_seed(0))

    def changed_only_by(self, adapters: Sequence[Adapter]) -> AbstractContextManager[None]:
        return nullcontext()

    def entropy(
        self, domain: Domain, queries: Queries, temperature: float | Tensor | None = None, n_tokens: int = 1
    ) -> Tensor:
        return softmax_entropy(self.model["layer"](self.features[queries.users]), temperature).mean()


def merged_by_peft(
    adapters: Sequence[Adapter], weights: Sequence[float], combination_type: str, **settings: Any
) -> Tensor:
    """Return the update of ``layer`` that PEFT's ``add_weighted_adapter`` computes from adapters of scaling 2."""
    from peft import LoraConfig, get_peft_model

    a, b = adapters[0].factors["layer"]
    lora = LoraConfig(r=a.shape[0], lora_alpha=2 * a.shape[0], target_modules=["layer"])
    base = nn.ModuleDict({"layer": nn.Linear(a.shape[1], b.shape[0], bias=False)})
    names = [f"adapter {i}" for i in range(len(adapters))]
    model = get_peft_model(base, lora, adapter_name=names[0])
    for name in names[1:]:
        model.add_adapter(name, lora)
    layer = model.base_model.model["layer"]
    for name, adapter in zip(names, adapters, strict=True):
        assert adapter.scaling == layer.scaling[name]
        layer.lora_A[name].weight.data, layer.lora_B[name].weight.data = adapter.factors["layer"]
    model.add_weighted_adapter(names, list(weights), "merged", combination_type=combination_type, **settings)
    return layer.get_delta_weight("merged").detach()
