"""WeaveRec: the target's adapter merged with hybrid adapters, each trained on the target and one source together.

Paper: WeaveRec, arXiv 2510.26546 (eq. 5 to 11). θ₀ learns from the target D_T and θ_n from D_T ∪ D_n for each source
n = 1 … N, all from the same initialization. The merged adapter is their average with weights 1/(N + 1). Every branch
is trained on the target, so none pulls the average far from it.

``space=factor`` averages A and B as printed; ``space=delta`` averages the updates as the authors' code does.
``weights=validated`` chooses the target adapter's weight α on validation queries and ``target_weight`` sets it
(figure 8); the hybrids share the rest. ``merging`` replaces the average by another method's operator with its defaults
(table 4). ``branch`` scores with a single adapter (table 3). ``branches=joint`` trains one hybrid on the target and
all sources (figure 10a).

A hybrid of A and B is trained once and used for both targets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.learning.training import STOPPING_METRIC, stopping_score, validation_sample
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.merging.by_entropy import MERGE_WEIGHTS
from bench.lm.merging.dare import merge_dare
from bench.lm.merging.ext_sub import merge_ext_sub
from bench.lm.merging.lego import merge_lego
from bench.lm.merging.ties import merge_ties
from bench.lm.merging.updates import merged_rank
from bench.lm.recommenders import AdapterRecommender, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.plugin import FitReport, MergeReport, Queries, Task, at_least, between
from bench.progress import Phase, tell
from bench.registry import register

GRID = tuple(round(step / 10, 1) for step in range(11))
"""Weights of the target's adapter that validation chooses from, in addition to the uniform weight."""


@dataclass(frozen=True)
class WeaveParams(LoraRecipe):
    """The recipe of WeaveRec's branches."""

    branches: Literal["each", "joint"] = "each"
    """``each``: one hybrid adapter per source; ``joint``: one hybrid adapter for all sources (figure 10a)."""


@dataclass(frozen=True)
class WeaveRecParams(WeaveParams):
    """The recipe of all adapters and how they are merged."""

    merging: Literal["average", "ties", "dare", "ext-sub", "lego"] = "average"
    """The merging operator; all except ``average`` use their default parameters."""
    space: MergeSpace = "factor"
    """For ``average``: ``factor`` as in the paper, ``delta`` as in the authors' code."""
    weights: Literal["uniform", "validated"] = "uniform"
    """For ``average``: equal weights 1/(N + 1), or the target adapter's weight chosen on validation queries."""
    target_weight: float | None = field(default=None, metadata=between(0, 1))
    """For ``average``: weight α of the target's adapter, with equal weights for the hybrids; none: 1/(N + 1)."""
    branch: int | None = field(default=None, metadata=at_least(0))
    """Use only one adapter: 0 is the target's, n the hybrid with the n-th source; none: merge all."""
    merged_rank: int | None = field(default=None, metadata=at_least(0))
    """Rank to which ``ties`` and ``dare`` reduce the merged update; 0: full rank; none: 0 for an encoder, 16 for a
    decoder."""

    def __post_init__(self) -> None:
        if self.weights == "validated" and self.merging != "average":
            raise BenchError(f"weights=validated needs merging=average, not merging={self.merging}.")
        if self.target_weight is not None and (self.merging != "average" or self.weights == "validated"):
            raise BenchError("Parameter 'target_weight' needs merging=average and weights=uniform.")
        if self.branch is not None and self._merges_otherwise:
            raise BenchError(
                "Parameter 'branch' selects one adapter without merging: it must be at least 0 and cannot be combined "
                "with merging, weights or target_weight."
            )

    @property
    def _merges_otherwise(self) -> bool:
        return self.merging != "average" or self.weights == "validated" or self.target_weight is not None


