"""Draw candidate lists: one positive and distinct negatives that the user has never interacted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain, normalize_title
from bench.errors import BenchError
from bench.files.hashing import content_hash

SURPLUS = 1.3
"""Items drawn per required negative in the first pass; items already interacted with and repeats are then discarded."""
ROWS_AT_A_TIME = 4096
"""Lists that are drawn and checked together, few enough for their arrays to stay in a processor's cache."""
HASH_BITS = 20
GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio."""
UNIFORMITY_P = 1e-6
"""Below this p-value, a non-uniform distribution of the positives' columns is an error and not chance."""


@dataclass(frozen=True, eq=False)
class CandidateLists:
    """Candidates in shuffled order, shape (n, 1 + n_negatives), and the column of each positive, shape (n,)."""

    items: NDArray[np.int32]
    positive_column: NDArray[np.int64]

    @property
    def positives(self) -> NDArray[np.int32]:
        """Return the positive item of each list, shape (n,)."""
        return np.take_along_axis(self.items, self.positive_column[:, None], axis=1)[:, 0]

    def hash(self, key: Any, users: NDArray[np.int64]) -> str:
        """Return the content hash of these lists, their users and the key that they were drawn for."""
        return content_hash(key, users, self.items, self.positive_column)


@dataclass(frozen=True, eq=False)
class TitleGroups:
    """Groups of items with the same normalized title; a list contains at most one item of each group."""

    group: NDArray[np.int64]
    """Group of each item, shape (n_items,)."""
    eligible: NDArray[np.bool_]
    """Items that a list may contain: all, or in a titled domain those with a title, shape (n_items,)."""
    touched: NDArray[np.int64]
    """Sorted keys ``user * n_items + group`` of all interactions of all users in all parts."""

    @classmethod
    def of(cls, domain: Domain) -> TitleGroups:
        """Group a domain's items; each item without a title forms a separate group."""
        first_with: dict[str, int] = {}
        normalized = [normalize_title(title) for title in domain.titles]
        group = np.array(
            [first_with.setdefault(title, item) if title else item for item, title in enumerate(normalized)]
        )
        has_title = np.array([bool(title) for title in normalized])
        touched = np.sort(domain.users_of_interactions() * domain.n_items + group[domain.items])
        return cls(group, has_title if domain.titled else np.ones(domain.n_items, dtype=bool), touched)

    def touched_by(self, users: NDArray[np.int64], items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Mark items, shape (n_users, n), if the row's user has interacted with an item with the same title."""
        if not len(users):
            return np.zeros(items.shape, dtype=bool)
        n_items = len(self.group)
        # the keys of these users alone: with few users, they fit into a cache and are searched many times as fast
        ends = np.searchsorted(self.touched, [users.min() * n_items, (users.max() + 1) * n_items])
        return _contained(users[:, None] * n_items + self.group[items], self.touched[slice(*ends)])

    def check(self, domain: Domain, users: NDArray[np.int64], lists: CandidateLists) -> None:
        """Raise BenchError if a list repeats a title or has an invalid negative, or positives are placed unevenly."""
        for rows in row_slices(len(users)):
            groups = np.sort(self.group[lists.items[rows]], axis=1)
            if (groups[:, 1:] == groups[:, :-1]).any():
                raise BenchError(f"A candidate list of {domain.name} contains two items with the same title.")
            touched = self.touched_by(users[rows], lists.items[rows])
            # the user did interact with the positive: it is the answer
            np.put_along_axis(touched, lists.positive_column[rows, None], False, axis=1)
            if touched.any():
                raise BenchError(
                    f"A candidate list of {domain.name} contains a negative that the user has interacted with."
                )
        if _uniformity_p(lists) < UNIFORMITY_P:
            raise BenchError(f"The positives of {domain.name} are not distributed evenly over the candidate positions.")


def draw_candidates(
    domain: Domain,
    users: NDArray[np.int64],
    positives: NDArray[np.int32],
    eligible: NDArray[np.bool_],
    groups: TitleGroups,
    n_negatives: int,
    rng: np.random.Generator,
) -> CandidateLists:
    """Draw uniform negatives for each (user, positive) pair and shuffle the positive into them.

    To avoid a loop over users, surplus items are drawn for many of them at once; repeats and items the user has
    interacted with are masked. Rows that still lack negatives (small catalogues, long histories) are drawn from the
    exact remaining set.

    Raises:
        BenchError: a user has fewer than ``n_negatives`` eligible items.
    """
    pool = np.flatnonzero(eligible).astype(np.int32)
    n_drawn = int(SURPLUS * n_negatives) + 4
    negatives = np.empty((len(users), n_negatives), dtype=np.int32)
    lacking: list[int] = []
    for rows in row_slices(len(users)):
        drawn = pool[rng.integers(len(pool), size=(rows.stop - rows.start, n_drawn))]
        valid = _first_of_group(positives[rows], drawn, groups)
        valid &= ~groups.touched_by(users[rows], drawn)
        negatives[rows] = _first_valid(drawn, valid, n_negatives)
        lacking += (rows.start + np.flatnonzero(valid.sum(axis=1) < n_negatives)).tolist()
    for row in lacking:
        negatives[row] = _exact_negatives(domain, int(users[row]), int(positives[row]), pool, groups, n_negatives, rng)
    return shuffled_in(positives, negatives, rng)


def row_slices(n_rows: int) -> list[slice]:
    """Return consecutive slices of at most :data:`ROWS_AT_A_TIME` rows that cover all rows."""
    return [slice(start, min(start + ROWS_AT_A_TIME, n_rows)) for start in range(0, n_rows, ROWS_AT_A_TIME)]


def _first_valid(drawn: NDArray[np.int32], valid: NDArray[np.bool_], n: int) -> NDArray[np.int32]:
    """Return the first ``n`` valid draws of each row, followed by others in rows with fewer, shape (n_rows, n)."""
    first = drawn[:, :n].copy()
    mixed = np.flatnonzero(~valid[:, :n].all(axis=1))
    # a stable sort moves the valid draws to the front and keeps their random order
    order = np.argsort(~valid[mixed], axis=1, kind="stable")[:, :n]
    first[mixed] = np.take_along_axis(drawn[mixed], order, axis=1)
    return first


def _first_of_group(positives: NDArray[np.int32], drawn: NDArray[np.int32], groups: TitleGroups) -> NDArray[np.bool_]:
    """Mark the draws in each row whose group is neither that of the positive nor that of an earlier draw."""
    return first_in_row(groups.group[np.concatenate([positives[:, None], drawn], axis=1)])[:, 1:]


def first_in_row(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the values in each row that do not occur in an earlier column of the row."""
    first = np.ones(values.shape, dtype=bool)
    sorted_rows = np.sort(values, axis=1)
    # most rows of a large catalogue repeat nothing
    repeating = np.flatnonzero((sorted_rows[:, 1:] == sorted_rows[:, :-1]).any(axis=1))
    # a stable sort brings equal values together, the earliest column first
    order = np.argsort(values[repeating], axis=1, kind="stable")
    in_order = np.take_along_axis(values[repeating], order, axis=1)
    is_first = np.ones_like(order, dtype=bool)
    is_first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    of_repeating = np.empty_like(is_first)
    np.put_along_axis(of_repeating, order, is_first, axis=1)
    first[repeating] = of_repeating
    return first


def _exact_negatives(
    domain: Domain,
    user: int,
    positive: int,
    pool: NDArray[np.int32],
    groups: TitleGroups,
    n_negatives: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    taken = groups.group[np.append(domain.history(user), positive)]
    shuffled = rng.permutation(pool[~np.isin(groups.group[pool], taken)])
    # keep the first in random order of the items with one title; sorting their places below restores that order
    _, first_of_each_group = np.unique(groups.group[shuffled], return_index=True)
    if len(first_of_each_group) < n_negatives:
        raise BenchError(
            f"User '{domain.user_ids[user]}' of dataset '{domain.name}' has only {len(first_of_each_group)} possible "
            f"negatives, but {n_negatives} distinct ones are needed: lower "
            f"--n-negatives, or see 'bench data stats {domain.name}'."
        )
    return shuffled[np.sort(first_of_each_group)[:n_negatives]]


def shuffled_in(positives: NDArray[np.int32], negatives: NDArray[np.int32], rng: np.random.Generator) -> CandidateLists:
    """Put each positive into a random column; the negatives are in random order already."""
    n, n_negatives = negatives.shape
    column = rng.integers(n_negatives + 1, size=n)
    items = np.concatenate([negatives, positives[:, None]], axis=1).astype(np.int32, copy=False)
    # the negative in the positive's column moves to the end, where the positive was appended
    items[:, -1] = np.take_along_axis(items, column[:, None], axis=1)[:, 0]
    items[np.arange(n), column] = positives
    return CandidateLists(items, column)


def _contained(keys: NDArray[np.int64], sorted_keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the keys that occur among the sorted ones.

    Few do: a table of hashes, small enough for a cache, tells most others apart before the search.
    """
    found = np.zeros(keys.shape, dtype=bool)
    if not len(sorted_keys):
        return found
    table = np.zeros(1 << HASH_BITS, dtype=bool)
    table[_hashes(sorted_keys)] = True
    likely = np.nonzero(table[_hashes(keys)])
    at = np.searchsorted(sorted_keys, keys[likely])
    # a key above all others would be looked up after the end
    found[likely] = sorted_keys[np.minimum(at, len(sorted_keys) - 1)] == keys[likely]
    return found


def _hashes(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the upper bits of each key times the golden ratio (Fibonacci hashing)."""
    return ((keys.view(np.uint64) * GOLDEN_RATIO) >> np.uint64(64 - HASH_BITS)).view(np.int64)


def _uniformity_p(lists: CandidateLists) -> float:
    """Return the p-value of Pearson's test that the positives are uniformly distributed over the columns."""
    from scipy.special import chdtrc

    n_columns = lists.items.shape[1]
    counts = np.bincount(lists.positive_column, minlength=n_columns)
    expected = len(lists.items) / n_columns
    return float(chdtrc(n_columns - 1, ((counts - expected) ** 2 / expected).sum()))
