"""AdaMerging: weights of single-domain adapters that make the model surest of unlabeled prompts of all domains.

Paper: Yang et al. 2024, arXiv 2310.02575. Δ = Σ λ_n Δ_n with each λ in [0, 1] and any sum, one for each adapter
(task-wise) or for each adapter and layer (layer-wise); Adam minimizes the mean over the domains of the prediction
entropy. WeaveRec pools 50 unlabeled test prompts of each domain. Of a source domain a task holds no test queries, so
its prompts are made of training histories. Rows are transductive: the target's prompts are test queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.decoders.examples import training_queries
from bench.lm.language_model import ENTROPY_TOKENS
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.merging.by_entropy import (
    Box,
    EntropyRecipe,
    Granularity,
    LearnedWeights,
    learn_pooled_weights,
    mean_weights,
)
from bench.lm.recommenders import DomainMerge
from bench.plugin import at_least, between
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Queries, Task


@dataclass(frozen=True)
class AdaMergingParams(LoraRecipe):
    """The recipe of the adapters and how their weights are learned."""

    space: MergeSpace = "delta"
    """``delta`` weights the updates (the paper's task vectors); ``factor`` weights A and B separately."""
    granularity: Granularity = "per_module"
    """``per_module``: one weight per adapter and layer; ``global``: one weight per adapter."""
    initial: float | None = field(default=None, metadata=between(0, 1))
    """Initial value of all weights; none: one divided by the number of adapters (the authors: 0.3)."""
    n_prompts: int = field(default=50, metadata=at_least(1))
    """Number of unlabeled prompts per domain."""
    entropy_tokens: int = field(default=ENTROPY_TOKENS, metadata={"neutral": True} | at_least(1))
    """First answer tokens whose entropy is used, decoders only (RecCocktail: 5 on Beauty, otherwise 3)."""
    prompts_a_step: int = field(default=10, metadata=at_least(1))
    """Prompts per domain in each gradient step (the authors: 16)."""
    passes: int = field(default=2, metadata=at_least(1))
    """Passes over the prompts: with 50 of them in tens, 10 steps (the authors: 500). A step encodes the titles of
    ``prompts_a_step`` queries of each domain and goes back through the model: with four domains on two cores and
    ``minilm`` about 20 seconds."""
    entropy_learning_rate: float = field(default=0.05, metadata=between(0, 1))
    """Adam's learning rate for the weights (the authors: 0.001, over fifty times as many steps)."""


@register(
    "adamerging",
    family="merging",
    paper="Yang et al. 2024, arXiv 2310.02575",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
    transductive=True,
)
class AdaMerging(DomainMerge):
    """All single-domain adapters, with weights learned by minimizing entropy."""

    Params: ClassVar[type[LoraRecipe]] = AdaMergingParams
    learned: LearnedWeights | None = None

    def fit(self, task: Task) -> None:
        """Train (or find) the adapters; the weights are learned when the queries are there."""
        super().fit(task)
        self.learned = None

    def merge(self, queries: Queries) -> Adapter:
        """Learn the weights on the queries (their answers are not to be had here) and the sources' prompts."""
        settings, adapters = self.params, list(self.trained.values())
        recipe = EntropyRecipe(
            n_prompts=settings.n_prompts,
            prompts_a_step=settings.prompts_a_step,
            passes=settings.passes,
            learning_rate=settings.entropy_learning_rate,
            granularity=settings.granularity,
            region=Box(1 / len(adapters) if settings.initial is None else settings.initial),
            n_tokens=settings.entropy_tokens,
        )
        task = self.task
        sources = [(domain, training_queries(domain, settings.n_prompts, task.seed)) for domain in task.sources]
        self.learned = learn_pooled_weights(
            self.language_model,
            [(task.target, queries), *sources],
            adapters,
            settings.space,
            recipe,
            task.seed,
            task.progress,
        )
        return merge(adapters, self.learned.weights, settings.space, any_sum=True)

    def report(self) -> FitReport:
        """Add the mean weights, the entropy and the weights' path."""
        report = super().report().stating(merge_space=self.params.space)
        if self.learned is None:
            return report
        weights = dict(zip(self.trained, mean_weights(self.learned.weights), strict=True))
        return replace(report, merge=self.learned.report(weights))

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "Prompts of source domains are made of their training histories; their test queries are not in the task.",
            "Weights start at one over the number of adapters and take a fiftieth of the authors' steps of fifty times "
            "their size; a step out of [0, 1] ends at its edge.",
        )
