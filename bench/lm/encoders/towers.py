"""Use an encoder as a recommender: one history vector is compared with the candidates' title vectors.

A title's vector is the encoder's mean-pooled, unit-length output. A history's vector is the unit-length sum of its
titles' vectors, each step back weighted by ``decay``. Scores are cosines; training and entropy divide them by
a temperature. Without an adapter this is exactly the untrained nearest-neighbor baseline, so the difference shows
what an adapter adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.learning.dot_scores import all_dots
from bench.learning.entropy import softmax_entropy
from bench.learning.temperature import fitted_temperature
from bench.lm.adapters.adapter import LoraRecipe, in_top_layers, linear_modules
from bench.lm.batching import moved
from bench.lm.encoders.text_encoder import TextEncoder
from bench.lm.encoders.title_layers import KeptLayers, TitleLayers, can_be_split, n_adapted_layers
from bench.lm.encoders.tower_batches import RECENCY_DECAY, Positions, TowerBatch
from bench.lm.language_model import ENTROPY_TOKENS, MAX_HISTORY, LanguageModel
from bench.progress import prefixed

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.backbones import Backbone
    from bench.plugin import Answers, ProgressHook, Queries

TEMPERATURE = 0.13
"""Default divisor of cosines, used if none was fitted: it minimizes the cross-entropy of unadapted MiniLM over the 30
candidates (validation queries of Beauty)."""
SEQUENCES_SCORED_AT_ONCE = 4096


class LearnedTemperature(nn.Module):
    """The divisor of cosines in training, stored as a logarithm that is learned with an adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(TEMPERATURE).log())

    def forward(self, cosines: Tensor) -> Tensor:
        """Return logits."""
        return cosines * torch.exp(-self.logarithm)


