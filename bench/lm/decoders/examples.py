"""Draw training examples and training queries for decoders from a domain's training histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.plugin import Queries
from bench.spec import N_NEGATIVES

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.adapters.adapter import LoraRecipe


def untouched_items(domain: Domain, user: int, n_items: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw distinct items from the training data that this user has not interacted with, or all if there are fewer.

    An item without training interactions, such as a held-out one, must not be taught as a negative.
    """
    trained, own = domain.item_counts() > 0, domain.history(user)
    drawn = rng.permutation(np.flatnonzero(trained))[: n_items + len(own)]
    return drawn[~np.isin(drawn, own)][:n_items].astype(np.int32)


def n_prefixes(domain: Domain) -> NDArray[np.int64]:
    """Return the number of training prefixes with a following item per user, shape (n_users,)."""
    counts: NDArray[np.int64] = np.maximum(np.diff(domain.indptr) - 1, 0)
    return counts


def sampled_prefixes(domain: Domain, recipe: LoraRecipe, rng: np.random.Generator) -> list[tuple[Domain, int, int]]:
    """Return (domain, user, position of the item to predict) of ``max_examples`` random prefixes, or of all."""
    counts = n_prefixes(domain)
    users = np.repeat(np.arange(domain.n_users), counts)
    places = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    chosen = rng.permutation(len(users))[: recipe.max_examples or None]
    return [(domain, int(users[index]), int(places[index])) for index in chosen]


def titles_of(domain: Domain, queries: Queries) -> tuple[list[list[str]], list[list[str]]]:
    """Return each query's history and candidates as titles."""
    histories = [[domain.titles[item] for item in queries.history(row)] for row in range(len(queries))]
    return histories, [[domain.titles[item] for item in row] for row in queries.candidates]


def training_queries(domain: Domain, n_queries: int, seed: int, n_negatives: int = N_NEGATIVES) -> Queries:
    """Return queries for a seeded sample of users: their last training item among items they never interacted with.

    Only users with at least two items and enough items without interaction are sampled; if there are too few such
    users, fewer queries are returned.
    """
    rng = np.random.default_rng(derived_seed(seed, "training-queries", domain.content_hash))
    users: list[int] = []
    candidates = []
    for user in rng.permutation(np.flatnonzero(np.diff(domain.indptr) > 1)):
        negatives = untouched_items(domain, int(user), n_negatives, rng)
        if len(users) < n_queries and len(negatives) == n_negatives:
            users.append(int(user))
            candidates.append(rng.permutation(np.append(negatives, domain.history(user)[-1])))
        if len(users) == n_queries:
            break
    histories = [domain.history(user)[:-1] for user in users]
    return Queries(
        users=np.array(users, dtype=np.int64),
        history_indptr=np.cumsum([0, *map(len, histories)]).astype(np.int64),
        history_items=np.concatenate([np.empty(0, np.int32), *histories]).astype(np.int32),
        candidates=np.array(candidates, dtype=np.int32).reshape(-1, n_negatives + 1),
    )
