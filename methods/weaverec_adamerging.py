"""WeaveRec's branches with AdaMerging's weights (WeaveRec, table 4, "w/ AdaMerging").

It is registered as a separate method because it is transductive: the weights are learned on unlabeled test queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.methods.adamerging import AdaMerging, AdaMergingParams
from bench.methods.weaverec import WeaveParams, woven

from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.training.library import AdapterPlan
    from bench.plugin import Task


@dataclass(frozen=True)
class WeaveAdaMergingParams(AdaMergingParams, WeaveParams):
    """The recipe of WeaveRec's branches and how their weights are learned."""


@register(
    "weaverec-adamerging",
    title="WeaveRec w/ AdaMerging",
    family="merging",
    paper="WeaveRec, arXiv 2510.26546, table 4",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
    transductive=True,
)
class WeaveRecAdaMerging(AdaMerging):
    """The target's adapter and one hybrid adapter per source, with weights learned by minimizing entropy."""

    Params = WeaveAdaMergingParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter, then the hybrids."""
        return woven(self.params, task)
