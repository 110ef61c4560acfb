"""A domain: one dataset's users, items and time-ordered histories as integer arrays."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import Texts
from bench.files.hashing import content_hash

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

UNTITLED_SHARE_ALLOWED = 0.05
"""Maximum fraction of items without a title for a domain to count as titled."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Interaction histories in CSR form: those of user ``u`` are ``items[indptr[u]:indptr[u + 1]]``, oldest first."""

    name: str
    """The card's name."""
    indptr: NDArray[np.int64]
    """Row starts, shape (n_users + 1,)."""
    items: NDArray[np.int32]
    """Item indices of all interactions, ordered by user, shape (n_interactions,)."""
    titles: tuple[str, ...]
    """One title per item, empty if the source has none, shape (n_items,)."""
    user_ids: Texts
    """Original user ids, shape (n_users,)."""
    item_ids: Texts
    """Original item ids, shape (n_items,)."""
    timestamps: NDArray[np.int64] | None = None
    """Unix time of each interaction in seconds, -1 if unknown; None if the source only has an order."""
    categories: tuple[str, ...] | None = None
    """Category or genre text per item, if the source has any."""
    notes: tuple[str, ...] = field(default=())
    """Notes on the data: missing titles, missing timestamps, substitute sources."""
    order_as_days: bool = False
    """Whether each interaction may be treated as a separate day if there are no timestamps (set by the card)."""

    @property
    def n_users(self) -> int:
        """Number of users, including those with an empty history."""
        return len(self.indptr) - 1

    @property
    def n_items(self) -> int:
        """Number of items in the catalogue, including those without interactions."""
        return len(self.titles)

    @property
    def n_interactions(self) -> int:
        """Number of (user, item) events."""
        return len(self.items)

    @property
    def density(self) -> float:
        """Interactions divided by users times items."""
        return self.n_interactions / (self.n_users * self.n_items)

    @property
    def n_untitled(self) -> int:
        """Number of items without a title."""
        return sum(not title for title in self.titles)

    @property
    def titled(self) -> bool:
        """Whether text-based methods can run: at most :data:`UNTITLED_SHARE_ALLOWED` of the titles are missing."""
        return self.n_untitled <= UNTITLED_SHARE_ALLOWED * self.n_items

    @cached_property
    def content_hash(self) -> str:
        """Hash of histories and titles (not of names or notes)."""
        return content_hash(self.indptr, self.items, list(self.titles))

    @cached_property
    def titles_hash(self) -> str:
        """Hash of the item titles, which is the same for all splits of a domain."""
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
        """Return the number of interactions per item, shape (n_items,)."""
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
        """Return a copy with only the interactions for which ``keep`` is true."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return replace(
            self,
            # a history starts after all kept interactions of the preceding histories
            indptr=kept_before[self.indptr].astype(np.int64),
            items=self.items[keep],
            timestamps=None if self.timestamps is None else self.timestamps[keep],
        )


def normalize_title(title: str) -> str:
    """Normalize a title for comparison: NFKC, case-folded, with collapsed white space."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())
