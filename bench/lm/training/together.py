"""Divide the passes of training and the queries of validation among the processes that train an adapter together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bench.learning.team import Team
    from bench.lm.memory import PassLimit
    from bench.plugin import Queries


def common_limit(limit: PassLimit, team: Team) -> PassLimit:
    """Return a limit with the fewest tokens of all processes, so that all divide a batch into the same parts."""
    return limit if limit.tokens is None else replace(limit, tokens=-team.highest(-limit.tokens))


def shared_limit(limit: int | None, n_tokens: Callable[[], int], team: Team) -> int | None:
    """Return the most tokens of a part with which each process gets one, or ``limit`` if it is lower.

    Args:
        limit: The most tokens that fit on a device; None if the batch need not be divided.
        n_tokens: Returns the tokens of the whole batch, which is only counted if there are several processes.
        team: The processes.
    """
    if team.size == 1:
        return limit
    share = max(1, math.ceil(n_tokens() / team.size))
    return share if limit is None else min(limit, share)


def shared_scores(score: Callable[[Queries], NDArray[np.float32]], queries: Queries, team: Team) -> NDArray[np.float32]:
    """Return the scores of all queries, of which each process computes a share; the same numbers in all processes."""
    if len(queries) < team.size:  # a share must not be empty
        return team.of_first(score(queries))
    if team.size == 1:
        return score(queries)
    rows = [np.arange(number, len(queries), team.size) for number in range(team.size)]
    shares = team.gathered(score(queries.take(rows[team.number])))
    return np.concatenate(shares)[np.argsort(np.concatenate(rows))]