def woven(params: WeaveParams, task: Task) -> dict[str, AdapterPlan]:
    """Plan WeaveRec's branches: the target's adapter, then the hybrids."""
    target, recipe = task.target, recipe_of(params)
    mixed_in = [task.sources] if params.branches == "joint" and task.sources else [(one,) for one in task.sources]
    hybrids = {
        " + ".join(domain.name for domain in (target, *sources)): AdapterPlan((target, *sources), recipe)
        for sources in mixed_in
    }
    return {"target": AdapterPlan((target,), recipe), **hybrids}


@register(
    "weaverec",
    title="WeaveRec",
    family="merging",
    paper="WeaveRec, arXiv 2510.26546",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class WeaveRec(AdapterRecommender):
    """The target's adapter merged with one hybrid adapter per source."""

    Params = WeaveRecParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the target's adapter, then the hybrids."""
        plans = woven(self.params, task)
        if self.params.branch is not None and self.params.branch >= len(plans):
            raise BenchError(
                f"Parameter 'branch' must be from 0 to {len(plans) - 1} (the adapters), not {self.params.branch}."
            )
        return plans

    def fit(self, task: Task) -> None:
        """Train (or load) the adapters and choose the weights."""
        super().fit(task)
        self.grid: dict[float, float] = {}
        given = self.params.target_weight
        self.target_weight = 1 / len(self.trained) if given is None or len(self.trained) == 1 else given
        if self.params.weights == "validated" and len(self.trained) > 1:
            tell(task.progress, Phase(MERGE_WEIGHTS))
            self.grid = {weight: self._validation(weight) for weight in sorted({*GRID, self.target_weight})}
            uniform = self.target_weight
            self.target_weight = max(self.grid, key=lambda weight: (self.grid[weight], -abs(weight - uniform)))

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the merged adapter; without source domains, it is the target's adapter."""
        target, *hybrids = adapters = list(self.trained.values())
        rank, seed = merged_rank(self.params.merged_rank, self.language_model.backbone.kind), self.task.seed
        alone: int | None = self.params.branch
        if alone is not None or not hybrids:
            return adapters[alone or 0]
        match self.params.merging:
            case "ties":
                return merge_ties(adapters, rank=rank)
            case "dare":
                return merge_dare(adapters, self._weights(self.target_weight), rank=rank, seed=seed)
            case "ext-sub":
                return merge_ext_sub(target, hybrids)
            case "lego":
                return merge_lego(adapters, seed=seed)
        return merge(adapters, self._weights(self.target_weight), self.params.space)

    def report(self) -> FitReport:
        """Add how the adapters were merged."""
        params, alone = self.params, self.params.branch
        report = (
            super()
            .report()
            .stating(
                merging=params.merging if alone is None else None,
                merge_space=params.space if params.merging == "average" and alone is None else None,
                scored_with="merged" if alone is None else list(self.trained)[alone],
            )
        )
        return replace(report, merge=self._merge_report())

    def _merge_report(self) -> MergeReport | None:
        """Return the merge weights; None for operators without weights."""
        if self.params.branch is not None or self.params.merging not in ("average", "dare"):
            return None
        weights = dict(zip(self.trained, self._shares(self.target_weight), strict=True))
        chosen = self.target_weight if self.grid else None
        return MergeReport(weights, chosen, validation=tuple(self.grid.items()))

    def _weights(self, target_weight: float) -> Tensor:
        return torch.tensor(self._shares(target_weight))

    def _shares(self, target_weight: float) -> list[float]:
        """Return the weights of all adapters, the target's first; the hybrids share the rest equally."""
        n_hybrids = len(self.trained) - 1
        return [target_weight, *((1 - target_weight) / n_hybrids for _ in range(n_hybrids))]

    def _validation(self, target_weight: float) -> float:
        """Return the stopping metric of one target weight on a sample of the validation queries."""
        task = self.task
        queries, answers = validation_sample(task, self.params.n_validation, ("validated-weights",))
        merged = merge(list(self.trained.values()), self._weights(target_weight), self.params.space)
        value = stopping_score(self.scores_with(merged, queries), answers)
        task.progress(f"target weight {target_weight:.2f}: validation {STOPPING_METRIC} {value:.4f}")
        return value
