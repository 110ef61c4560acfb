"""LoRA-LEGO: split single-domain adapters into ranks and merge them by clustering; see :mod:`bench.lm.merging.lego`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.lego import merge_lego
from bench.lm.recommenders import DomainMerge
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Queries


@dataclass(frozen=True)
class LegoParams(LoraRecipe):
    """The recipe of the adapters and how they are merged."""

    n_clusters: int | None = field(default=None, metadata=at_least(1))
    """Rank k of the merged adapter; none: the rank of the adapters."""
    reweight: bool = True
    """Whether to rescale centroids to the mean norm of their members, and the output by √(r/k)."""


@register(
    "lora-lego",
    title="LoRA-LEGO",
    family="merging",
    paper="Zhao et al. 2024, arXiv 2409.16167",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class LoraLego(DomainMerge):
    """All single-domain adapters, merged by clustering their ranks."""

    Params = LegoParams

    def merge(self, queries: Queries) -> Adapter:
        """Cluster the ranks."""
        settings = self.params
        adapters = list(self.trained.values())
        return merge_lego(adapters, n_clusters=settings.n_clusters, reweight=settings.reweight, seed=self.task.seed)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "The authors' code was not found: a cluster counts once, whatever its size, and the constants of the "
            "reweighting are our interpretation.",
        )
