"""Ext-Sub: merge the target's adapter with the part of each source's adapter that both share.

See :mod:`bench.lm.merging.ext_sub`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.ext_sub import ExtSubVariant, merge_ext_sub
from bench.lm.recommenders import DomainMerge
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Queries


@dataclass(frozen=True)
class ExtSubParams(LoraRecipe):
    """The recipe of the adapters and how they are merged."""

    variant: ExtSubVariant = "average"
    """``average`` adds the shared parts to the target's update and averages; ``subtract`` (the authors' formula)
    subtracts the parts that are not shared from the target's update."""
    strength: float = field(default=1.0, metadata=at_least(0))
    """α of ``subtract``."""


@register(
    "ext-sub",
    title="Ext-Sub",
    family="merging",
    paper="Hu et al. 2024, arXiv 2308.08090",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class ExtSub(DomainMerge):
    """All single-domain adapters; of the sources' adapters, only the part shared with the target's."""

    Params = ExtSubParams

    def merge(self, queries: Queries) -> Adapter:
        """Merge by shared parts."""
        target, *sources = self.trained.values()
        return merge_ext_sub(target, sources, variant=self.params.variant, strength=self.params.strength)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "The method was made for unlearning; by default the shared parts are averaged with the target's update.",
            "The authors' formula has one source; with several, the subtracted parts are averaged.",
        )
