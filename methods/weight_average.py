"""Weight average: equal weights for the target's adapter and one adapter per source domain (WeaveRec, eq. 5 to 7).

θ = Σ θ_n / (N + 1), over A and B separately as printed (``space=factor``) or over the updates as in the authors' code
(``space=delta``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.recommenders import DomainMerge
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Queries


@dataclass(frozen=True)
class WeightAverageParams(LoraRecipe):
    """The recipe of the adapters and the space they are merged in."""

    space: MergeSpace = "factor"
    """``factor`` averages A and B, as in the paper; ``delta`` averages the updates, as in the authors' code."""


@register(
    "weight-average",
    title="Weight Average",
    family="merging",
    paper="Wortsman et al. 2022, arXiv 2203.05482",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class WeightAverage(DomainMerge):
    """All single-domain adapters with equal weights."""

    Params = WeightAverageParams

    def merge(self, queries: Queries) -> Adapter:
        """Average the adapters."""
        adapters = list(self.trained.values())
        return merge(adapters, torch.full((len(adapters),), 1 / len(adapters)), self.params.space)

    def report(self) -> FitReport:
        """Add the merge space."""
        return super().report().stating(merge_space=self.params.space)
