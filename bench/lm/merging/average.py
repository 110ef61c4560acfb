"""Compute weighted averages of LoRA adapters as pure functions of tensors, and apply the average to a model.

"Average the adapters" can mean two different operations. As the papers print it (RecCocktail eq. 7, WeaveRec eq. 11),
A and B are averaged separately: ``factor``, Δ = s·(Σλ_i B_i)(Σλ_i A_i). In the authors' code, the updates are
averaged: ``delta``, Δ = s·Σλ_i B_i A_i. They differ by the cross terms B_i A_j.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter, check_mergeable, like
from bench.lm.adapters.apply import hooked

MergeSpace = Literal["factor", "delta"]


def merge(adapters: Sequence[Adapter], weights: Tensor, space: MergeSpace, *, any_sum: bool = False) -> Adapter:
    """Merge adapters of the same base with weights of shape (n,), or (n_modules, n) in sorted order of module names.

    Raises:
        BenchError: the adapters are not compatible, or the weights do not sum to 1 (and ``any_sum`` is false).
    """
    check_mergeable(adapters, same_initialisation=space == "factor")
    check_weights(weights, len(adapters), any_sum=any_sum)
    modules = sorted({module for adapter in adapters for module in adapter.factors})
    by_module = weights.expand(len(modules), -1) if weights.dim() == 1 else weights
    merge_module = factor_merge if space == "factor" else delta_merge
    merged = {}
    for module, module_weights in zip(modules, by_module, strict=True):
        present = [i for i, adapter in enumerate(adapters) if module in adapter.factors]
        pairs = [adapters[i].factors[module] for i in present]
        merged[module] = merge_module(pairs, module_weights[present])
    return like(adapters[0], merged, adapters[0].scaling)


@contextmanager
def mixed(
    model: nn.Module, adapters: Sequence[Adapter], weights: Tensor, space: MergeSpace, *, any_sum: bool = False
) -> Iterator[None]:
    """Add the merge of ``adapters`` to the model's linear layers while the block runs.

    ``weights`` has shape (n,) or (n_modules, n) and may require gradients; the model itself is not changed.
    """
    with hooked(model, merge(adapters, weights, space, any_sum=any_sum)):
        yield


def check_weights(weights: Tensor, n_adapters: int, *, any_sum: bool = False) -> None:
    """Raise BenchError if there is not one weight per adapter, or if weights do not sum to 1 although they must."""
    if weights.shape[-1] != n_adapters:
        raise BenchError(f"Expected one merge weight per adapter ({n_adapters}), got {weights.shape[-1]}.")
    sums = weights.detach().sum(-1).flatten()
    wrong = sums[~torch.isclose(sums, torch.ones(()).to(sums), atol=1e-4)]
    if len(wrong) and not any_sum:
        raise BenchError(f"Merge weights must sum to 1, not {wrong[0].item():.4g}.")


def factor_merge(pairs: Sequence[tuple[Tensor, Tensor]], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Average the A and the B factors of one layer: A' = Σλ_i A_i (r, d_in), B' = Σλ_i B_i (d_out, r)."""
    a = sum(weight * a for weight, (a, _) in zip(weights, pairs, strict=True))
    b = sum(weight * b for weight, (_, b) in zip(weights, pairs, strict=True))
    return a, b


def delta_merge(pairs: Sequence[tuple[Tensor, Tensor]], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return factors of rank Σr_i whose product is Σλ_i B_i A_i exactly: A stacked, λ_i B_i side by side."""
    a = torch.cat([a for a, _ in pairs], dim=0)
    b = torch.cat([weight * b for weight, (_, b) in zip(weights, pairs, strict=True)], dim=1)
    return a, b
