"""Second fine-tuning: RecCocktail's general adapter, trained on with the target's examples.

The rival that spends the same data one after the other in one adapter, where RecCocktail trains two and merges them:
fresh optimiser, same recipe. The paper's table 3 gives it 10, 20 and 30 % of the target: ``target_share``, of users,
so that a smaller share lies within a larger one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.hashing import derived_seed
from bench.lm.adapters import LoraRecipe
from bench.lm.library import AdapterPlan
from bench.plugin import Task
from bench.registry import register
from methods._shared_adapters import SingleAdapter, general_domains, recipe_of


@dataclass(frozen=True)
class SecondFinetuneParams(LoraRecipe):
    """The recipe of both trainings, and what the second does otherwise."""

    target_epochs: int | None = None
    """Passes over the target's examples; none: as many as over the general ones. 0 is the general adapter."""
    target_share: float = 1.0
    """Share of the target's users that are learned from, the general adapter's being all."""

    def __post_init__(self) -> None:
        if not 0 < self.target_share <= 1:
            raise BenchError(f"Parameter 'target_share' must be above 0 and at most 1, not {self.target_share}.")


@register(
    "second-finetune",
    family="merging",
    paper="RecCocktail, arXiv 2502.08271, baseline",
    needs_titles=True,
    needs_sources=True,
    needs_backbone=True,
    cold_rule="title text",
)
class SecondFinetune(SingleAdapter):
    """The general adapter, then the target's examples."""

    Params = SecondFinetuneParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the general adapter and the one that goes on from it."""
        recipe = recipe_of(self.params)
        epochs = recipe.epochs if self.params.target_epochs is None else self.params.target_epochs
        general = AdapterPlan(general_domains(task), recipe)
        target = share_of_users(task.target, self.params.target_share, task.seed)
        return {"general": general, "target": AdapterPlan((target,), replace(recipe, epochs=epochs), general)}

    def details(self) -> dict[str, Any]:
        """Count the one adapter's parameters once."""
        return {**super().details(), "n_trained_parameters": self.trained["target"].n_parameters}


def share_of_users(domain: Domain, share: float, seed: int) -> Domain:
    """Return the domain with the histories of a seeded share of its users; a smaller share lies in a larger one."""
    if share == 1:
        return domain
    chosen = np.random.default_rng(derived_seed(seed, "target-share")).random(domain.n_users) < share
    return domain.keeping(chosen[domain.users_of_interactions()])
