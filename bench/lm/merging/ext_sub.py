"""Ext-Sub: split a source's update into the part it shares with the target's update and the rest.

Paper: Hu et al. 2024, arXiv 2308.08090. Row by row, with the target's update w and a source's u as unit vectors ŵ
and û, the common direction is c = (ŵ + û)/‖ŵ + û‖ and the shared part of u its projection P = (u·c)c. Since
u·c = ‖u‖·‖ŵ + û‖/2, that is P = ½(u + ‖u‖·ŵ), in which each row is scaled by a number. So everything here is exactly
a product of low-rank factors and needs only the norms of the rows. A row of zeros has no direction and shares nothing.

The authors subtract the part that is not shared (to unlearn): w − α(u − P). WeaveRec lists the method as a baseline
without saying how it is used; by default the target is averaged with what each source shares with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from bench.lm.adapters.adapter import Adapter, check_mergeable, like
from bench.lm.adapters.low_rank import row_norms
from bench.lm.merging.updates import module_names

ExtSubVariant = Literal["average", "subtract"]


def merge_ext_sub(
    target: Adapter, sources: Sequence[Adapter], *, variant: ExtSubVariant = "average", strength: float = 1.0
) -> Adapter:
    """Merge a target's adapter with those of sources; the result's rank is the sum of all ranks.

    Args:
        target: Adapter of the target domain, W.
        sources: Adapters U_n of N source domains; without any, the target's update is returned.
        variant: ``average`` is (W + Σ P_n)/(N + 1); ``subtract`` is W − α·Σ(U_n − P_n)/N, for N = 1 the authors' own.
        strength: The α of ``subtract``.
    """
    everyone = [target, *sources]
    check_mergeable(everyone, same_initialisation=False)
    merged = {}
    for module in module_names(everyone):
        own, *others = [_factors(everyone, adapter, module) for adapter in everyone]
        shares = [shared_rows(own, other) for other in others]
        of_target, of_source = _row_weights(shares, variant, strength)
        sides = [of_target * own[1], *(w * b for w, (_, b) in zip(of_source, others, strict=True))]
        merged[module] = (torch.cat([a for a, _ in (own, *others)]), torch.cat(sides, dim=1))
    return like(target, merged, target.scaling)


def shared_rows(target: tuple[Tensor, Tensor], source: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the columns s, t, each (d_out, 1), such that the source's shared part is P = s ⊙ W + t ⊙ U."""
    w, u = row_norms(*target), row_norms(*source)
    half = 0.5 * ((w > 0) & (u > 0)).to(w)
    # a row of zeros is divided by 1 instead; its shared part is 0 either way
    return (half * u / torch.where(w > 0, w, 1.0))[:, None], half[:, None]


def _row_weights(
    shares: Sequence[tuple[Tensor, Tensor]], variant: ExtSubVariant, strength: float
) -> tuple[Tensor | float, list[Tensor]]:
    """Return the factors of each row of the target's update, and of each source's update."""
    if not shares:
        return 1.0, []
    of_target, of_source = torch.stack([s for s, _ in shares]).sum(0), [t for _, t in shares]
    if variant == "average":
        n = len(shares) + 1
        return (1 + of_target) / n, [t / n for t in of_source]
    step = strength / len(shares)
    return 1 + step * of_target, [step * (t - 1) for t in of_source]


def _factors(everyone: Sequence[Adapter], adapter: Adapter, module: str) -> tuple[Tensor, Tensor]:
    """Return an adapter's factors of a layer; if it lacks the layer, another adapter's A with a B of zeros."""
    if module in adapter.factors:
        return adapter.factors[module]
    a, b = next(other.factors[module] for other in everyone if module in other.factors)
    return a, torch.zeros_like(b)
