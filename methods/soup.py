"""Soup: a control that separates the effect of other domains in a merge from that of averaging.

It averages as many target adapters as WeaveRec has branches. They start from the same initialization and read the
examples in different orders (Wortsman et al. 2022, arXiv 2203.05482, average models that differ in their
hyper-parameters).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.recommenders import AdapterRecommender, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Queries, Task


@dataclass(frozen=True)
class SoupParams(LoraRecipe):
    """The recipe of the adapters and how they are averaged."""

    space: MergeSpace = "factor"
    """``factor`` averages A and B (as in the WeaveRec paper); ``delta`` the updates (as in the authors' code)."""
    n_adapters: int = field(default=0, metadata=at_least(0))
    """Number of averaged adapters; 0: as many as in WeaveRec (one more than the number of sources)."""


@register(
    "target-only-soup",
    title="Target-domain Only (soup)",
    family="merging",
    paper="in the manner of Wortsman et al. 2022, arXiv 2203.05482",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class TargetSoup(AdapterRecommender):
    """The average of target adapters that are trained on the examples in different orders."""

    Params = SoupParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the adapters; the first is that of ``target-only``."""
        n_adapters = self.params.n_adapters or 1 + len(task.sources)
        recipe = recipe_of(self.params)
        return {f"order {order}": AdapterPlan((task.target,), recipe, order=order) for order in range(n_adapters)}

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the average with equal weights."""
        adapters = list(self.trained.values())
        return merge(adapters, torch.full((len(adapters),), 1 / len(adapters)), self.params.space)

    def report(self) -> FitReport:
        """Add the merge space."""
        return super().report().stating(merge_space=self.params.space)
