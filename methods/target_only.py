"""Target-only: one adapter trained on the target domain. It is WeaveRec's θ₀ and the baseline that a merge must beat.

Its spec equals that of RecCocktail's ingredient, so both share one stored adapter. An average of n updates keeps a
fraction 1/n of the target's; ``strength`` shows what this weakening costs without any other adapter. ``order`` shows
how much the result varies when only the order of the examples changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import merge
from bench.lm.recommenders import SingleAdapter, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.plugin import above, at_least, at_most
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Queries, Task


@dataclass(frozen=True)
class TargetOnlyParams(LoraRecipe):
    """The adapter's recipe and how much of its update is used."""

    strength: float = field(default=1.0, metadata={"neutral": True} | above(0) | at_most(1))
    """Fraction of the adapter's update that is added to the weights; 1 uses the adapter as it is trained."""
    order: int = field(default=0, metadata={"neutral": True} | at_least(0))
    """Which of several orders of examples after the same initialization, as in ``target-only-soup``."""


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

    Params = TargetOnlyParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter."""
        return {"target": AdapterPlan((task.target,), recipe_of(self.params), order=self.params.order)}

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the adapter, weakened if its strength is below 1."""
        adapter, strength = super().adapter_for(queries), self.params.strength
        return adapter if strength == 1 else merge([adapter], torch.tensor([strength]), "delta", any_sum=True)
