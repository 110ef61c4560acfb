"""Merge adapters guided by entropy (RecCocktail §3.3): find the weights with the most certain unlabeled predictions.

The prompts are test queries without their answers, so the resulting rows are transductive and marked as such.
RecCocktail's weights are on a simplex; those of AdaMerging (Yang et al. 2024, arXiv 2310.02575), which pools the
prompts of several domains, are in a box. Two weights are searched on a grid, more of them are learned with Adam.

Entropies are compared between calibrated models: if each adapter has a temperature fitted on validation, the scores of
a merged model are divided by :func:`merged_temperature`. With one temperature for all, the most certain model would be
the one with the largest scores, which is often the least trained one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.files.hashing import derived_seed
from bench.learning.checkpoints import Checkpoint, load_optimizer, optimizer_tensors
from bench.lm.language_model import ENTROPY_TOKENS, LanguageModel
from bench.lm.merging.average import MergeSpace, merge, mixed
from bench.lm.merging.entropy_gradient import add_entropy_gradient
from bench.plugin import MergeReport, ProgressHook, Queries
from bench.progress import Phase, Steps, tell

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.adapters.adapter import Adapter

Granularity = Literal["global", "per_module"]
Search = Literal["grid", "adam"]
LEARNED, MOMENTS = "learned", "moments"
"""Parts of a checkpoint: the learned parameters, and the moments of their optimizer."""
MERGE_WEIGHTS = "merge weights"
"""Name of the phase in which weights are searched."""
GRID_POINTS = 21
GRID_DECIMALS = 5
"""Decimals to which entropies (in nats) are compared on a grid; floating-point sums differ beyond them."""


@dataclass(frozen=True)
class Simplex:
    """Positive weights that sum to 1: softmax of logits that start equal."""

    any_sum = False

    def start(self, shape: tuple[int, ...]) -> Tensor:
        """Return the learned parameters before the first step."""
        return torch.zeros(shape)

    def weights(self, learned: Tensor) -> Tensor:
        """Return the merge weights, of the same shape."""
        return learned.softmax(-1)

    def project(self, learned: Tensor) -> None:
        """Move values that a step has taken out of the region back into it, in place."""


@dataclass(frozen=True)
class Box:
    """Weights with any sum, each in [0, 1]; a step beyond the range ends at its edge."""

    initial: float
    """Value of every weight before the first step."""
    any_sum = True

    def start(self, shape: tuple[int, ...]) -> Tensor:
        """Return the learned parameters before the first step."""
        return torch.full(shape, self.initial)

    def weights(self, learned: Tensor) -> Tensor:
        """Return the merge weights, of the same shape."""
        return learned

    def project(self, learned: Tensor) -> None:
        """Move values that a step has taken out of the region back into it, in place."""
        learned.clamp_(0, 1)


@dataclass(frozen=True)
class EntropyRecipe:
    """How merge weights are learned with Adam."""

    n_prompts: int
    """Unlabeled prompts per domain, a seeded sample."""
    prompts_a_step: int
    """Prompts per domain in one gradient step."""
    passes: int
    """Passes over the prompts."""
    learning_rate: float
    """Step size of Adam; on a simplex, that of the logits."""
    granularity: Granularity
    """One weight per adapter, or one per adapter and adapted layer."""
    region: Simplex | Box = Simplex()
    """The allowed region of the weights, and their initial values."""
    n_tokens: int = ENTROPY_TOKENS
    """Number of first answer tokens whose entropy counts, for a decoder."""


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """Merge weights and how they were found."""

    weights: Tensor
    """Shape (n_adapters,) or (n_modules, n_adapters); on a simplex each row sums to 1."""
    curve: list[float] = field(default_factory=list)
    """Mean entropy in nats per pass over the prompts, at the weights of its steps; empty if there were no steps."""
    path: list[list[float]] = field(default_factory=list)
    """Mean weights after each step."""
    grid: list[tuple[float, float]] = field(default_factory=list)
    """For two adapters: weight of the last one and mean entropy in nats over all prompts; see :func:`entropy_grid`."""

    def report(self, weights: Mapping[str, float], chosen: float | None = None) -> MergeReport:
        """Return what a run record stores about them; see :class:`bench.plugin.MergeReport`."""
        entropies = [entropy for _, entropy in self.grid]
        return MergeReport(
            weights,
            chosen,
            path=tuple(map(tuple, self.path)),
            entropy=tuple(self.curve),
            entropy_by_weight=tuple(self.grid),
            entropy_range_nats=max(entropies) - min(entropies) if entropies else None,
        )


def learn_weights(  # noqa: PLR0913, PLR0917  # what is searched, on what, and how
    language_model: LanguageModel,
    domain: Domain,
    queries: Queries,
    adapters: Sequence[Adapter],
    space: MergeSpace,
    recipe: EntropyRecipe,
    seed: int,
    progress: ProgressHook,
    checkpoint: Checkpoint | None = None,
) -> LearnedWeights:
    """Minimize the merged model's mean prediction entropy over a sample of the queries, with Adam."""
    return learn_pooled_weights(
        language_model, [(domain, queries)], adapters, space, recipe, seed, progress, checkpoint
    )


