"""Split the users in the ``user-split`` setting (X-Cross) into training, validation and test users.

A user's sequence contains one random interaction per day, and only the first interaction with each item. Users with at
least :data:`MIN_ITEMS` items are included, with their latest :data:`MAX_ITEMS` items. A hash of the user's id assigns
three in five to training, one to validation and one to test. The hash depends only on the id and the seed: other users
have no influence, and a user in several domains is in the same part of each, so no source trains on a test user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.data.events import UNKNOWN_TIME
from bench.errors import BenchError
from bench.files.hashing import canonical_json

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.plugin import Queries

LEFT_OUT, TRAIN, VALIDATION, TEST = range(4)
"""Parts of the users; users with too few items are left out."""
SHARES = (3, 1, 1)
"""Proportions of training, validation and test users."""
MIN_ITEMS = 5
"""Minimum number of items of an included user, including the positive, which is the last."""
MAX_ITEMS = 15
"""Maximum number of items of a sequence, including the positive; the latest are kept."""
TITLE_WORDS = 8
"""Number of words kept per title."""
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, eq=False)
class UserParts:
    """The reduced sequences of a domain, and the part of each user."""

    kept: NDArray[np.bool_]
    """Interactions that are part of the sequences, shape (n_interactions,)."""
    part: NDArray[np.int8]
    """Part of each user, shape (n_users,)."""
    users: NDArray[np.int64]
    """User of each interaction, shape (n_interactions,)."""

    def of(self, part: int) -> NDArray[np.bool_]:
        """Mark the interactions in the sequences of one part's users, shape (n_interactions,)."""
        in_part: NDArray[np.bool_] = self.kept & (self.part[self.users] == part)
        return in_part

    def last_of(self, part: int) -> NDArray[np.int64]:
        """Return the index of the last interaction of each of one part's sequences, ascending."""
        at = np.flatnonzero(self.of(part))
        last: NDArray[np.int64] = at[np.append(self.users[at][1:] != self.users[at][:-1], True)[: len(at)]]
        return last


def user_parts(domain: Domain, seed: int) -> UserParts:
    """Reduce every user's sequence and assign each user with enough items to one part.

    Raises:
        BenchError: the domain has no timestamps, and its card does not treat each interaction as a day.
    """
    keys = _user_keys(domain.user_ids, seed)
    users = domain.users_of_interactions()
    kept = _one_a_day(domain, users, keys[:, 1])
    kept[kept] = _first_of_item(domain, users[kept], domain.items[kept])
    lengths = np.bincount(users[kept], minlength=domain.n_users)
    takes_part = lengths >= MIN_ITEMS
    kept &= takes_part[users]
    kept[kept] = _from_the_end(users[kept]) < MAX_ITEMS
    part = np.where(takes_part, _part_of(keys[:, 0]), LEFT_OUT).astype(np.int8)
    return UserParts(kept, part, users)


def with_short_titles(domain: Domain) -> Domain:
    """Return the domain with the first :data:`TITLE_WORDS` words of each title, as every method sees it."""
    return replace(domain, titles=tuple(" ".join(title.split()[:TITLE_WORDS]) for title in domain.titles))


def check_asked_users(training: Domain, asked: Sequence[tuple[Queries, NDArray[np.int32]]]) -> None:
    """Check the queries and positives of each part except training.

    Raises:
        BenchError: a user is in two parts, or a query with its positive is not a sequence of unique items.
    """
    users = np.concatenate([queries.users for queries, _ in asked])
    n_twice = len(users) - len(np.unique(users)) + int((np.diff(training.indptr)[users] > 0).sum())
    if n_twice:
        raise BenchError(f"{n_twice} test users of {training.name} also occur in another part of the split.")
    for queries, positives in asked:
        lengths = np.diff(queries.history_indptr) + 1
        rows = np.arange(len(queries))
        items = np.append(queries.history_items, positives)
        n_unique = len(np.unique(np.append(np.repeat(rows, lengths - 1), rows) * training.n_items + items))
        if lengths.min() < MIN_ITEMS or lengths.max() > MAX_ITEMS or n_unique < len(items):
            raise BenchError(
                f"A query of {training.name} is not a sequence of {MIN_ITEMS} to {MAX_ITEMS} unique items."
            )


