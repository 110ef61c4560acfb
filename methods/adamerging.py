"""AdaMerging: merge single-domain adapters with the weights that minimize entropy on unlabeled prompts of all domains.

Paper: Yang et al. 2024, arXiv 2310.02575. Δ = Σ λ_n Δ_n with each λ in [0, 1] and any sum. There is one λ per adapter
(task-wise) or per adapter and layer (layer-wise). Adam minimizes the prediction entropy, averaged over the domains.
WeaveRec pools 50 unlabeled test prompts per domain. A task contains no test queries of source domains, so their
prompts are built from training histories. The method is transductive: the target's prompts are test queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.decoders.examples import training_queries
from bench.lm.language_model import ENTROPY_TOKENS
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.merging.by_entropy import (
    MERGE_WEIGHTS,
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
    """Passes over the prompts. The defaults, 50 prompts in tens, give 10 steps (the authors: 500). A step encodes the
    titles of ``prompts_a_step`` queries per domain and backpropagates through the model: about 20 seconds with four
    domains, ``minilm`` and two cores."""
    entropy_learning_rate: float = field(default=0.05, metadata=between(0, 1))
    """Adam's learning rate for the weights (the authors: 0.001, over fifty times as many steps)."""


@register(
    "adamerging",
    title="AdaMerging",
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
    stages = (MERGE_WEIGHTS,)
    learned: LearnedWeights | None = None

    def fit(self, task: Task) -> None:
        """Train (or load) the adapters; the weights are learned once the queries are given."""
        super().fit(task)
        self.learned = None

    def merge(self, queries: Queries) -> Adapter:
        """Learn the weights on the queries (their answers are not available here) and the sources' prompts."""
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
        n_negatives = task.validation.candidates.shape[1] - 1  # in full ranking, the queries have the catalogue
        sources = [
            (domain, training_queries(domain, settings.n_prompts, task.seed, n_negatives)) for domain in task.sources
        ]
        checkpoint = self.search_checkpoint("adam", queries)
        self.learned = learn_pooled_weights(
            self.language_model,
            [(task.target, queries), *sources],
            adapters,
            settings.space,
            recipe,
            task.seed,
            task.progress,
            checkpoint,
        )
        checkpoint.remove()
        return merge(adapters, self.learned.weights, settings.space, any_sum=True)

    def report(self) -> FitReport:
        """Add the mean weights, the entropy and how the weights changed."""
        report = super().report().stating(merge_space=self.params.space)
        if self.learned is None:
            return report
        weights = dict(zip(self.trained, mean_weights(self.learned.weights), strict=True))
        return replace(report, merge=self.learned.report(weights))

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "Prompts of source domains are built from training histories; the task lacks their test queries.",
            "Weights start at one over the number of adapters and take a fiftieth as many steps as the authors', each "
            "fifty times as large; weights are clipped to [0, 1].",
        )