def learn_pooled_weights(
    language_model: LanguageModel,
    pools: Sequence[tuple[Domain, Queries]],
    adapters: Sequence[Adapter],
    space: MergeSpace,
    recipe: EntropyRecipe,
    seed: int,
    progress: ProgressHook,
    checkpoint: Checkpoint | None = None,
) -> LearnedWeights:
    """Minimize the mean over domains of the mean prediction entropy on a sample of each domain's queries, with Adam.

    The state is saved after every step in ``checkpoint``, and an interrupted search continues from there.
    """
    prompts = [(domain, _sample(queries, recipe.n_prompts, seed)) for domain, queries in pools]
    device = next(language_model.model.parameters()).device
    adapters = [adapter.on(device) for adapter in adapters]
    n_modules = len({module for adapter in adapters for module in adapter.factors})
    shape = (len(adapters),) if recipe.granularity == "global" else (n_modules, len(adapters))
    region = recipe.region
    learned = region.start(shape).to(device).requires_grad_()
    optimizer = torch.optim.Adam([learned], lr=recipe.learning_rate)
    starts = range(0, max(len(queries) for _, queries in prompts), recipe.prompts_a_step)
    path, curve, entropies = _resumed(checkpoint, learned, optimizer)
    n_steps = recipe.passes * len(starts)
    tell(progress, Phase(MERGE_WEIGHTS))
    for number in range(len(curve), recipe.passes):
        for start in starts[len(path) - number * len(starts) :]:
            rows = np.arange(start, start + recipe.prompts_a_step)
            batches = [(domain, queries.take(rows[rows < len(queries)])) for domain, queries in prompts]
            batches = [(domain, batch) for domain, batch in batches if len(batch)]
            optimizer.zero_grad(set_to_none=True)
            for domain, batch in batches:
                weights = region.weights(learned)
                merged = merge(adapters, weights, space, any_sum=region.any_sum)
                temperature = merged_temperature(adapters, weights)
                share = 1 / len(batches)
                entropies.append(
                    add_entropy_gradient(language_model, domain, batch, merged, temperature, recipe.n_tokens, share)
                )
            optimizer.step()
            region.project(learned.data)
            path.append(mean_weights(region.weights(learned.detach())))
            tell(progress, Steps("searching weights", len(path), n_steps, "steps", n_after=None))
            if start == starts[-1]:
                curve.append(float(np.mean(entropies)))
                entropies = []
            _save(checkpoint, learned, optimizer, {"path": path, "curve": curve, "entropies": entropies})
        shown = ", ".join(f"{weight:.3f}" for weight in path[-1])
        progress(f"merge weights: pass {number + 1} of {recipe.passes}, entropy {curve[-1]:.4f}, weights {shown}")
    return LearnedWeights(region.weights(learned.detach()).cpu(), curve, path)


