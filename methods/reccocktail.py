"""RecCocktail: a general and a domain LoRA, merged with the weights that minimize the entropy of predictions.

Paper: RecCocktail, arXiv 2502.08271. The base spirit g is an adapter trained on a mixture of general domains; the
ingredient s is trained on the target. Both start from the same initialization. Merging averages their factors (eq. 7,
``space=factor``) or, as the authors' code does, their updates (``space=delta``). The weights minimize the entropy of
predictions on unlabeled test prompts (§3.3). Two global weights are found on a grid, weights per layer by Adam. The
ablations use only g, only s, or equal weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.adapters.recipes import BASE_SPIRIT, FAST, INGREDIENT, Recipe
from bench.lm.language_model import ENTROPY_TOKENS
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.merging.by_entropy import (
    MERGE_WEIGHTS,
    EntropyRecipe,
    Granularity,
    LearnedWeights,
    Search,
    entropy_grid,
    learn_weights,
    mean_weights,
)
from bench.lm.recommenders import AdapterRecommender, SingleAdapter, general_domains, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.plugin import FitReport, MergeReport, Queries, Task, above, at_least, at_most, between, shrinks_to
from bench.registry import register


@register(
    "reccocktail-g",
    title="RecCocktail-G",
    family="merging",
    paper="Hou et al. 2025, arXiv 2502.08271, ablation",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class GeneralOnly(SingleAdapter):
    """Only the general adapter, trained on the source domains and evaluated zero-shot on the target."""

    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": {**INGREDIENT, **BASE_SPIRIT}}

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the general adapter."""
        return {"general": AdapterPlan(general_domains(task), recipe_of(self.params))}