class TowerLanguageModel(LanguageModel):
    """Two towers with one encoder. Every position of a sequence is an example; its titles are encoded only once."""

    objective = f"towers, learned temperature, decay {RECENCY_DECAY}, corrected in-batch and uniform negatives"
    defaults: ClassVar = {
        "dropout": 0.0,
        "learning_rate": 4e-3,
        "epochs": 40,
        "batch_size": 768,
        "max_examples": 0,
        "adapted_layers": 2,
    }
    dense_in_training = True
    max_history = MAX_HISTORY

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        self.backbone, self.device = backbone, device
        self.encoder = TextEncoder(backbone, device)
        self.model: nn.Module = self.encoder.model
        self.head = LearnedTemperature().to(device)
        self._tokens: dict[str, list[list[int]]] = {}
        self._layers: dict[str, TitleLayers] = {}
        self._kept = KeptLayers(self.model)
        self._n_top: int | None = None
        self._positions: dict[tuple[str, int], Positions] = {}

    def facts(self) -> dict[str, Any]:
        """Return how candidates are ranked; there is no prompt."""
        return {"prompt_hash": None, "scored_by": "cosine of two towers"}

    def new_head(self, seed: int) -> LearnedTemperature:
        """Install and return a new temperature that has not been trained."""
        self.head = LearnedTemperature().to(self.device)
        return self.head

    def adapted_modules(self, recipe: LoraRecipe) -> list[str]:
        """Return the linear layers of the adapted top layers."""
        n_layers = recipe.adapted_layers if can_be_split(self.model) else 0
        return in_top_layers(list(linear_modules(self.model)), n_layers or 0)

    @contextmanager
    def prepared_for(
        self, domains: Sequence[Domain], recipe: LoraRecipe, progress: ProgressHook | None = None
    ) -> Iterator[None]:
        """Keep the states below the adapted layers, computed once per title, while the block runs."""
        if can_be_split(self.model):
            n_top = recipe.adapted_layers or 0
            for domain in domains:
                told = None if progress is None else prefixed(progress, "", f"{domain.name}: ", within_steps=True)
                self._layers[domain.titles_hash] = TitleLayers(self.model, self._tokens_of(domain), n_top)
                self._layers[domain.titles_hash].keep(np.arange(domain.n_items), told)
        try:
            yield
        finally:
            self._layers, self._positions = {}, {}

    @contextmanager
    def changed_only_by(self, adapters: Sequence[Adapter]) -> Iterator[None]:
        """Keep the states below the adapted layers, in the block and for later ones, within a limit of memory."""
        before, self._n_top = self._n_top, n_adapted_layers(self.model, {*chain(*(one.factors for one in adapters))})
        try:
            yield
        finally:
            self._n_top = before

    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[TowerBatch, int]]:
        """Yield batches of one domain each, the domains interleaved at random."""
        max_examples, batch_size = recipe.max_examples or 0, recipe.batch_size or 1
        learned = [self._positions_of(domain, recipe.max_history) for domain in domains]
        plan = [(one, places) for one in learned for places in one.epoch(max_examples, batch_size, rng)]
        for index in rng.permutation(len(plan)):
            positions, places = plan[index]
            yield positions.batch(places, recipe.n_negatives, rng), len(places)

    def count_examples(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the number of positions per epoch."""
        counts = [len(self._positions_of(domain, recipe.max_history).places) for domain in domains]
        return sum(min(count, recipe.max_examples) if recipe.max_examples else count for count in counts)

    def loss(self, batch: TowerBatch) -> Tensor:
        """Return the cross-entropy of each next item among the batch's items, averaged over positions."""
        return batch_loss(self.training_vectors(batch.domain, batch.items), batch, self.head)

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return cosines of history and candidates, shape (n, n_candidates)."""
        needed = np.union1d(queries.history_items, queries.distinct_candidates())
        table = np.zeros((domain.n_items, self.encoder.dimension), dtype=np.float32)
        with torch.no_grad():
            table[needed] = self.item_vectors(domain, needed, progress).cpu().numpy()
        return tower_scores(table, queries, self.max_history)

    def scores_in_training(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return :meth:`score` from the layers kept for training, in the number format of training."""
        needed = np.union1d(queries.history_items, queries.distinct_candidates())
        table = np.zeros((domain.n_items, self.encoder.dimension), dtype=np.float32)
        table[needed] = self.training_vectors(domain, needed).cpu().numpy()
        return tower_scores(table, queries, self.max_history)

    has_temperature = True

    def temperature_on(self, scores: NDArray[np.float32], answers: Answers) -> float:
        """Return the divisor that turns cosines into the best calibrated logits."""
        return fitted_temperature(scores, answers.positive_column)

    def begin_at(self, temperature: float) -> None:
        """Start training at this temperature."""
        self.head.logarithm.data.fill_(float(np.log(temperature)))

    def entropy(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Tensor:
        """Return the mean entropy of the softmax over each query's candidates, its cosines divided by a temperature."""
        padded, weights = padded_histories(queries, self.max_history)
        distinct, rows = np.unique(np.concatenate([padded.ravel(), queries.candidates.ravel()]), return_inverse=True)
        vectors = self.item_vectors(domain, distinct)
        places = torch.from_numpy(rows).to(vectors.device)
        read, offered = torch.split(places, [padded.size, queries.candidates.size])
        histories = vectors[read.view(padded.shape)]
        summed = (histories * torch.from_numpy(weights).to(vectors)[..., None]).sum(1)
        candidates = vectors[offered.view(queries.candidates.shape)]
        cosines = torch.einsum("nd,ncd->nc", nn.functional.normalize(summed, dim=-1), candidates)
        return softmax_entropy(cosines, TEMPERATURE if temperature is None else temperature).mean()

    def item_vectors(self, domain: Domain, items: NDArray[Any], progress: ProgressHook | None = None) -> Tensor:
        """Encode the titles of ``items`` as unit vectors, (n, dimension); an item without a title has a zero vector."""
        tokens = self._tokens_of(domain)
        layers = None if self._n_top is None else self._kept.of(domain.titles_hash, tokens, self._n_top)
        if layers is None:
            vectors = self.encoder.encode([tokens[item] for item in items], progress)
        else:
            vectors = layers.vectors(items) if torch.is_grad_enabled() else layers.all_vectors(items, progress)
        return vectors * _are_titled(domain, items, vectors.device)

    def training_vectors(self, domain: Domain, items: NDArray[Any]) -> Tensor:
        """Return :meth:`item_vectors` from the layers kept for training, if there are any."""
        layers = self._layers.get(domain.titles_hash)
        if layers is None:
            return self.item_vectors(domain, items)
        vectors = layers.vectors(items) if torch.is_grad_enabled() else layers.all_vectors(items)
        return vectors * _are_titled(domain, items, vectors.device)

    def _positions_of(self, domain: Domain, max_history: int) -> Positions:
        key = domain.content_hash, max_history
        if key not in self._positions:
            self._positions[key] = Positions(domain, max_history)
        return self._positions[key]

    def _tokens_of(self, domain: Domain) -> list[list[int]]:
        key = domain.titles_hash  # fractions of a domain contain its full catalogue
        if key not in self._tokens:
            self._tokens[key] = self.encoder.tokenize(domain.titles)
        return self._tokens[key]


def _are_titled(domain: Domain, items: NDArray[Any], device: torch.device) -> Tensor:
    """Return whether each item has a title, shape (n, 1)."""
    return moved(torch.tensor([[bool(domain.titles[item])] for item in items]), device)


def batch_loss(vectors: Tensor, batch: TowerBatch, head: nn.Module) -> Tensor:
    """Return the cross-entropy of each position's next item among the batch's items, averaged, in float32.

    Args:
        vectors: Unit vectors of the batch's items, shape (n_distinct, d).
        batch: The positions.
        head: Turns cosines into logits.
    """
    own = (batch.history_weights, batch.targets, batch.excluded, batch.log_chances)
    weights, targets, excluded, log_chances = (moved(array, vectors.device) for array in own)
    with torch.autocast(vectors.device.type, enabled=False):
        histories = nn.functional.normalize(weights @ vectors, dim=-1)
        # minus the log probability of each item being in the batch, without which popular items would be pushed down
        logits = head(histories @ vectors.T) - log_chances
        return nn.functional.cross_entropy(logits.masked_fill(excluded, -torch.inf), targets)


def padded_histories(queries: Queries, max_history: int = MAX_HISTORY) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each query's last items, most recent first, and their recency weights, both (n, max_history).

    Slots before a history's start contain item 0 with weight 0.
    """
    lengths = np.diff(queries.history_indptr)
    steps_back = np.arange(min(max_history, int(lengths.max(initial=1))))
    exists = steps_back < lengths[:, None]
    at = np.where(exists, queries.history_indptr[1:, None] - 1 - steps_back, 0)
    items = np.where(exists, queries.history_items[at], 0).astype(np.int64)
    return items, np.where(exists, RECENCY_DECAY**steps_back, 0.0).astype(np.float32)


def tower_scores(table: NDArray[np.float32], queries: Queries, max_history: int = MAX_HISTORY) -> NDArray[np.float32]:
    """Return the cosines of history vectors and candidates, (n, n_candidates), from unit item vectors (n_items, d)."""
    items, weights = padded_histories(queries, max_history)
    scores = np.empty(queries.candidates.shape, dtype=np.float32)
    common = queries.common_candidates
    for start in range(0, len(queries), SEQUENCES_SCORED_AT_ONCE):
        rows = slice(start, start + SEQUENCES_SCORED_AT_ONCE)
        summed = np.einsum("nh,nhd->nd", weights[rows], table[items[rows]])
        norms = np.linalg.norm(summed, axis=1, keepdims=True)
        histories = summed / np.maximum(norms, 1e-12)
        if common is not None:
            scores[rows] = all_dots(torch.from_numpy(histories), torch.from_numpy(table[common])).numpy()
        else:
            scores[rows] = np.einsum("nd,ncd->nc", histories, table[queries.candidates[rows]])
    return scores
