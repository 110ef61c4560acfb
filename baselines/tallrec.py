"""TALLRec as the papers' tables have it: one LoRA adapter, taught to answer the common prompt with the next title.

Paper: Bao et al. 2023, arXiv 2305.00447. Their method judges one item at a time (``tallrec-yesno``); RecCocktail and
WeaveRec instead tune on lists of candidates, with rank 16, RecCocktail on the target alone (``domains=target``) and
WeaveRec on the target and all sources (``domains=all``). With the same recipe the target's adapter is RecCocktail's
ingredient, and the same file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.lm.adapters.adapter import AdapterSpec, LoraRecipe
from bench.lm.loading import load_language_model
from bench.lm.training.library import AdapterPlan, carry_out, planned_specs
from bench.plugin import FitReport, Queries, Recommender, Task
from bench.registry import register


@dataclass(frozen=True)
class TallRecParams(LoraRecipe):
    """The recipe of the adapter and what it is trained on."""

    domains: Literal["target", "all"] = "target"
    """``target``: the target alone (RecCocktail); ``all``: with all source domains, ``max_examples`` from each
    (WeaveRec)."""

    def recipe(self, n_domains: int) -> LoraRecipe:
        """Return the adapter's recipe: ``max_examples`` in it is shared out between the domains."""
        plain = LoraRecipe(**{field.name: getattr(self, field.name) for field in fields(LoraRecipe)})
        return replace(plain, max_examples=plain.max_examples * n_domains)


@register(
    "tallrec",
    family="language-model",
    paper="Bao et al. 2023, arXiv 2305.00447",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class TallRec(Recommender):
    """One adapter for list-wise ranking with the common prompt."""

    Params = TallRecParams

    def plan(self, task: Task) -> AdapterPlan:
        """Return the one adapter that is needed."""
        domains = (task.target, *(task.sources if self.params.domains == "all" else ()))
        return AdapterPlan(domains, self.params.recipe(len(domains)))

    def adapters(self, task: Task) -> list[AdapterSpec]:
        """Return the spec of the adapter that ``fit`` trains or finds."""
        return planned_specs(task, [self.plan(task)])

    def fit(self, task: Task) -> None:
        """Train the adapter, or find it."""
        self.task, self.language_model = task, load_language_model(task)
        self.adapter, self.facts = carry_out(self.plan(task), self.language_model, task)

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the adapted model's scores, shape (n, 30)."""
        return self.language_model.score_with(self.adapter, self.task.target, queries, self.task.progress)

    def report(self) -> FitReport:
        """Return the adapter's training and size, and the prompt."""
        return FitReport(
            trained_parameters=self.adapter.n_parameters,
            adapters={" + ".join(self.facts.domains): self.facts},
            extra=self.language_model.facts(),
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "The common backbone instead of LLaMA-7B, without tuning on general instructions first.",
            "List-wise as in RecCocktail's and WeaveRec's tables; tallrec-yesno is the published form.",
        )
