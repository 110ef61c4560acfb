"""Iterated k-core of a user-item graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def k_core(users: NDArray[np.int64], items: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return which events remain once every user and every item has at least ``k`` of them.

    Users and items with too few events are dropped together, round after round, until nothing changes; the result
    does not depend on the order of the rounds. Repeated events of one pair each count.

    Args:
        users: User code of each event, non-negative, shape (n_events,).
        items: Item code of each event, non-negative, shape (n_events,).
        k: Least number of events; 0 and 1 keep everything.

    Returns:
        Mask of the kept events, shape (n_events,).
    """
    rows = np.arange(len(users))
    while len(rows):
        enough = _frequent(users[rows], k) & _frequent(items[rows], k)
        if enough.all():
            break
        rows = rows[enough]
    keep = np.zeros(len(users), dtype=bool)
    keep[rows] = True
    return keep


def _frequent(codes: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    frequent: NDArray[np.bool_] = (np.bincount(codes) >= k)[codes]
    return frequent
