"""Build batches for RecBole models from compressed histories; item indices become 1-based ids, and 0 is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bench.data.domain import Domain

Rows = NDArray[np.int64]

POOL_BATCHES = 32
"""Number of batches sorted by length together: enough to even out lengths, few enough to stay random."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Slices of one item array: slice ``i`` is ``items[starts[i]:starts[i] + lengths[i]]``."""

    items: NDArray[np.int32]
    """Item indices, user by user."""
    starts: Rows
    lengths: Rows
    users: Rows
    """User index of each slice."""

    def __len__(self) -> int:
        return len(self.starts)

    def padded(self, rows: Rows, width: int | None = None, shift: int = 0) -> NDArray[np.int64]:
        """Return the rows' ids, padded right with 0, shape (len(rows), width); ``shift`` moves the slices forward.

        ``width`` defaults to the length of the longest row, so that no column is only padding.
        """
        lengths = self.lengths[rows]
        columns = np.arange(lengths.max(initial=1) if width is None else width)
        inside = columns < lengths[:, None]
        positions = np.where(inside, self.starts[rows, None] + columns + shift, 0)
        ids: NDArray[np.int64] = np.where(inside, self.items[positions].astype(np.int64) + 1, 0)
        return ids

    def following(self, rows: Rows) -> NDArray[np.int64]:
        """Return the id of the item that follows each row's slice."""
        following: NDArray[np.int64] = self.items[self.starts[rows] + self.lengths[rows]].astype(np.int64)
        return following + 1


def last_stretches(indptr: Rows, items: NDArray[np.int32], users: Rows, max_length: int) -> Sequences:
    """Return the last ``max_length`` items of each history."""
    lengths = np.minimum(np.diff(indptr), max_length)
    return Sequences(items, indptr[1:] - lengths, lengths, users)


def prefixes(domain: Domain, max_length: int) -> Sequences:
    """Return, for every item except a user's first, the up to ``max_length`` items before it."""
    position = np.arange(domain.n_interactions) - np.repeat(domain.indptr[:-1], np.diff(domain.indptr))
    ends = np.flatnonzero(position > 0)
    lengths = np.minimum(position[ends], max_length)
    return Sequences(domain.items, ends - lengths, lengths, domain.users_of_interactions()[ends])


def windows(domain: Domain, max_length: int) -> Sequences:
    """Split each history, except its last item, into windows of ``max_length`` counted from its end.

    Each item except a user's first then follows exactly one window position. A user with up to ``max_length`` + 1 items
    has one window, and every position sees its full prefix; with more items, a window's first positions see less.
    """
    inputs = np.maximum(np.diff(domain.indptr) - 1, 0)
    # the two minus signs round up
    per_user = -(-inputs // max_length)
    users = np.repeat(np.arange(domain.n_users), per_user)
    nth_from_end = np.arange(len(users)) - np.repeat(np.cumsum(per_user) - per_user, per_user)
    ends = domain.indptr[1:][users] - 1 - nth_from_end * max_length
    starts = np.maximum(ends - max_length, domain.indptr[:-1][users])
    return Sequences(domain.items, starts, ends - starts, users)


def random_batches(n_rows: int, batch_size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield all rows in random order, ``batch_size`` at a time."""
    order = rng.permutation(n_rows)
    for start in range(0, n_rows, batch_size):
        yield order[start : start + batch_size]


def bucketed_batches(lengths: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield all rows at random, ``batch_size`` of similar length at a time, with the batches in random order."""
    batches: list[Rows] = []
    for pool in random_batches(len(lengths), batch_size * POOL_BATCHES, rng):
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.array_split(ordered, range(batch_size, len(ordered), batch_size))
    for batch in rng.permutation(len(batches)):
        yield batches[batch]


def ordered_batches(lengths: Rows, batch_size: int) -> Iterator[Rows]:
    """Yield all rows from shortest to longest, ``batch_size`` at a time."""
    order = np.argsort(lengths, kind="stable")
    yield from np.array_split(order, range(batch_size, len(order), batch_size)) if len(order) else ()


class NegativeSampler:
    """Draw items that a user has not interacted with, uniformly from the items with training interactions.

    Items without training interactions are never drawn, so a cold item's vector keeps its initial value.
    """

    def __init__(self, domain: Domain) -> None:
        self._pool = np.flatnonzero(domain.item_counts()).astype(np.int64)
        in_pool = np.searchsorted(self._pool, domain.items)
        touched = np.unique(domain.users_of_interactions() * len(self._pool) + in_pool)
        users, touched_item = np.divmod(touched, max(1, len(self._pool)))
        self._indptr = np.searchsorted(users, np.arange(domain.n_users + 1)).astype(np.int64)
        # for each item of a user's history, the number of other pool items before it that are not in the history
        untouched_below = touched_item - (np.arange(len(users)) - self._indptr[users])
        self._keys = users * (len(self._pool) + 1) + untouched_below

    def usable(self, users: Rows) -> NDArray[np.bool_]:
        """Return whether each user has at least one item that can be drawn."""
        return self._untouched(users) > 0

    def draw(self, users: Rows, rng: np.random.Generator) -> Rows:
        """Return one item per user that the user has not interacted with; all users must be usable."""
        nth = rng.integers(self._untouched(users))
        keys = users * (len(self._pool) + 1) + nth
        # the nth item outside the history is preceded by the history items with at most n outside items before them;
        # keys have a separate range per user, so that one search is enough for all
        skipped = np.searchsorted(self._keys, keys, side="right") - self._indptr[users]
        return self._pool[nth + skipped]

    def _untouched(self, users: Rows) -> Rows:
        return len(self._pool) - (self._indptr[users + 1] - self._indptr[users])
