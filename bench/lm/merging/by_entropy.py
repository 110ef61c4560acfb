"""Entropy-guided merging (RecCocktail §3.3): the weights under which the merged model is surest of unlabelled prompts.

The prompts are test queries without their answers, so rows made this way are transductive and marked as such.
RecCocktail's weights lie on a simplex; those of AdaMerging (Yang et al. 2024, arXiv 2310.02575), which pools the
prompts of several domains, in a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bench.data.domain import Domain
from bench.files.hashing import derived_seed
from bench.lm.adapters.adapter import Adapter
from bench.lm.language_model import LanguageModel
from bench.lm.merging.average import MergeSpace, mixed
from bench.plugin import MergeReport, ProgressHook, Queries

Granularity = Literal["global", "per_module"]
GRID_POINTS = 21


@dataclass(frozen=True)
class Simplex:
    """Positive weights that sum to 1: softmax of logits that start equal."""

    any_sum = False

    def start(self, shape: tuple[int, ...]) -> Tensor:
        """Return what is learned, as it is before the first step."""
        return torch.zeros(shape)

    def weights(self, learned: Tensor) -> Tensor:
        """Return the merge weights, of the same shape."""
        return learned.softmax(-1)

    def project(self, learned: Tensor) -> None:
        """Put back in place what a step has led out of the region."""


@dataclass(frozen=True)
class Box:
    """Weights of any sum, each in [0, 1]; a step beyond ends at the edge."""

    initial: float
    """What every weight is before the first step."""
    any_sum = True

    def start(self, shape: tuple[int, ...]) -> Tensor:
        """Return what is learned, as it is before the first step."""
        return torch.full(shape, self.initial)

    def weights(self, learned: Tensor) -> Tensor:
        """Return the merge weights, of the same shape."""
        return learned

    def project(self, learned: Tensor) -> None:
        """Put back in place what a step has led out of the region."""
        learned.clamp_(0, 1)


@dataclass(frozen=True)
class EntropyRecipe:
    """How merge weights are learned by Adam."""

    n_prompts: int
    """Unlabelled prompts of each domain, a seeded sample."""
    prompts_a_step: int
    """Prompts of each domain in one gradient step."""
    passes: int
    """Passes over the prompts."""
    learning_rate: float
    """Step size of Adam, on a simplex that of the logits."""
    granularity: Granularity
    """One weight an adapter, or one for each adapted layer."""
    region: Simplex | Box = Simplex()
    """Where the weights lie and where they start."""


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """Merge weights and how they came about."""

    weights: Tensor
    """Shape (n_adapters,) or (n_modules, n_adapters); on a simplex each row sums to 1."""
    curve: list[float]
    """Mean entropy in nats of each pass over the prompts, at the weights of its steps."""
    path: list[list[float]]
    """Mean weights after each step."""

    def report(self, weights: Mapping[str, float], chosen: float | None = None) -> MergeReport:
        """Return what a run record states of them; see :class:`bench.plugin.MergeReport`."""
        return MergeReport(weights, chosen, path=tuple(map(tuple, self.path)), entropy=tuple(self.curve))


def learn_weights(
    language_model: LanguageModel,
    domain: Domain,
    queries: Queries,
    adapters: Sequence[Adapter],
    space: MergeSpace,
    recipe: EntropyRecipe,
    seed: int,
    progress: ProgressHook,
) -> LearnedWeights:
    """Minimise the mean prediction entropy of the merged model over a sample of the queries."""
    return learn_pooled_weights(language_model, [(domain, queries)], adapters, space, recipe, seed, progress)


def learn_pooled_weights(
    language_model: LanguageModel,
    pools: Sequence[tuple[Domain, Queries]],
    adapters: Sequence[Adapter],
    space: MergeSpace,
    recipe: EntropyRecipe,
    seed: int,
    progress: ProgressHook,
) -> LearnedWeights:
    """Minimise the mean over domains of the mean prediction entropy over a sample of each domain's queries."""
    prompts = [(domain, _sample(queries, recipe.n_prompts, seed)) for domain, queries in pools]
    n_modules = len({module for adapter in adapters for module in adapter.factors})
    shape = (len(adapters),) if recipe.granularity == "global" else (n_modules, len(adapters))
    region = recipe.region
    learned = region.start(shape).requires_grad_()
    optimiser = torch.optim.Adam([learned], lr=recipe.learning_rate)
    curve: list[float] = []
    path: list[list[float]] = []
    for number in range(recipe.passes):
        entropies = []
        for start in range(0, max(len(queries) for _, queries in prompts), recipe.prompts_a_step):
            rows = np.arange(start, start + recipe.prompts_a_step)
            batches = [(domain, queries.take(rows[rows < len(queries)])) for domain, queries in prompts]
            batches = [(domain, batch) for domain, batch in batches if len(batch)]
            optimiser.zero_grad(set_to_none=True)
            for domain, batch in batches:
                with mixed(language_model.model, adapters, region.weights(learned), space, any_sum=region.any_sum):
                    entropy = language_model.entropy(domain, batch)
                    (entropy / len(batches)).backward()  # type: ignore[no-untyped-call]
                entropies.append(entropy.item())
            optimiser.step()
            region.project(learned.data)
            path.append(mean_weights(region.weights(learned.detach())))
        curve.append(float(np.mean(entropies)))
        shown = ", ".join(f"{weight:.3f}" for weight in path[-1])
        progress(f"merge weights: pass {number + 1} of {recipe.passes}, entropy {curve[-1]:.4f}, weights {shown}")
    return LearnedWeights(region.weights(learned.detach()), curve, path)


def entropy_grid(
    language_model: LanguageModel,
    domain: Domain,
    queries: Queries,
    adapters: tuple[Adapter, Adapter],
    space: MergeSpace,
    n_points: int = GRID_POINTS,
) -> list[tuple[float, float]]:
    """Return (weight of the first adapter, mean entropy) on an even grid: the check without any gradient."""
    grid = []
    for first in np.linspace(0.0, 1.0, n_points):
        weights = torch.tensor([first, 1 - first], dtype=torch.float32)
        with torch.no_grad(), mixed(language_model.model, adapters, weights, space):
            grid.append((float(first), language_model.entropy(domain, queries).item()))
    return grid


def _sample(queries: Queries, n_queries: int, seed: int) -> Queries:
    rng = np.random.default_rng(derived_seed(seed, "unlabelled-prompts"))
    return queries.take(rng.permutation(len(queries))[:n_queries])


def mean_weights(weights: Tensor) -> list[float]:
    """Return the mean weight of each adapter over the layers, as the papers' figures show it."""
    means: list[float] = weights.reshape(-1, weights.shape[-1]).mean(0).tolist()
    return means
