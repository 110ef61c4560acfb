"""A domain: one dataset's users, items and time-ordered histories as integer arrays."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import content_hash

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

UNTITLED_SHARE_ALLOWED = 0.05
"""A domain counts as titled while at most this share of its items lacks a title."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Histories in compressed rows: user ``u`` touched ``items[indptr[u]:indptr[u + 1]]``, oldest first."""

    name: str
    """The card's name."""
    indptr: NDArray[np.int64]
    """Row starts, shape (n_users + 1,)."""
    items: NDArray[np.int32]
    """Item indices of all interactions, user by user, shape (n_interactions,)."""
    titles: tuple[str, ...]
    """One title an item; empty where the source has none, shape (n_items,)."""
    user_ids: NDArray[np.str_]
    """The source's user ids, shape (n_users,)."""
    item_ids: NDArray[np.str_]
    """The source's item ids, shape (n_items,)."""
    timestamps: NDArray[np.int64] | None = None
    """Unix seconds of each interaction, -1 where unknown; None where the source has only an order."""
    categories: tuple[str, ...] | None = None
    """The source's category or genre text for each item, where it has any."""
    notes: tuple[str, ...] = field(default=())
    """What a reader of results must know: missing titles, missing timestamps, a stand-in source."""
    order_as_days: bool = False
    """Whether, without timestamps, each interaction may count as a day of its own, as the card says."""

    @property
    def n_users(self) -> int:
        """Number of users, those with an empty history included."""
        return len(self.indptr) - 1

    @property
    def n_items(self) -> int:
        """Number of items in the catalogue, those never touched included."""
        return len(self.titles)

    @property
    def n_interactions(self) -> int:
        """Number of (user, item) events."""
        return len(self.items)

    @property
    def density(self) -> float:
        """Interactions over users times items, as a fraction."""
        return self.n_interactions / (self.n_users * self.n_items)

    @property
    def n_untitled(self) -> int:
        """Number of items without a title."""
        return sum(not title for title in self.titles)

    @property
    def titled(self) -> bool:
        """Whether text methods can run: at most :data:`UNTITLED_SHARE_ALLOWED` of the titles are missing."""
        return self.n_untitled <= UNTITLED_SHARE_ALLOWED * self.n_items

    @cached_property
    def content_hash(self) -> str:
        """Hash of what a model can learn from: histories and titles (not of names or notes)."""
        return content_hash(self.indptr, self.items, list(self.titles))

    @cached_property
    def titles_hash(self) -> str:
        """Hash of the catalogue's titles, the same for all parts of a domain."""
        return content_hash(list(self.titles))

    def __repr__(self) -> str:
        sizes = f"{self.n_users:,} users, {self.n_items:,} items, {self.n_interactions:,} interactions"
        return f"Domain('{self.name}': {sizes})"

    def history(self, user: int) -> NDArray[np.int32]:
        """Return one user's items, oldest first."""
        return self.items[self.indptr[user] : self.indptr[user + 1]]

    def users_of_interactions(self) -> NDArray[np.int64]:
        """Return the user index of each interaction, shape (n_interactions,)."""
        return np.repeat(np.arange(self.n_users), np.diff(self.indptr))

    def item_counts(self) -> NDArray[np.int64]:
        """Return how often each item was touched, shape (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items)

    def matrix(self) -> csr_matrix[np.float32]:
        """Return how often each user interacted with each item, shape (n_users, n_items), float32.

        Rows and columns are user and item indices; column indices are sorted, repeated interactions summed.
        """
        from scipy.sparse import csr_matrix

        ones = np.ones(self.n_interactions, dtype=np.float32)
        matrix = csr_matrix((ones, self.items.copy(), self.indptr.copy()), shape=(self.n_users, self.n_items))
        matrix.sum_duplicates()
        return matrix

    def keeping(self, keep: NDArray[np.bool_]) -> Domain:
        """Return the same catalogue and users with only the interactions where ``keep`` is true."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return replace(
            self,
            # a history begins behind all kept interactions of the histories before it
            indptr=kept_before[self.indptr].astype(np.int64),
            items=self.items[keep],
            timestamps=None if self.timestamps is None else self.timestamps[keep],
        )


def normalize_title(title: str) -> str:
    """Fold a title to the form in which two titles count as the same: NFKC, case and white space folded."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())
