"""Entropy-guided merging (RecCocktail §3.3): the weights under which the merged model is surest of unlabelled prompts.

The prompts are test queries without their answers, so rows made this way are transductive and marked as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bench.data.domain import Domain
from bench.hashing import derived_seed
from bench.lm.adapters import Adapter
from bench.lm.language_model import LanguageModel
from bench.lm.merge import MergeSpace
from bench.lm.mixing import mixed
from bench.plugin import ProgressHook, Queries

Granularity = Literal["global", "per_module"]
GRID_POINTS = 21


@dataclass(frozen=True)
class EntropyRecipe:
    """How merge weights are learned: Adam on softmax logits that start equal."""

    n_prompts: int
    """Unlabelled test prompts, a seeded sample."""
    prompts_a_step: int
    """Prompts in one gradient step."""
    passes: int
    """Passes over the prompts."""
    learning_rate: float
    """Step size of Adam on the logits."""
    granularity: Granularity
    """One weight an adapter, or one for each adapted layer."""


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """Merge weights and how they came about."""

    weights: Tensor
    """Shape (n_adapters,) or (n_modules, n_adapters); each row sums to 1."""
    curve: list[float]
    """Mean entropy in nats of each pass over the prompts, at the weights of its steps."""
    path: list[list[float]]
    """Mean weights after each step."""


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
    rng = np.random.default_rng(derived_seed(seed, "unlabelled-prompts"))
    prompts = rng.permutation(len(queries))[: recipe.n_prompts]
    n_modules = len({module for adapter in adapters for module in adapter.factors})
    shape = (len(adapters),) if recipe.granularity == "global" else (n_modules, len(adapters))
    logits = torch.zeros(shape, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=recipe.learning_rate)
    curve: list[float] = []
    path: list[list[float]] = []
    for number in range(recipe.passes):
        entropies = []
        for start in range(0, len(prompts), recipe.prompts_a_step):
            batch = queries.take(prompts[start : start + recipe.prompts_a_step])
            optimiser.zero_grad(set_to_none=True)
            with mixed(language_model.model, adapters, logits.softmax(-1), space):
                entropy = language_model.entropy(domain, batch)
                entropy.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            entropies.append(entropy.item())
            path.append(mean_weights(logits.detach().softmax(-1)))
        curve.append(float(np.mean(entropies)))
        shown = ", ".join(f"{weight:.3f}" for weight in path[-1])
        progress(f"merge weights: pass {number + 1} of {recipe.passes}, entropy {curve[-1]:.4f}, weights {shown}")
    return LearnedWeights(logits.detach().softmax(-1), curve, path)


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


def mean_weights(weights: Tensor) -> list[float]:
    """Return the mean weight of each adapter over the layers, as the papers' figures show it."""
    means: list[float] = weights.reshape(-1, weights.shape[-1]).mean(0).tolist()
    return means
