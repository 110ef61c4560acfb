"""Compute the gradient of a merged model's entropy with one prompt's graph in memory at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.lm.adapters.adapter import Adapter, like
from bench.lm.adapters.apply import hooked

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.language_model import LanguageModel
    from bench.plugin import Queries


def add_entropy_gradient(
    language_model: LanguageModel,
    domain: Domain,
    queries: Queries,
    merged: Adapter,
    temperature: Tensor | None,
    n_tokens: int,
    share: float,
) -> float:
    """Return the entropy of the model with a merged adapter, and compute the gradient of ``share`` times it.

    The gradient is computed term by term up to the merged factors and the temperature, and from there once to whatever
    these were computed from, so that only one term's graph is in memory.
    """
    leaves = {name: (_leaf(a), _leaf(b)) for name, (a, b) in merged.factors.items()}
    divisor = None if temperature is None else _leaf(temperature)
    total = 0.0
    with hooked(language_model.model, like(merged, leaves, merged.scaling)), language_model.changed_only_by([merged]):
        for term in language_model.entropy_terms(domain, queries, divisor, n_tokens):
            (share * term).backward()  # type: ignore[no-untyped-call]
            total += term.item()
    pairs = [pair for name in leaves for pair in zip(merged.factors[name], leaves[name], strict=True)]
    pairs += [] if temperature is None or divisor is None else [(temperature, divisor)]
    reached = [(value, leaf.grad) for value, leaf in pairs if leaf.grad is not None]
    torch.autograd.backward([value for value, _ in reached], [gradient for _, gradient in reached])
    return total


def _leaf(value: Tensor) -> Tensor:
    """Return a tensor of the same values in which a gradient ends, if one flows through ``value``."""
    return value.detach().requires_grad_(value.requires_grad)
