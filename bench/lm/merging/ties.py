"""TIES: trim each update to its largest entries, elect a sign for each entry, average the entries that agree.

Paper: Yadav et al. 2023, arXiv 2306.01708, algorithm 1. The paper trims the whole model's vector at once; here each
layer is trimmed separately. In ``delta`` space the vectors are the layers' updates Δ_i = s·B_i A_i; ``factor`` space
treats A and B as two separate vectors, as PEFT's ``ties`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.lm.adapters.adapter import Adapter, check_mergeable, like
from bench.lm.merging.updates import merge_updates, module_names

if TYPE_CHECKING:
    from bench.lm.merging.average import MergeSpace

DENSITY = 0.2
"""Fraction of entries that trimming keeps: the paper's recommendation if nothing can be tuned."""


def merge_ties(
    adapters: Sequence[Adapter],
    *,
    density: float = DENSITY,
    scale: float = 1.0,
    space: MergeSpace = "delta",
    rank: int = 16,
) -> Adapter:
    """Merge adapters by TIES.

    Args:
        adapters: At least one, of the same base.
        density: Fraction of the entries that are kept, in (0, 1].
        scale: The paper's λ, the factor of the merged update.
        space: ``delta`` for updates, ``factor`` for A and B separately.
        rank: Rank to which the merged update is cut in ``delta`` space; 0 keeps it whole.
    """
    if space == "delta":
        return merge_updates(adapters, lambda _module, updates: scale * ties(updates, density), rank)
    check_mergeable(adapters, same_initialisation=True)
    merged = {}
    for module in module_names(adapters):
        a, b = (torch.stack(side) for side in zip(*(adapter.factors[module] for adapter in adapters), strict=True))
        merged[module] = (ties(a, density), scale * ties(b, density))
    return like(adapters[0], merged, adapters[0].scaling)


def ties(vectors: Tensor, density: float) -> Tensor:
    """Merge stacked vectors (n, …) to one (…): trim, elect signs, average the non-zero entries that agree."""
    trimmed = torch.stack([trim(vector, density) for vector in vectors])
    agreeing = trimmed * (trimmed.sign() == elected_signs(trimmed))
    # an entry that no vector keeps becomes 0 / 1
    return agreeing.sum(0) / (agreeing != 0).sum(0).clamp(min=1)


def trim(vector: Tensor, density: float) -> Tensor:
    """Keep the fraction ``density`` of entries with the largest magnitude, at least one, and set the rest to 0.

    Entries as large as the smallest kept one are kept as well.
    """
    magnitudes = vector.abs()
    n_kept = max(1, round(density * vector.numel()))
    least = magnitudes.flatten().kthvalue(vector.numel() - n_kept + 1).values
    return vector * (magnitudes >= least)


def elected_signs(trimmed: Tensor) -> Tensor:
    """Return the sign of each entry's sum over the vectors (n, …) → (…), +1 or −1.

    If the sum is 0, the sign that most entries of the layer have is used, or + if neither sign is in the majority.
    """
    signs = trimmed.sum(0).sign()
    majority = 1.0 if signs.sum() >= 0 else -1.0
    return torch.where(signs == 0, majority, signs)
