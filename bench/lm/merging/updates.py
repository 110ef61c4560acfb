"""Merge whole updates layer by layer, with the dense matrices of only one layer in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.lm.adapters.adapter import Adapter, check_mergeable
from bench.lm.adapters.low_rank import WHOLE, factorize, squared_norm

if TYPE_CHECKING:
    from bench.lm.backbones import BackboneKind

DECODER_RANK = 16
"""Rank that merged updates of a decoder are cut to by default."""
Combine = Callable[[str, Tensor], Tensor]
"""Takes a layer's name and its stacked updates (n_adapters, d_out, d_in), returns the merged update (d_out, d_in)."""


@dataclass(frozen=True, eq=False)
class CutAdapter(Adapter):
    """A merged update of full rank, approximated by the nearest adapter of a given rank."""

    kept_share: float = 1.0
    """Share of the merged updates' squared norm, over all layers, that is left after the cut."""
    cut_to: int = WHOLE
    """Rank that the merged updates were cut to; 0 if they are whole."""


def merged_rank(rank: int | None, kind: BackboneKind) -> int:
    """Return the rank to cut a merged update to: the given one, else 16 for a decoder and no cut for an encoder.

    A cut loses part of the update, and only whole updates of large models, usually decoders, need it.
    """
    if rank is not None:
        return rank
    return WHOLE if kind == "encoder" else DECODER_RANK


def merge_updates(adapters: Sequence[Adapter], combine: Combine, rank: int) -> CutAdapter:
    """Merge the updates Δ_i = s·B_i A_i of each layer and return the result cut to ``rank`` (0 keeps it whole).

    A layer that an adapter lacks is an update of zeros.

    Raises:
        BenchError: the adapters are not compatible.
    """
    check_mergeable(adapters, same_initialisation=False)
    merged = {}
    whole = kept = 0.0
    for module in module_names(adapters):
        update = combine(module, stacked_updates(adapters, module))
        merged[module] = factorize(update, rank)
        whole += float(update.square().sum())
        kept += squared_norm(*merged[module]) if rank else float(update.square().sum())
    return CutAdapter(merged, 1.0, adapters[0].base, adapters[0].initialisation, kept / whole if whole else 1.0, rank)


def module_names(adapters: Sequence[Adapter]) -> list[str]:
    """Return the names of all layers that at least one adapter changes, sorted."""
    return sorted({module for adapter in adapters for module in adapter.factors})


def stacked_updates(adapters: Sequence[Adapter], module: str) -> Tensor:
    """Return the adapters' updates of one layer, shape (n_adapters, d_out, d_in)."""
    present = {i: adapter.delta(module) for i, adapter in enumerate(adapters) if module in adapter.factors}
    nothing = torch.zeros_like(next(iter(present.values())))
    return torch.stack([present.get(i, nothing) for i in range(len(adapters))])
