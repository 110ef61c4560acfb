"""Candidate scores of a trained RecBole model, computing as few scores as the model allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench.baselines.recbole_models.dataset import Interaction, interaction
from bench.baselines.recbole_models.shortcuts import Abilities, query_vectors
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH, USER
from numpy.typing import NDArray
from torch import Tensor

from bench.learning.dot_scores import candidate_dots
from bench.learning.sequences import Rows, Sequences, last_stretches, ordered_batches

if TYPE_CHECKING:
    from bench.plugin import Queries

QUERIES_AT_ONCE = 512
"""Queries encoded together if only their candidates are scored."""
SCORES_AT_ONCE = 2**24
"""Scores computed together if a model scores the whole catalogue: 64 MB."""
PAIRS_AT_ONCE = 2**15
"""Query-candidate pairs scored together if a model can only score pairs; at least those of one query."""


def score_queries(model: Any, abilities: Abilities, queries: Queries, max_length: int) -> NDArray[np.float32]:
    """Return the scores of all candidates, shape (n, n_candidates), without dropout."""
    scores = np.empty(queries.candidates.shape, dtype=np.float32)
    histories = last_stretches(queries.history_indptr, queries.history_items, queries.users, max_length)
    at_once = QUERIES_AT_ONCE if abilities.scores_by_dot else max(1, SCORES_AT_ONCE // model.n_items)
    model.eval()
    with torch.no_grad():
        for rows in ordered_batches(histories.lengths, min(at_once, QUERIES_AT_ONCE)):
            batch = history_batch(model, histories, rows, None if abilities.cuts_padding else max_length)
            scores[rows] = _batch_scores(model, abilities, batch, queries, rows).cpu().numpy()
    return scores


def history_batch(model: Any, histories: Sequences, rows: Rows, width: int | None) -> Interaction:
    """Return a RecBole batch of these histories and their users, on the model's device."""
    columns = {
        USER: histories.users[rows] + 1,
        ITEMS: histories.padded(rows, width),
        # RecBole reads the state at length - 1, which is padding for an empty history
        LENGTH: np.maximum(histories.lengths[rows], 1),
    }
    return interaction(**{name: torch.from_numpy(column).to(model.device) for name, column in columns.items()})


def _batch_scores(model: Any, abilities: Abilities, batch: Interaction, queries: Queries, rows: Rows) -> Tensor:
    """Return the scores of the candidates of these queries, shape (n, n_candidates)."""
    if abilities.scores_by_dot:
        without_padding = model.item_embedding.weight[1:]
        return candidate_dots(query_vectors(model, batch), without_padding, queries, rows)
    candidates = torch.from_numpy(queries.candidates[rows].astype(np.int64) + 1).to(model.device)
    try:
        catalogue: Tensor = model.full_sort_predict(batch).view(len(candidates), -1)
    except NotImplementedError:
        return _pair_scores(model, batch, candidates)
    return catalogue.gather(1, candidates)


def _pair_scores(model: Any, batch: Interaction, candidates: Tensor) -> Tensor:
    """Score each query-candidate pair separately, for models that support nothing else."""
    n_candidates = candidates.shape[1]
    at_once = max(1, PAIRS_AT_ONCE // n_candidates)
    scores = []
    for start in range(0, len(candidates), at_once):
        part = slice(start, start + at_once)
        queries = {name: column[part] for name, column in batch.interaction.items()}
        repeated = {name: column.repeat_interleave(n_candidates, dim=0) for name, column in queries.items()}
        scores.append(model.predict(interaction(**repeated, **{ITEM: candidates[part].flatten()})))
    return torch.cat(scores).view(candidates.shape)
