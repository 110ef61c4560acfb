"""Queries made of a domain's training histories, for methods that want unlabelled prompts of a source domain."""

from __future__ import annotations

import numpy as np

from bench.data.domain import Domain
from bench.files.hashing import derived_seed
from bench.lm.decoders.likelihood import untouched_items
from bench.plugin import Queries

N_NEGATIVES = 29


def training_queries(domain: Domain, n_queries: int, seed: int) -> Queries:
    """Return queries for a seeded sample of users: their last training item among 29 that they never touched.

    Only users with two items or more, and with that many untouched ones, are asked; where there are too few of
    them, fewer queries come back.
    """
    rng = np.random.default_rng(derived_seed(seed, "training-queries", domain.content_hash))
    users: list[int] = []
    candidates = []
    for user in rng.permutation(np.flatnonzero(np.diff(domain.indptr) > 1)):
        negatives = untouched_items(domain, int(user), N_NEGATIVES, rng)
        if len(users) < n_queries and len(negatives) == N_NEGATIVES:
            users.append(int(user))
            candidates.append(rng.permutation(np.append(negatives, domain.history(user)[-1])))
        if len(users) == n_queries:
            break
    histories = [domain.history(user)[:-1] for user in users]
    return Queries(
        users=np.array(users, dtype=np.int64),
        history_indptr=np.cumsum([0, *map(len, histories)]).astype(np.int64),
        history_items=np.concatenate([np.empty(0, np.int32), *histories]).astype(np.int32),
        candidates=np.array(candidates, dtype=np.int32).reshape(-1, N_NEGATIVES + 1),
    )
