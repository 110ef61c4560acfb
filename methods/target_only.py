"""Target-only: one adapter trained on the target domain. It is WeaveRec's θ₀ and the baseline that a merge must beat.

Its spec equals that of RecCocktail's ingredient, so both share one stored adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.lm.recommenders import SingleAdapter, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Task


@register(
    "target-only",
    title="Target-domain Only",
    family="merging",
    paper="WeaveRec, arXiv 2510.26546, baseline",
    needs_titles=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class TargetOnly(SingleAdapter):
    """Only the target's adapter."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter."""
        return {"target": AdapterPlan((task.target,), recipe_of(self.params))}
