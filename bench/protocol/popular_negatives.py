"""Negatives in proportion to popularity: one after the other, without replacement, never what the user touched.

An item's weight is its number of training interactions (exponent 1, nothing added), so an item that nobody was
trained on is never a negative. All arithmetic is of whole numbers: a seed gives the same lists on every platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.protocol.candidates import TitleGroups, first_in_row

if TYPE_CHECKING:
    from bench.data.domain import Domain

DRAWN_FOR_ONE = 2
"""Items drawn for each wanted negative in the first pass; what is touched or repeated is then passed over."""


def popular_negatives(
    domain: Domain, users: NDArray[np.integer], rng: np.random.Generator, n: int = 29
) -> NDArray[np.int32]:
    """Draw training negatives for each of ``users``, shape (n_users, n); a user may be named several times.

    Call it once an epoch for all examples, with a generator that goes on from epoch to epoch: the lists are then
    redrawn every epoch. A row's titles are distinct, and none is that of an item which ``domain`` says the user
    touched: the positive need not be named.

    Args:
        domain: Training interactions, as in ``Task.target``; they give the weights.
        users: User indices, shape (n_users,).
        rng: Source of the draws.
        n: Negatives in a row.

    Raises:
        BenchError: a user leaves fewer than ``n`` items to draw from.
    """
    groups = TitleGroups.of(domain)
    weights = np.where(groups.eligible, domain.item_counts(), 0)
    return draw_popular(domain, users.astype(np.int64), weights, groups, n, rng)


def draw_popular(
    domain: Domain,
    users: NDArray[np.int64],
    weights: NDArray[np.int64],
    groups: TitleGroups,
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Draw ``n`` negatives for each user, shape (n_users, n), with chances in proportion to ``weights`` (n_items,).

    Draws with replacement of which touched and repeated ones are passed over have the law of draws without
    replacement; rows that run out of draws go on, one item at a time, from where they are.

    Raises:
        BenchError: a user leaves fewer than ``n`` items of a weight above 0.
    """
    heap = np.cumsum(weights)
    drawn = _drawn(heap, rng, (len(users), DRAWN_FOR_ONE * n))
    valid = first_in_row(groups.group[drawn]) & ~groups.touched_by(users, drawn)
    # a stable sort moves the valid draws to the front and keeps the order in which they were drawn
    order = np.argsort(~valid, axis=1, kind="stable")[:, :n]
    negatives = np.take_along_axis(drawn, order, axis=1)
    found = valid.sum(axis=1)
    for row in np.flatnonzero(found < n):
        negatives[row] = _completed(domain, int(users[row]), negatives[row, : found[row]], weights, groups, n, rng)
    return negatives


def _drawn(heap: NDArray[np.int64], rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Draw items with replacement; ``heap`` is the running sum of the weights."""
    if not len(heap) or heap[-1] == 0:
        return np.zeros(shape, dtype=np.int32)[:, :0]
    # 'right' passes over items of weight 0, whose running sum is that of the item before
    return np.searchsorted(heap, rng.integers(heap[-1], size=shape), side="right").astype(np.int32)


def _completed(
    domain: Domain,
    user: int,
    found: NDArray[np.int32],
    weights: NDArray[np.int64],
    groups: TitleGroups,
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Go on drawing for one user until ``n`` negatives are found."""
    taken = groups.group[np.append(domain.history(user), found)]
    left = np.where(np.isin(groups.group, taken), 0, weights)
    n_left = len(np.unique(groups.group[left > 0]))
    if len(found) + n_left < n:
        raise BenchError(
            f"User '{domain.user_ids[user]}' of dataset '{domain.name}' has only {len(found) + n_left} possible "
            f"negatives with training interactions, but {n} distinct ones are needed. "
            f"See 'bench data stats {domain.name}'."
        )
    negatives = found.tolist()
    while len(negatives) < n:
        item = int(_drawn(np.cumsum(left), rng, (1, 1))[0, 0])
        negatives.append(item)
        left[groups.group == groups.group[item]] = 0
    return np.array(negatives, dtype=np.int32)
