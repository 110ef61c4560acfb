"""DARE: drop entries of each update at random, rescale the rest to compensate, then average.

Paper: Yu et al. 2024, arXiv 2311.03099: Δ̃ = m ⊙ Δ / (1 − p), with m an independent Bernoulli(1 − p) mask, which has
the expected value Δ. ``delta`` space drops entries of the updates. ``factor`` space drops entries of A and B, each with
a separate mask; this also keeps the expected value of B·A but has a larger variance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.files.hashing import derived_seed
from bench.lm.adapters.adapter import Adapter, like
from bench.lm.merging.average import MergeSpace, check_weights, merge
from bench.lm.merging.updates import merge_updates

DROP = 0.2
"""Fraction of entries that are dropped: the authors' choice for merging language models (0.9 for single models)."""


def merge_dare(
    adapters: Sequence[Adapter],
    weights: Tensor,
    *,
    drop: float = DROP,
    space: MergeSpace = "delta",
    rank: int = 16,
    seed: int = 0,
) -> Adapter:
    """Drop and rescale entries of each adapter, then average with ``weights`` of shape (n,).

    Args:
        adapters: At least one, of the same base.
        weights: Weights of the average, shape (n,), summing to 1.
        drop: Probability p that an entry is dropped, in [0, 1).
        space: ``delta`` for entries of the updates, ``factor`` for entries of A and B.
        rank: Rank to which the merged update is cut in ``delta`` space; 0 keeps it whole.
        seed: Seed of the masks; each layer and adapter has a separate mask.

    Raises:
        BenchError: the adapters are not compatible, or the weights do not sum to 1.
    """
    if space == "factor":
        return merge([_dropped(adapter, drop, seed, str(i)) for i, adapter in enumerate(adapters)], weights, "factor")

    check_weights(weights, len(adapters))

    def average(module: str, updates: Tensor) -> Tensor:
        device = updates.device
        masks = [mask_generator(seed, str(i), module, device=device) for i in range(len(updates))]
        thinned = [drop_entries(update, drop, mask) for update, mask in zip(updates, masks, strict=True)]
        return torch.einsum("n,n...->...", weights.to(updates), torch.stack(thinned))

    return merge_updates(adapters, average, rank)


def drop_entries(values: Tensor, drop: float, generator: torch.Generator) -> Tensor:
    """Return the values with each entry 0 with probability ``drop`` and divided by 1 − ``drop`` otherwise."""
    if drop == 0:
        return values
    kept = torch.rand(values.shape, generator=generator, device=values.device) >= drop
    return values * kept / (1 - drop)


def mask_generator(seed: int, *purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the random generator of one mask, on the device of the values that it drops."""
    return torch.Generator(device).manual_seed(derived_seed(seed, "dare", *purpose))


def _dropped(adapter: Adapter, drop: float, seed: int, name: str) -> Adapter:
    factors = {
        module: (
            drop_entries(a, drop, mask_generator(seed, name, module, "A", device=a.device)),
            drop_entries(b, drop, mask_generator(seed, name, module, "B", device=b.device)),
        )
        for module, (a, b) in adapter.factors.items()
    }
    return like(adapter, factors, adapter.scaling)