def _save(
    checkpoint: Checkpoint | None, learned: Tensor, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    if checkpoint is not None:
        checkpoint.save({LEARNED: learned, **optimizer_tensors(optimizer, MOMENTS)}, facts)


def _resumed(
    checkpoint: Checkpoint | None, learned: Tensor, optimizer: torch.optim.Optimizer
) -> tuple[list[list[float]], list[float], list[float]]:
    """Restore what was saved; return the path, the curve, and the entropies of the pass that was interrupted."""
    saved = None if checkpoint is None else checkpoint.load()
    if saved is None:
        return [], [], []
    tensors, facts = saved
    learned.data.copy_(tensors[LEARNED])
    load_optimizer(optimizer, tensors, MOMENTS)
    return facts["path"], facts["curve"], facts["entropies"]


def entropy_grid(  # noqa: PLR0913, PLR0917  # what is searched, on what, and how
    language_model: LanguageModel,
    domain: Domain,
    queries: Queries,
    adapters: Sequence[Adapter],
    space: MergeSpace,
    recipe: EntropyRecipe,
    seed: int,
    progress: ProgressHook,
    checkpoint: Checkpoint | None = None,
) -> LearnedWeights:
    """Find one weight per adapter, for two adapters, on an even grid over all prompts of the sample, without gradients.

    Among weights with the same entropy, those nearest to equal weights are chosen. Each point is saved in
    ``checkpoint``, and an interrupted search continues from there.
    """
    tell(progress, Phase(MERGE_WEIGHTS))
    prompts = _sample(queries, recipe.n_prompts, seed)
    device = next(language_model.model.parameters()).device
    adapters = [adapter.on(device) for adapter in adapters]
    saved = None if checkpoint is None else checkpoint.load()
    grid = [] if saved is None else [(last, entropy) for last, entropy in saved[1]["grid"]]
    for step in range(len(grid), GRID_POINTS):
        last = step / (GRID_POINTS - 1)
        weights = torch.tensor([1 - last, last])
        temperature = merged_temperature(adapters, weights)
        total = 0.0
        with (
            torch.no_grad(),
            language_model.changed_only_by(adapters),
            mixed(language_model.model, adapters, weights, space),
        ):
            for batch in _batches(prompts, recipe.prompts_a_step):
                total += len(batch) * language_model.entropy(domain, batch, temperature, recipe.n_tokens).item()
        grid.append((last, total / len(prompts)))
        tell(progress, Steps("trying weights", len(grid), GRID_POINTS, "weights", n_after=None))
        if checkpoint is not None:
            checkpoint.save({}, {"grid": grid})
    chosen, entropy = min(grid, key=lambda point: (round(point[1], GRID_DECIMALS), abs(point[0] - 0.5)))
    progress(f"merge weights: lowest entropy {entropy:.4f} at {1 - chosen:.2f}, {chosen:.2f}")
    return LearnedWeights(torch.tensor([1 - chosen, chosen]), grid=grid)


def merged_temperature(adapters: Sequence[Adapter], weights: Tensor) -> Tensor | None:
    """Return the temperature of a merge, a scalar: the weighted mean of its adapters', or None if one has none.

    If all weights are 0, it is the plain mean; per-layer weights are averaged over the layers first. The mean is
    arithmetic: a merge whose scores are the weighted sum of its adapters' scores then has the same entropy whichever
    of two adapters is used that differ only in the scale of their scores.

    Gradients flow through it. They cannot lower the entropy for nothing, because the temperature stays within the
    values fitted on validation. Without them the entropy could fall for nothing: a step would see that weight on the
    adapter with the larger scores makes the model more certain, but not that this adapter's higher temperature
    reverses it.

    Args:
        adapters: The merged adapters.
        weights: Shape (n_adapters,) or (n_modules, n_adapters), none below 0.
    """
    fitted = [adapter.temperature for adapter in adapters if adapter.temperature is not None]
    if len(fitted) < len(adapters):
        return None
    temperatures = torch.tensor(fitted).to(weights)
    shares = weights.reshape(-1, len(adapters)).mean(0)
    total = shares.sum()
    return temperatures.mean() if total == 0 else shares @ temperatures / total


def _batches(queries: Queries, size: int) -> Iterator[Queries]:
    for start in range(0, len(queries), size):
        yield queries.take(np.arange(start, min(start + size, len(queries))))


def _sample(queries: Queries, n_queries: int, seed: int) -> Queries:
    rng = np.random.default_rng(derived_seed(seed, "unlabelled-prompts"))
    return queries.take(rng.permutation(len(queries))[:n_queries])


def mean_weights(weights: Tensor) -> list[float]:
    """Return the mean weight of each adapter over the layers, as the papers' plots show it."""
    means: list[float] = weights.reshape(-1, weights.shape[-1]).mean(0).tolist()
    return means
