"""All data: one adapter trained on the target and all source domains at once.

It learns from the same data as all of WeaveRec's adapters together, but without merging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.lm.recommenders import SingleAdapter, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Task


@register(
    "all-data",
    title="All Data Merging",
    family="merging",
    paper="WeaveRec, arXiv 2510.26546, baseline",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class AllData(SingleAdapter):
    """One adapter for the target and all sources."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return that adapter."""
        return {"all domains": AdapterPlan((task.target, *task.sources), recipe_of(self.params))}
