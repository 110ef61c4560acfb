"""An encoder as a recommender: one history vector against candidate title vectors.

A title's vector is the encoder's mean-pooled, unit-length output. A history's vector is the unit-length sum of its
titles' vectors, each step back weighted by ``decay``. Scores are cosines; training and entropy divide them by
``temperature``. With no adapter this is exactly the untrained nearest-neighbour control, so whatever an adapter adds
is seen against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.data.domain import Domain
from bench.files.hashing import content_hash
from bench.learning.dot_scores import all_dots
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.backbones import Backbone
from bench.lm.encoders.text_encoder import TextEncoder
from bench.lm.language_model import LanguageModel
from bench.plugin import ProgressHook, Queries

TEMPERATURE = 0.05
RECENCY_DECAY = 0.7
MAX_HISTORY = 20
N_TRAINING_NEGATIVES = 29
SEQUENCES_SCORED_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class TowerBatch:
    """Training sequences of one domain over the batch's distinct items."""

    domain: Domain
    items: NDArray[np.int64]
    """Distinct items of the batch, shape (n_distinct,); each title is encoded once."""
    sequences: Tensor
    """Rows into ``items``, padded with -1 on the right, shape (n_sequences, max_length)."""
    negatives: Tensor
    """Rows into ``items`` of the negatives that all sequences share, shape (n_negatives,)."""
    allowed: Tensor
    """Whether each negative was untouched by each sequence's user, shape (n_sequences, n_negatives)."""