def notes_on_parts(
    domain: Domain, training: Domain, n_validated: int, n_tested: int, test_positives: NDArray[np.int32]
) -> tuple[str, ...]:
    """Return notes on the users per part, the test positives without training interactions, and the cut titles."""
    n_trained = int((np.diff(training.indptr) > 0).sum())
    n_unseen = int((training.item_counts()[test_positives] == 0).sum())
    return (
        f"{n_trained + n_validated + n_tested:,} of {domain.n_users:,} users have {MIN_ITEMS} unique items or more at "
        f"one a day (the latest {MAX_ITEMS} are kept): {n_trained:,} train, {n_validated:,} validate, {n_tested:,} "
        "test.",
        f"{n_unseen:,} of {len(test_positives):,} test positives occur in no training sequence. Negatives are "
        "drawn in proportion to an item's training interactions (exponent 1), so each of them occurs in one.",
        f"Titles are cut to {TITLE_WORDS} words.",
    )


def _user_keys(user_ids: NDArray[np.str_], seed: int) -> NDArray[np.uint64]:
    """Return two independent 64-bit numbers per user id, shape (n_users, 2), equal on all platforms."""
    prefix = hashlib.sha256(canonical_json([seed, "user-split"]).encode())
    digests = []
    for user_id in user_ids.tolist():
        digest = prefix.copy()
        digest.update(user_id.encode())
        digests.append(digest.digest()[:16])
    return np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _part_of(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return each user's part, dividing the range of the keys in proportion to :data:`SHARES`."""
    bounds = [2**64 * sum(SHARES[: n + 1]) // sum(SHARES) for n in range(len(SHARES) - 1)]
    return TRAIN + np.searchsorted(np.array(bounds, dtype=np.uint64), keys, side="right")


def _one_a_day(domain: Domain, users: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark one interaction per user and day, drawn by (user, day); those without a time are left out."""
    if domain.timestamps is None:
        if domain.order_as_days:
            return np.ones(domain.n_interactions, dtype=bool)
        raise BenchError(
            f"Dataset '{domain.name}' has no timestamps, and the user-split setting draws one interaction per user and "
            "day. Use --setting warm, or set 'order_as_days: true' in its card to treat each interaction as a day."
        )
    timed = np.flatnonzero(domain.timestamps != UNKNOWN_TIME)
    days = domain.timestamps[timed] // SECONDS_A_DAY
    in_order = np.lexsort((days, users[timed]))  # stable: the interactions of a day keep their order
    timed, days = timed[in_order], days[in_order]
    is_first = np.append(True, (np.diff(users[timed]) != 0) | (np.diff(days) != 0))[: len(timed)]
    first = np.flatnonzero(is_first)
    n_of_day = np.diff(np.append(first, len(timed))).astype(np.uint64)
    draws = _scrambled(keys[users[timed[first]]] ^ _scrambled(days[first].astype(np.uint64)))
    kept = np.zeros(domain.n_interactions, dtype=bool)
    # a day has so few interactions compared to 2**64 that the remainder is practically uniform
    kept[timed[first + (draws % n_of_day).astype(np.int64)]] = True
    return kept


def _first_of_item(domain: Domain, users: NDArray[np.int64], items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark each user's first interaction with each item."""
    first = np.zeros(len(items), dtype=bool)
    first[np.unique(users * domain.n_items + items, return_index=True)[1]] = True
    return first


def _from_the_end(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of later entries of each entry's user; ``users`` is sorted."""
    return np.searchsorted(users, users, side="right") - 1 - np.arange(len(users))


def _scrambled(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix 64-bit keys with splitmix64's step, so that close keys give unrelated results."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
