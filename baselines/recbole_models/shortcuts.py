"""Test which shortcuts leave the loss and scores of a RecBole model unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from bench.baselines.recbole_models.dataset import Interaction, interaction
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LENGTH, NEGATIVE, USER
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

PROBE_LENGTHS = (1, 2, 3, 5, 8)
"""Lengths of the generated histories on which a model is tested."""
RELATIVE_TOLERANCE = 1e-9
"""Largest relative difference that counts as rounding in double precision."""


@dataclass(frozen=True)
class Abilities:
    """The shortcuts that are exact for a model."""

    cuts_padding: bool = False
    """Whether padding beyond the longest history of a batch has no effect."""
    scores_by_dot: bool = False
    """Whether a score is the dot product of the history's vector and the item's embedding."""
    trains_every_position: bool = False
    """Whether the model is causal and its loss over prefixes equals that over all positions of a sequence."""


class EveryPosition:
    """Mixin that lets ``forward`` return the vectors of all positions if ``every_position`` is set."""

    every_position = False

    def gather_indexes(self, output: Tensor, gather_index: Tensor) -> Tensor:
        """Return the whole output or, as RecBole does, the vector at one index per row."""
        recbole: Any = super()
        gathered: Tensor = output if self.every_position else recbole.gather_indexes(output, gather_index)
        return gathered


def with_every_position(model_class: type[Any]) -> type[Any]:
    """Return a subclass of a RecBole model that can return the vectors of all positions."""
    return type(model_class.__name__, (EveryPosition, model_class), {})


@contextmanager
def giving_every_position(model: Any) -> Iterator[None]:
    """Let ``model.forward`` return the vectors of all positions inside the block."""
    model.every_position = True
    try:
        yield
    finally:
        model.every_position = False


def vectors_of_all_positions(model: Any, items: Tensor, lengths: Tensor) -> Tensor:
    """Return the vectors of all positions, shape (n, width, d)."""
    with giving_every_position(model):
        vectors: Tensor = model.forward(items, lengths)
    return vectors


def query_vectors(model: Any, batch: Interaction) -> Tensor:
    """Return the vectors of a batch's histories, or of its users if the model is not sequential, shape (n, d)."""
    sequential = hasattr(model, "ITEM_SEQ")
    vectors: Tensor = model.forward(batch[ITEMS], batch[LENGTH]) if sequential else model.user_embedding(batch[USER])
    return vectors


def total_loss(model: Any, batch: Interaction) -> Tensor:
    """Return the loss that RecBole's trainer minimizes; a model may return it in parts."""
    loss: Tensor | tuple[Tensor, ...] = model.calculate_loss(batch)
    return torch.stack(loss).sum() if isinstance(loss, tuple) else loss


def abilities_of(model: Any, max_length: int, seed: int = 0) -> Abilities:
    """Try each shortcut on generated histories, without dropout, and return those that change nothing.

    The test uses double precision, which separates rounding from small real differences.
    """
    batch = _probe_batch(model, max_length, np.random.default_rng(seed)).to(model.device)
    was_training = model.training
    model.eval().double()
    with torch.no_grad():
        found = _tried(model, batch, max_length)
    model.float().train(was_training)
    return found


def _tried(model: Any, batch: Interaction, max_length: int) -> Abilities:
    scores_by_dot = _holds(lambda: _same_scores(model, batch))
    if not hasattr(model, "ITEM_SEQ"):
        return Abilities(scores_by_dot=scores_by_dot)
    return Abilities(
        cuts_padding=not _has_batch_norm(model) and _holds(lambda: _padding_is_inert(model, batch, max_length)),
        scores_by_dot=scores_by_dot,
        trains_every_position=scores_by_dot and _holds(lambda: _positions_are_prefixes(model, batch)),
    )


def _probe_batch(model: Any, max_length: int, rng: np.random.Generator) -> Interaction:
    lengths = np.unique(np.minimum(PROBE_LENGTHS, max_length))
    items = rng.integers(1, model.n_items, size=(len(lengths), int(lengths.max())))
    items[np.arange(items.shape[1]) >= lengths[:, None]] = 0
    targets, negatives = rng.integers(1, model.n_items, size=(2, len(lengths)))
    users = rng.integers(1, getattr(model, "n_users", 2), size=len(lengths))
    columns = {USER: users, ITEMS: items, LENGTH: lengths, ITEM: targets, NEGATIVE: negatives}
    return interaction(**{name: torch.from_numpy(column) for name, column in columns.items()})


def _holds(question: Any) -> bool:
    try:
        return bool(question())
    except Exception:  # a model may fail in any way on an unsupported use; then the answer is no
        return False


def _same(left: Tensor, right: Tensor) -> bool:
    if left.shape != right.shape:
        return False
    return float((left - right).abs().max()) <= RELATIVE_TOLERANCE * float(right.abs().max())


def _same_scores(model: Any, batch: Interaction) -> bool:
    vectors = query_vectors(model, batch)
    expected = model.full_sort_predict(batch).view(len(batch), -1)
    return len(model.item_embedding.weight) >= model.n_items and _same(
        vectors @ model.item_embedding.weight[: expected.shape[1]].T, expected
    )


def _padding_is_inert(model: Any, batch: Interaction, max_length: int) -> bool:
    items = batch[ITEMS]
    padded = nn.functional.pad(items, (0, max_length - items.shape[1]))
    wide = interaction(**{**batch.interaction, ITEMS: padded})
    return _same(model.full_sort_predict(batch), model.full_sort_predict(wide)) and _same(
        total_loss(model, batch), total_loss(model, wide)
    )


def _positions_are_prefixes(model: Any, batch: Interaction) -> bool:
    """Whether position ``t`` equals the vector of the prefix of ``t + 1`` items and the loss is cross-entropy."""
    items, lengths = batch[ITEMS], batch[LENGTH]
    longest = items[lengths.argmax()][None]
    ends = torch.arange(1, longest.shape[1] + 1, device=items.device)
    each_prefix = torch.where(ends[None] <= ends[:, None], longest, 0)
    vectors = vectors_of_all_positions(model, longest, ends[-1:])
    logits = model.forward(items, lengths) @ model.item_embedding.weight.T
    return _same(vectors[0], model.forward(each_prefix, ends)) and _same(
        cross_entropy(logits, batch[ITEM]), model.calculate_loss(batch)
    )


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
