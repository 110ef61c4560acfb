"""Learners for RecBole models: the batches that each kind of model is trained on, and the loss of each batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench.baselines.recbole_models.dataset import Interaction, interaction
from bench.baselines.recbole_models.shortcuts import Abilities, total_loss, vectors_of_all_positions
from bench.baselines.recbole_models.zoo import ITEM, ITEMS, LABEL, LENGTH, NEGATIVE, USER
from numpy.typing import NDArray
from torch import Tensor

from bench.learning.cross_entropy import linear_cross_entropy
from bench.learning.sequences import (
    NegativeSampler,
    Rows,
    Sequences,
    bucketed_batches,
    ordered_batches,
    prefixes,
    random_batches,
    windows,
)

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.learning.params import TrainingParams

Transform = Callable[[Interaction], Interaction]
"""RecBole's transformation of a batch before the loss."""

GROUP_SIZE = 32
"""Sequences of similar length encoded together: a compromise between the cost of padding and of calls."""


class Learner(ABC):
    """One way to train on a domain, with a new order and new negatives in every epoch."""

    name: str
    """What one training example is, for the run record."""

    def __init__(self, model: Any, domain: Domain, batch_size: int, max_length: int) -> None:
        self.model = model
        self.domain = domain
        self.batch_size = batch_size
        self.max_length = max_length
        self.negatives = NegativeSampler(domain)

    @abstractmethod
    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch."""

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """Return an array as a tensor on the model's device."""
        return torch.from_numpy(array).to(self.model.device)

    def batch(self, **columns: NDArray[Any]) -> Interaction:
        """Return a RecBole batch on the model's device."""
        return interaction(**{name: self.tensor(column) for name, column in columns.items()})


class EveryPositionLearner(Learner):
    """Trains a causal model at all positions of whole sequences, which is equivalent to one prefix at a time.

    A batch is encoded in groups of similar length, each padded to its longest sequence, and the loss is the mean over
    the real positions of the batch. The softmax is over the items with training interactions (and RecBole's padding):
    other items are never targets, and as negatives they would only be pushed down.
    """

    name = "every position of a sequence"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        touched = np.concatenate([[True], self.domain.item_counts() > 0])
        self.all_touched = bool(touched.all())
        self.classes = self.tensor(np.flatnonzero(touched))
        self.class_of_id = self.tensor(np.cumsum(touched) - 1)

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's mean loss over its real positions."""
        sequences = windows(self.domain, self.max_length)
        for rows in random_batches(len(sequences), self.batch_size, rng):
            yield self.loss(*self.encode(sequences, rows), rng)

    def loss(self, vectors: Tensor, targets: Tensor, users: Rows, rng: np.random.Generator) -> Tensor:
        """Return the loss of positions with vectors of shape (n, d), target ids (n,) and user indices (n,)."""
        weight = self.model.item_embedding.weight
        if self.all_touched:
            return linear_cross_entropy(vectors, weight, targets)
        return linear_cross_entropy(vectors, weight[self.classes], self.class_of_id[targets])

    def encode(self, sequences: Sequences, rows: Rows) -> tuple[Tensor, Tensor, Rows]:
        """Return the vectors, target ids and user indices of all real positions of a batch."""
        vectors, targets, users = [], [], []
        for part in ordered_batches(sequences.lengths[rows], GROUP_SIZE):
            group = rows[part]
            items, following = sequences.padded(group), sequences.padded(group, shift=1)
            real = items > 0
            encoded = vectors_of_all_positions(self.model, self.tensor(items), self.tensor(sequences.lengths[group]))
            vectors.append(encoded[self.tensor(real)])
            targets.append(following[real])
            users.append(np.repeat(sequences.users[group], sequences.lengths[group]))
        return torch.cat(vectors), self.tensor(np.concatenate(targets)), np.concatenate(users)


class PrefixLearner(Learner):
    """RecBole's own loss for sequential models, with one example per prefix of each history."""

    name = "one prefix"

    def __init__(self, *arguments: Any, cuts_padding: bool, transform: Any) -> None:
        super().__init__(*arguments)
        self.width = None if cuts_padding else self.max_length
        self.transform = transform

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's loss; if padding can be cut, the prefixes of a batch have similar lengths."""
        examples = prefixes(self.domain, self.max_length)
        usable = np.flatnonzero(self.negatives.usable(examples.users))
        lengths = examples.lengths[usable]
        batches = random_batches(len(usable), self.batch_size, rng)
        for batch in batches if self.width else bucketed_batches(lengths, self.batch_size, rng):
            rows = usable[batch]
            columns = {
                USER: examples.users[rows] + 1,
                ITEMS: examples.padded(rows, self.width),
                LENGTH: examples.lengths[rows],
                ITEM: examples.following(rows),
            }
            negatives = self.negatives.draw(examples.users[rows], rng) + 1
            yield total_loss(self.model, self.transform(self.batch(**with_negatives(self.model, columns, negatives))))


class PairLearner(Learner):
    """RecBole's own loss for general models, with one example per interaction and one negative."""

    name = "one interaction with a negative"

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's loss."""
        users, items = self.domain.users_of_interactions(), self.domain.items.astype(np.int64)
        usable = np.flatnonzero(self.negatives.usable(users))
        negatives = self.negatives.draw(users[usable], rng) + 1
        for batch in random_batches(len(usable), self.batch_size, rng):
            rows = usable[batch]
            columns = {USER: users[rows] + 1, ITEM: items[rows] + 1}
            yield total_loss(self.model, self.batch(**with_negatives(self.model, columns, negatives[batch])))


class UserLearner(Learner):
    """RecBole's own loss for autoencoders, with one example per user's whole history."""

    name = "one user"

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield each batch's loss."""
        users = np.flatnonzero(np.diff(self.domain.indptr))
        for rows in random_batches(len(users), self.batch_size, rng):
            yield total_loss(self.model, self.batch(**{USER: users[rows] + 1}))


def with_negatives(
    model: Any, columns: dict[str, NDArray[Any]], negatives: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Add negatives to a batch: as a column, or as additional rows if the model uses labels."""
    if not reads_labels(model):
        return {**columns, NEGATIVE: negatives}
    doubled = {name: np.concatenate([column, column]) for name, column in columns.items()}
    doubled[ITEM][len(negatives) :] = negatives
    return {**doubled, LABEL: np.repeat(np.array([1, 0], dtype=np.float32), len(negatives))}


def reads_labels(model: Any) -> bool:
    """Whether the model's loss is over single pairs that are labeled as positive or negative."""
    from recbole.utils import InputType

    pointwise = getattr(model, "input_type", None) == InputType.POINTWISE
    return pointwise and (hasattr(model, "LABEL") or hasattr(model, "LABEL_FIELD"))


def choose_learner(
    model: Any, abilities: Abilities, domain: Domain, params: TrainingParams, transform: Transform
) -> Learner:
    """Return the fastest learner that computes the model's own loss."""
    arguments = (model, domain, params.batch_size, params.max_length)
    if abilities.trains_every_position:
        return EveryPositionLearner(*arguments)
    if hasattr(model, "ITEM_SEQ"):
        return PrefixLearner(*arguments, cuts_padding=abilities.cuts_padding, transform=transform)
    return UserLearner(*arguments) if hasattr(model, "get_rating_matrix") else PairLearner(*arguments)
