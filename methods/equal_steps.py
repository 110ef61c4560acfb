"""Equal steps: a control that separates the effect of merging from that of longer training.

It trains one adapter on the target for as many optimizer steps as all branches of WeaveRec together. The batch size is
the same, so it also reads as many examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.methods.weaverec import WeaveParams, woven

from bench.lm.recommenders import SingleAdapter, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Task


@register(
    "target-only-equal-steps",
    title="Target-domain Only (equal steps)",
    family="merging",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class EqualSteps(SingleAdapter):
    """One target adapter, trained with as many steps and examples as all of WeaveRec's adapters together."""

    Params = WeaveParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return that adapter; its number of steps is known once WeaveRec's adapters are trained."""
        branches = tuple(woven(self.params, task).values())
        return {"target": AdapterPlan((task.target,), recipe_of(self.params), as_long_as=branches)}
