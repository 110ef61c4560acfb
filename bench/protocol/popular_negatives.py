"""Draw negatives in proportion to popularity: without replacement, excluding items the user has interacted with.

An item's weight is its number of training interactions (exponent 1, nothing added), so an item without training
interactions is never a negative. All arithmetic uses integers: a seed gives the same lists on every platform.
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
"""Items drawn per required negative in the first pass; items already interacted with and repeats are then skipped."""


def popular_negatives(
    domain: Domain, users: NDArray[np.integer], rng: np.random.Generator, n: int = 29
) -> NDArray[np.int32]:
    """Draw training negatives for each of ``users``, shape (n_users, n); a user may occur several times.

    Call it once per epoch for all examples with the same generator, so that the lists are redrawn every epoch. The
    titles in a row are distinct, and none is the title of an item the user has interacted with in ``domain``, so the
    positive is excluded without being passed.

    Args:
        domain: Training interactions, as in ``Task.target``; they determine the weights.
        users: User indices, shape (n_users,).
        rng: Random generator.
        n: Negatives per row.

    Raises:
        BenchError: a user has fewer than ``n`` items to draw from.
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
    """Draw ``n`` negatives per user, shape (n_users, n), with probabilities proportional to ``weights`` (n_items,).

    Drawing with replacement and skipping excluded and repeated items has the same distribution as drawing without
    replacement. Rows with too few valid draws continue from there, one item at a time.

    Raises:
        BenchError: a user has fewer than ``n`` items with a weight above 0.
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
    # 'right' skips items of weight 0, whose running sum equals that of the item before
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
    """Continue drawing for one user until there are ``n`` negatives."""
    taken = groups.group[np.append(domain.history(user), found)]
    left = np.where(np.isin(groups.group, taken), 0, weights)
    n_left = len(np.unique(groups.group[left > 0]))
    if len(found) + n_left < n:
        raise BenchError(
            f"User '{domain.user_ids[user]}' of dataset '{domain.name}' has only {len(found) + n_left} possible "
            f"negatives with training interactions, but {n} distinct ones are needed: "
            f"lower --n-negatives, or see 'bench data stats {domain.name}'."
        )
    negatives = found.tolist()
    while len(negatives) < n:
        item = int(_drawn(np.cumsum(left), rng, (1, 1))[0, 0])
        negatives.append(item)
        left[groups.group == groups.group[item]] = 0
    return np.array(negatives, dtype=np.int32)
