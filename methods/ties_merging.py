"""TIES-Merging of the target's adapter with one adapter per source domain; see :mod:`bench.lm.merging.ties`.

τ_i = Δ_i trimmed to its largest entries, γ = sign(Σ τ_i), Δ = λ · mean of the τ_i whose sign is γ, entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import MergeSpace
from bench.lm.merging.ties import DENSITY, merge_ties
from bench.lm.merging.updates import merged_rank
from bench.lm.recommenders import DomainMerge
from bench.plugin import above, at_least, at_most
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Queries


@dataclass(frozen=True)
class TiesParams(LoraRecipe):
    """The recipe of the adapters and how they are merged."""

    space: MergeSpace = "delta"
    """``delta`` merges the updates; ``factor`` merges A and B separately, as in PEFT."""
    density: float = field(default=DENSITY, metadata=above(0) | at_most(1))
    """Fraction of entries kept when trimming."""
    scale: float = field(default=1.0, metadata=above(0))
    """λ, the factor of the merged update."""
    merged_rank: int | None = field(default=None, metadata=at_least(0))
    """Rank to which the merged update is reduced in ``delta`` space; 0 keeps the full rank, which needs too much memory
    for large models; none: 0 for an encoder, 16 for a decoder."""


@register(
    "ties-merging",
    title="Ties-Merging",
    family="merging",
    paper="Yadav et al. 2023, arXiv 2306.01708",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class TiesMerging(DomainMerge):
    """All single-domain adapters, merged by TIES."""

    Params = TiesParams

    def merge(self, queries: Queries) -> Adapter:
        """Merge by TIES."""
        settings = self.params
        return merge_ties(
            self.adapters_on_device(),
            density=settings.density,
            scale=settings.scale,
            space=settings.space,
            rank=merged_rank(settings.merged_rank, self.language_model.backbone.kind),
        )

    def report(self) -> FitReport:
        """Add the merge space."""
        return super().report().stating(merge_space=self.params.space)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "Trimming and the majority sign are computed per layer, not over the whole model.",
            "In delta space the merged update of a decoder is cut to merged_rank by singular value decomposition; "
            "kept_share states how much of it is kept.",
        )
