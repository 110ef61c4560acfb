"""LoRA on a cross-encoder: the target's own adapter, or a source's adapter applied to the target (X-Cross, §4.2).

    score(history, candidate) = scorer(GELU(pooler(h)))

where h is the encoder's last state of the pair's first token, or the mean over all tokens.

One adapter (rank 16, α 32, on query and value) with its pooler and scorer is trained per domain, on the softmax
cross-entropy of the next item among 29 popular negatives. ``lora`` learns from the target and serves as an upper
bound. ``source-lora`` uses the target only to choose the source with the best validation result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.methods.shared.pairs import PairRecommender, pair_recipe, source_plans

from bench.learning.training import STOPPING_METRIC
from bench.lm.training.library import AdapterPlan
from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter
    from bench.plugin import FitReport, Queries, Task


@register(
    "lora",
    title="LoRA",
    family="integrating",
    paper="Hu et al. 2022, arXiv 2106.09685",
    needs_titles=True,
    runs_on="encoder",
    cold_rule="title text",
)
class TargetLora(PairRecommender):
    """Only the target's adapter."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter."""
        return {task.target.name: AdapterPlan((task.target,), pair_recipe(self.params))}

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return that adapter."""
        return self.trained[self.task.target.name]

    def report(self) -> FitReport:
        """Add statistics of the target's training prompts."""
        return replace(super().report(), training_prompts=self.training_prompts())


@register(
    "source-lora",
    title="Source LoRA",
    family="integrating",
    paper="X-Cross, SIGIR 2025, arXiv 2504.20859, zero-shot rows",
    needs_titles=True,
    needs_sources=True,
    runs_on="encoder",
    cold_rule="title text",
)
class SourceLora(PairRecommender):
    """The source adapter with the best result on the target's validation queries, without training on the target."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return one adapter per source."""
        return source_plans(task, self.params, 1)

    def fit(self, task: Task) -> None:
        """Train (or load) the sources' adapters and evaluate each on the target's validation queries."""
        super().fit(task)
        self.validated = self.zero_shot()
        self.chosen = max(self.validated, key=self.validated.__getitem__)

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the best source's adapter."""
        return self.trained[self.chosen]

    def report(self) -> FitReport:
        """Add how well each source's adapter does on the target."""
        validated = {f"zero_shot_validation_{STOPPING_METRIC}": self.validated}
        return super().report().stating(**validated, chosen_source=self.chosen)
