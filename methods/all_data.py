"""All data: one adapter trained on the target and all source domains at once.

It learns from what WeaveRec's adapters together have seen, without any merging. By default each domain gives as many
examples as the target does alone, so it takes N + 1 times as many steps as ``target-only``; with
``share_examples=true`` it takes equally many, which tells the effect of other data from that of more training.
"""

from __future__ import annotations

from bench.lm.recommenders import MixtureParams, SingleAdapter, mixture
from bench.lm.training.library import AdapterPlan
from bench.plugin import Task
from bench.registry import register


@register(
    "all-data",
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

    Params = MixtureParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return that adapter."""
        return {"all domains": mixture(self.params, task.target, *task.sources)}
