"""Build training batches for two towers: positions of users' histories, with the titles of the batch as candidates.

A batch consists of whole runs of consecutive positions, because neighbors share most of their titles, and each
distinct title is encoded once. The negatives of a position are all other titles of the batch plus some drawn
uniformly, except those its user has interacted with. Popular titles are in the batch more often, so each logit is
lowered by the logarithm of its title's probability of being in the batch (Yi et al. 2019, "Sampling-bias-corrected
neural modeling", RecSys): the loss then estimates the loss over the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench.data.domain import Domain

RECENCY_DECAY = 0.7
"""Weight of an item relative to the next more recent one, fixed in advance."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TowerBatch:
    """Positions of one domain, with the batch's distinct items."""

    domain: Domain
    items: Rows
    """Distinct items of the batch, shape (n_distinct,)."""
    history_weights: NDArray[np.float32]
    """Weight of each item in each position's history, shape (n_positions, n_distinct)."""
    targets: Rows
    """Index into ``items`` of the item that came next, shape (n_positions,)."""
    excluded: NDArray[np.bool_]
    """The user's own other items and items without a title, which are not negatives, (n_positions, n_distinct)."""
    log_chances: NDArray[np.float32]
    """Logarithm of each item's probability of being in a batch, shape (n_distinct,)."""


@dataclass(frozen=True, eq=False)
class Positions:
    """All positions of a domain that can be learned (a titled item with a history before it), split into runs."""

    domain: Domain
    max_history: int

    @cached_property
    def users(self) -> Rows:
        """The user of each interaction."""
        return self.domain.users_of_interactions()

    @cached_property
    def titled(self) -> NDArray[np.bool_]:
        """Whether each item has a title, shape (n_items,)."""
        return np.array([bool(title) for title in self.domain.titles])

    @cached_property
    def places(self) -> Rows:
        """Positions in ``domain.items`` of the items to predict, user by user."""
        first = np.zeros(self.domain.n_interactions, dtype=bool)
        first[self.domain.indptr[:-1][np.diff(self.domain.indptr) > 0]] = True
        return np.flatnonzero(~first & self.titled[self.domain.items])

    @cached_property
    def runs(self) -> list[Rows]:
        """Runs of consecutive positions of one user, each of at most ``max_history`` positions."""
        users = self.users[self.places]
        number = np.arange(len(users)) - np.searchsorted(users, users)
        starts = np.flatnonzero(number % self.max_history == 0)
        return np.split(self.places, starts[1:]) if len(starts) else []

    @cached_property
    def touched(self) -> csr_array:
        """Which items each user has interacted with, shape (n_users, n_items)."""
        ones = np.ones(self.domain.n_interactions, dtype=bool)
        shape = (self.domain.n_users, self.domain.n_items)
        return csr_array((ones, self.domain.items.astype(np.int64), self.domain.indptr), shape=shape)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of each item in all interactions, shape (n_items,)."""
        counts = self.domain.item_counts()
        shares: NDArray[np.float64] = counts / max(1, counts.sum())
        return shares

    @cached_property
    def offered(self) -> Rows:
        """Items that may be drawn as negatives: those with training interactions, so none is held out."""
        return np.flatnonzero((self.domain.item_counts() > 0) & self.titled)

    def epoch(self, max_examples: int, batch_size: int, rng: np.random.Generator) -> list[Rows]:
        """Return the positions of each batch of an epoch: all, or a sample of ``max_examples`` if that is not 0."""
        order = [self.runs[index] for index in rng.permutation(len(self.runs))]
        sizes = np.cumsum([len(run) for run in order])
        if max_examples:
            order = order[: int(np.searchsorted(sizes, max_examples)) + 1]
            sizes = sizes[: len(order)]
        cuts = np.flatnonzero(np.diff(np.concatenate([[0], (sizes - 1) // batch_size])))
        return [np.concatenate(order[start:stop]) for start, stop in _slices(cuts, len(order))]

    def n_batches(self, max_examples: int, batch_size: int) -> int:
        """Return the approximate number of batches per epoch."""
        n_examples = len(self.places) if not max_examples else min(max_examples, len(self.places))
        return -(-n_examples // batch_size)

    def batch(self, places: Rows, n_negatives: int, rng: np.random.Generator) -> TowerBatch:
        """Collect the histories and targets of the positions, and draw the negatives they share."""
        items, users = self.domain.items.astype(np.int64), self.users[places]
        back = np.arange(self.max_history)
        before = places[:, None] - 1 - back
        exists = before >= self.domain.indptr[users][:, None]
        read = items[np.where(exists, before, 0)]
        n_drawn = min(n_negatives, len(self.offered))
        drawn = rng.choice(self.offered, size=n_drawn, replace=False)
        distinct = np.unique(np.concatenate([read[exists], items[places], drawn]))
        weights = np.zeros((len(places), len(distinct)), dtype=np.float32)
        rows = np.broadcast_to(np.arange(len(places))[:, None], exists.shape)[exists]
        decay = np.broadcast_to(RECENCY_DECAY**back, exists.shape)[exists]
        np.add.at(weights, (rows, np.searchsorted(distinct, read[exists])), decay)
        targets = np.searchsorted(distinct, items[places])
        excluded = self._touched_by(users, distinct) | ~self.titled[distinct]
        excluded[np.arange(len(places)), targets] = False
        absent = (1 - self.shares[distinct]) ** len(places) * (1 - n_drawn / max(1, len(self.offered)))
        log_chances = np.log(np.maximum(1 - absent, 1e-12)).astype(np.float32)
        return TowerBatch(self.domain, distinct, weights, targets, excluded, log_chances)

    def _touched_by(self, users: Rows, items: Rows) -> NDArray[np.bool_]:
        """Return which of the items each user has interacted with, shape (n_users, n_items)."""
        distinct, rows = np.unique(users, return_inverse=True)
        touched: NDArray[np.bool_] = self.touched[distinct][:, items].toarray()[rows].astype(bool)
        return touched


def _slices(cuts: Rows, n: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the ranges between cuts."""
    return ((start, stop) for start, stop in pairwise([0, *cuts.tolist(), n]) if stop > start)
