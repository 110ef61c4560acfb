"""Second fine-tuning: RecCocktail's general adapter, fine-tuned further on the target's examples.

It trains one adapter on the general data and then on the target, while RecCocktail trains two adapters and merges
them. The second training uses a fresh optimizer and the same recipe. The paper's table 3 trains it on 10, 20 and 30%
of the target (``--train-fraction``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.recommenders import SingleAdapter, general_domains, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Task


@dataclass(frozen=True)
class SecondFinetuneParams(LoraRecipe):
    """The recipe of both trainings, and what differs in the second."""

    target_epochs: int | None = field(default=None, metadata=at_least(0))
    """Passes over the target's examples; none: as many as for the general adapter; 0: only the general adapter."""


@register(
    "second-finetune",
    title="Second fine-tuning",
    family="merging",
    paper="RecCocktail, arXiv 2502.08271, baseline",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class SecondFinetune(SingleAdapter):
    """The general adapter, fine-tuned further on the target's examples."""

    Params = SecondFinetuneParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the general adapter and the one whose training continues from it."""
        recipe = recipe_of(self.params)
        epochs = recipe.epochs if self.params.target_epochs is None else self.params.target_epochs
        general = AdapterPlan(general_domains(task), recipe)
        return {"general": general, "target": AdapterPlan((task.target,), replace(recipe, epochs=epochs), general)}

    def report(self) -> FitReport:
        """Count the parameters once: both trainings update the same adapter."""
        return replace(super().report(), trained_parameters=self.trained["target"].n_trained_parameters)