class TowerLanguageModel(LanguageModel):
    """Two towers over one encoder. Every position of a sequence is an example: its titles are encoded only once."""

    objective = f"towers temperature {TEMPERATURE} decay {RECENCY_DECAY} negatives {N_TRAINING_NEGATIVES}"

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        self.backbone = backbone
        self.encoder = TextEncoder(backbone, device)
        self.model: nn.Module = self.encoder.model
        self._tokens: dict[str, list[list[int]]] = {}

    def facts(self) -> dict[str, Any]:
        """Return how candidates are ranked; there is no prompt."""
        return {"prompt_hash": None, "scored_by": "cosine of two towers"}

    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[TowerBatch, int]]:
        """Yield batches of one domain each, the domains interleaved at random."""
        plan = [(domain, users) for domain in domains for users in _batches_of_users(domain, recipe, rng)]
        trained_items = {id(domain): np.flatnonzero(domain.item_counts()) for domain in domains}
        for index in rng.permutation(len(plan)):
            domain, users = plan[index]
            batch = tower_batch(domain, users, trained_items[id(domain)], recipe.max_history, rng)
            yield batch, int((batch.sequences[:, 1:] >= 0).sum())

    def count_batches(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the number of batches in an epoch."""
        rng = np.random.default_rng(0)
        return sum(len(_batches_of_users(domain, recipe, rng)) for domain in domains)

    def loss(self, batch: TowerBatch) -> Tensor:
        """Return the cross-entropy of each next item against the shared negatives, mean over positions."""
        vectors = self.item_vectors(batch.domain, batch.items)
        return sequence_loss(vectors, batch.sequences, batch.negatives, batch.allowed)

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return cosines of history and candidates, shape (n, 30)."""
        needed = np.union1d(queries.history_items, queries.distinct_candidates())
        table = np.zeros((domain.n_items, self.encoder.dimension), dtype=np.float32)
        with torch.no_grad():
            table[needed] = self.item_vectors(domain, needed, progress).cpu().numpy()
        return tower_scores(table, queries)

    def entropy(self, domain: Domain, queries: Queries) -> Tensor:
        """Return the mean entropy of the softmax over each query's candidates."""
        padded, weights = padded_histories(queries)
        distinct, rows = np.unique(np.concatenate([padded.ravel(), queries.candidates.ravel()]), return_inverse=True)
        vectors = self.item_vectors(domain, distinct)
        history_rows, candidate_rows = np.split(rows, [padded.size])
        histories = vectors[torch.from_numpy(history_rows.reshape(padded.shape))]
        summed = (histories * torch.from_numpy(weights).to(vectors)[..., None]).sum(1)
        candidates = vectors[torch.from_numpy(candidate_rows.reshape(queries.candidates.shape))]
        cosines = torch.einsum("nd,ncd->nc", nn.functional.normalize(summed, dim=-1), candidates)
        return softmax_entropy(cosines / TEMPERATURE).mean()

    def item_vectors(self, domain: Domain, items: NDArray[Any], progress: ProgressHook | None = None) -> Tensor:
        """Encode the titles of ``items`` to unit vectors, (n, dimension); an item without a title has a zero vector."""
        tokens = self._tokens_of(domain)
        vectors = self.encoder.encode([tokens[item] for item in items], progress)
        titled = torch.tensor([bool(domain.titles[item]) for item in items], device=vectors.device)
        return vectors * titled[:, None]

    def _tokens_of(self, domain: Domain) -> list[list[int]]:
        key = content_hash(list(domain.titles))  # shares and slices of a domain have its whole catalogue
        if key not in self._tokens:
            self._tokens[key] = self.encoder.tokenise(domain.titles)
        return self._tokens[key]


def sequence_loss(vectors: Tensor, sequences: Tensor, negatives: Tensor, allowed: Tensor) -> Tensor:
    """Return the cross-entropy of every next item of every sequence, mean over positions.

    Args:
        vectors: unit vectors of the batch's distinct items, (n_distinct, dimension).
        sequences: rows into ``vectors`` padded with -1, (n_sequences, length).
        negatives: rows of the shared negatives, (n_negatives,).
        allowed: which negatives count for which sequence, (n_sequences, n_negatives).
    """
    real = sequences >= 0
    steps = vectors[sequences.clamp(min=0)] * real[..., None]
    length = sequences.shape[1]
    back = torch.arange(length - 1)[:, None] - torch.arange(length - 1)[None, :]
    decay = torch.where(back >= 0, RECENCY_DECAY ** back.clamp(min=0).float(), 0.0).to(vectors)
    histories = nn.functional.normalize(torch.einsum("ts,nsd->ntd", decay, steps[:, :-1]), dim=-1)
    positive = (histories * steps[:, 1:]).sum(-1, keepdim=True)
    negative = torch.einsum("ntd,kd->ntk", histories, vectors[negatives])
    negative = negative.masked_fill(~allowed[:, None, :], -torch.inf)
    logits = torch.cat([positive, negative], dim=-1) / TEMPERATURE
    losses = logits.logsumexp(-1) - logits[..., 0]
    return losses[real[:, 1:]].mean()


def tower_batch(
    domain: Domain,
    users: NDArray[np.int64],
    trained_items: NDArray[np.int64],
    max_history: int,
    rng: np.random.Generator,
) -> TowerBatch:
    """Gather the users' last ``max_history`` + 1 training items and draw the shared negatives.

    Negatives come from items that somebody trained on: a held-out item must not be taught to be one.
    """
    histories = [domain.history(user)[-(max_history + 1) :] for user in users]
    negatives = rng.choice(trained_items, size=min(N_TRAINING_NEGATIVES, len(trained_items)), replace=False)
    distinct, rows = np.unique(np.concatenate([*histories, negatives]), return_inverse=True)
    lengths = np.array([len(history) for history in histories])
    sequences = np.full((len(users), lengths.max()), -1)
    sequences[np.arange(lengths.max()) < lengths[:, None]] = rows[: lengths.sum()]
    allowed = np.stack([~np.isin(negatives, domain.history(user)) for user in users])
    return TowerBatch(
        domain,
        distinct,
        torch.from_numpy(sequences),
        torch.from_numpy(rows[lengths.sum() :]),
        torch.from_numpy(allowed),
    )


def padded_histories(queries: Queries, max_history: int = MAX_HISTORY) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each query's last items, most recent first, and their recency weights, both (n, max_history).

    Slots beyond a history's start hold item 0 with weight 0.
    """
    lengths = np.diff(queries.history_indptr)
    steps_back = np.arange(min(max_history, int(lengths.max(initial=1))))
    exists = steps_back < lengths[:, None]
    at = np.where(exists, queries.history_indptr[1:, None] - 1 - steps_back, 0)
    items = np.where(exists, queries.history_items[at], 0).astype(np.int64)
    return items, np.where(exists, RECENCY_DECAY**steps_back, 0.0).astype(np.float32)


def tower_scores(table: NDArray[np.float32], queries: Queries) -> NDArray[np.float32]:
    """Return the cosine of each history vector with its candidates, (n, 30), from unit item vectors (n_items, d)."""
    items, weights = padded_histories(queries)
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


def _batches_of_users(domain: Domain, recipe: LoraRecipe, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Sample users until their sequences hold ``max_examples`` next-item examples, and cut them into batches."""
    n_examples = np.minimum(np.diff(domain.indptr) - 1, recipe.max_history)
    users = rng.permutation(np.flatnonzero(n_examples > 0))
    within = np.cumsum(n_examples[users]) - n_examples[users] < recipe.max_examples
    users = users[within]
    return [users[start : start + recipe.batch_size] for start in range(0, len(users), recipe.batch_size)]