@register(
    "reccocktail-s",
    title="RecCocktail-S",
    family="merging",
    paper="Hou et al. 2025, arXiv 2502.08271, ablation",
    needs_titles=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class SpecificOnly(SingleAdapter):
    """Only the target adapter."""

    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": INGREDIENT}

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter."""
        return {"specific": AdapterPlan((task.target,), recipe_of(self.params))}


@dataclass(frozen=True)
class MergeParams(LoraRecipe):
    """The recipe of both adapters and the space they are merged in."""

    space: MergeSpace = "factor"
    """``factor``: as in the paper (eq. 7); ``delta``: as in the authors' code."""
    general_epochs: int | None = field(default=None, metadata={"neutral": True} | at_least(1))
    """Maximum epochs of the general adapter (the paper: 2, for the target's 4); none: as for the target's."""
    general_max_examples: int | None = field(
        default=None, metadata={"neutral": True} | shrinks_to("examples") | at_least(0)
    )
    """Training examples per source domain of the general adapter (the paper: 31,000); none: as for the target's."""
    general_learning_rate: float | None = field(default=None, metadata={"neutral": True} | above(0) | at_most(1))
    """Peak learning rate of the general adapter; none: as for the target's."""

    @property
    def general_recipe(self) -> LoraRecipe:
        """The recipe of the general adapter."""
        own: dict[str, Any] = {
            "epochs": self.general_epochs,
            "max_examples": self.general_max_examples,
            "learning_rate": self.general_learning_rate,
        }
        return replace(recipe_of(self), **{name: value for name, value in own.items() if value is not None})


@dataclass(frozen=True)
class CocktailParams(MergeParams):
    """Adds how the merge weights are learned."""

    granularity: Granularity = "global"
    """``global``: two weights (the paper); ``per_module``: two weights per adapted layer (the authors' code)."""
    search: Literal["auto", "grid", "adam"] = "auto"
    """``grid``: the best of 21 global weights on all prompts; ``adam``: gradient descent; ``auto``: grid for global
    weights, Adam for weights per layer."""
    n_prompts: int = field(default=50, metadata=at_least(1))
    """Number of unlabeled test prompts (the paper: 50 or 100)."""
    entropy_tokens: int = field(default=ENTROPY_TOKENS, metadata={"neutral": True} | at_least(1))
    """First answer tokens whose entropy is used, decoders only (the paper: 5 on Beauty, otherwise 3)."""
    prompts_a_step: int = field(default=10, metadata=at_least(1))
    """Prompts per gradient step of Adam."""
    passes: int = field(default=4, metadata=at_least(1))
    """Passes of Adam over the prompts."""
    entropy_learning_rate: float = field(default=0.2, metadata=between(0, 1))
    """Adam's learning rate for the logits of the weights."""

    def __post_init__(self) -> None:
        if self.search == "grid" and self.granularity == "per_module":
            raise BenchError("A grid search has one weight per adapter: granularity=per_module needs search=adam.")

    @property
    def searched_by(self) -> Search:
        """How the weights are found."""
        if self.search != "auto":
            return self.search
        return "grid" if self.granularity == "global" else "adam"


BOTH: Recipe = {**INGREDIENT, **{f"general_{name}": value for name, value in BASE_SPIRIT.items()}}
GUIDED_BY_ENTROPY: Recipe = {"search": "adam", "n_prompts": 100, "passes": 1, "entropy_learning_rate": 0.5}
"""Ten steps over 100 prompts, as for Beauty; the authors try ten learning rates up to 5 on the test file."""


class MergedPair(AdapterRecommender):
    """Base of the merging variants: train both adapters, choose the weights, merge."""

    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": BOTH}

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the general and the target's adapter."""
        recipe = recipe_of(self.params)
        return {
            "general": AdapterPlan(general_domains(task), self.params.general_recipe),
            "specific": AdapterPlan((task.target,), recipe),
        }

    def fit(self, task: Task) -> None:
        """Train (or load) the general and the target adapter."""
        super().fit(task)
        self.weights = torch.full((2,), 0.5)

    def choose_weights(self, queries: Queries) -> Tensor:
        """Return the weights of the general and the target adapter."""
        return self.weights

    def adapter_for(self, queries: Queries) -> Adapter:
        """Merge with the chosen weights."""
        self.weights = self.choose_weights(queries)
        return merge(list(self.trained.values()), self.weights, self.params.space)

    def report(self) -> FitReport:
        """Add the merge space and the weights: λ₁ of the general adapter, λ₂ of the target's."""
        report = super().report().stating(merge_space=self.params.space)
        return replace(report, merge=MergeReport(self.mean_weights()))

    def mean_weights(self) -> dict[str, float]:
        """Return each adapter's weight by its role, averaged over layers."""
        return dict(zip(self.trained, mean_weights(self.weights), strict=True))


@register(
    "reccocktail-wa",
    title="RecCocktail-WA",
    family="merging",
    paper="Hou et al. 2025, arXiv 2502.08271, ablation",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class WeightAverage(MergedPair):
    """Both adapters with equal weights."""

    Params = MergeParams


@register(
    "reccocktail",
    title="RecCocktail",
    family="merging",
    paper="Hou et al. 2025, arXiv 2502.08271",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
    transductive=True,
)
class RecCocktail(MergedPair):
    """Both adapters, with weights that minimize the entropy of predictions on unlabeled test prompts."""

    Params = CocktailParams
    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": {**BOTH, **GUIDED_BY_ENTROPY}}
    stages = (MERGE_WEIGHTS,)
    learned: LearnedWeights | None = None

    def choose_weights(self, queries: Queries) -> Tensor:
        """Learn the weights on a seeded sample of the queries; their answers are not available here.

        The grid is always computed, because the record shows how much entropy depends on the weights.
        """
        recipe = EntropyRecipe(
            n_prompts=self.params.n_prompts,
            prompts_a_step=self.params.prompts_a_step,
            passes=self.params.passes,
            learning_rate=self.params.entropy_learning_rate,
            granularity=self.params.granularity,
            n_tokens=self.params.entropy_tokens,
        )
        language_model, task, adapters = self.language_model, self.task, list(self.trained.values())
        searched = (language_model, task.target, queries, adapters, self.params.space, recipe, task.seed, task.progress)
        by_grid, by_adam = (self.search_checkpoint(search, queries) for search in ("grid", "adam"))
        self.learned = entropy_grid(*searched, by_grid)
        if self.params.searched_by == "adam":
            self.learned = replace(learn_weights(*searched, by_adam), grid=self.learned.grid)
        by_grid.remove()
        by_adam.remove()
        return self.learned.weights

    def report(self) -> FitReport:
        """Add how the weights were found, their entropy and how they changed."""
        report, weights = super().report().stating(weights_found_by=self.params.searched_by), self.mean_weights()
        merge = report.merge if self.learned is None else self.learned.report(weights, chosen=weights["specific"])
        return replace(report, merge=merge)

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "Two weights are the best of a grid; the authors take gradient steps."
            if self.params.searched_by == "grid"
            else "The weights' learning rate is fixed in advance; the authors' scripts try several and keep the run "
            "that does best on the test file.",
        )
