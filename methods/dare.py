"""DARE and weight averaging of the target's adapter and one adapter per source; see :mod:`bench.lm.merging.dare`.

Δ = Σ m_n ⊙ Δ_n / ((1 − p)(N + 1)) with masks m_n that drop each entry with probability p.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import MergeSpace
from bench.lm.merging.dare import DROP, merge_dare
from bench.lm.merging.updates import merged_rank
from bench.lm.recommenders import DomainMerge
from bench.plugin import at_least, below
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Queries


@dataclass(frozen=True)
class DareParams(LoraRecipe):
    """The recipe of the adapters and how they are merged."""

    space: MergeSpace = "delta"
    """``delta`` drops entries of the updates; ``factor`` drops entries of A and B, with separate masks."""
    drop: float = field(default=DROP, metadata=at_least(0) | below(1))
    """Probability p that an entry is dropped (the authors: 0.2 for language models, otherwise 0.9)."""
    merged_rank: int | None = field(default=None, metadata=at_least(0))
    """Rank to which the merged update is reduced in ``delta`` space; 0 keeps the full rank, which needs too much memory
    for large models; none: 0 for an encoder, 16 for a decoder."""


@register(
    "dare",
    title="DARE",
    family="merging",
    paper="Yu et al. 2024, arXiv 2311.03099",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class Dare(DomainMerge):
    """All single-domain adapters with randomly dropped entries and equal weights."""

    Params = DareParams

    def merge(self, queries: Queries) -> Adapter:
        """Drop, rescale and average."""
        adapters = self.adapters_on_device()
        settings = self.params
        return merge_dare(
            adapters,
            torch.full((len(adapters),), 1 / len(adapters)),
            drop=settings.drop,
            space=settings.space,
            rank=merged_rank(settings.merged_rank, self.language_model.backbone.kind),
            seed=self.task.seed,
        )

    def report(self) -> FitReport:
        """Add the merge space."""
        return super().report().stating(merge_space=self.params.space)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "In delta space the merged update of a decoder is cut to merged_rank by singular value decomposition; "
            "kept_share states how much of it is kept.",
        )
