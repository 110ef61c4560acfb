"""Small generated catalogues with a planted structure that a recommender must find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.metrics import N_CANDIDATES
from bench.plugin import Answers, Queries, Task

NOUNS = " ".join(
    (
        "apple anchor bridge candle desert engine feather garden hammer island jacket kettle",
        "ladder mirror needle ocean pencil quarry ribbon saddle temple umbrella violin window",
        "yogurt zipper bottle carpet dragon elbow forest glove harbor igloo jungle kitten",
        "lantern marble napkin orchid pillow quartz rocket salmon tunnel urchin valley walnut",
        "yacht zebra basket cannon doctor embassy falcon grape helmet insect juice knight",
    )
).split(" ")


def domain_of(histories: Sequence[Sequence[int]], titles: Sequence[str], name: str = "toy") -> Domain:
    """Return a domain with these histories, oldest first, and one title per item."""
    lengths = [len(history) for history in histories]
    return Domain(
        name=name,
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        titles=tuple(titles),
        user_ids=np.array([f"user {user}" for user in range(len(histories))]),
        item_ids=np.array([f"item {item}" for item in range(len(titles))]),
    )


def queries_of(
    histories: Sequence[Sequence[int]], positives: Sequence[int], n_items: int, rng: np.random.Generator
) -> tuple[Queries, Answers]:
    """Return one query per user: the positive among 29 other items that are not in the history."""
    columns = rng.integers(N_CANDIDATES, size=len(positives))
    rows = [
        _candidates(history, positive, int(column), n_items, rng)
        for history, positive, column in zip(histories, positives, columns, strict=True)
    ]
    lengths = [len(history) for history in histories]
    queries = Queries(
        users=np.arange(len(histories)),
        history_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        history_items=np.array([item for history in histories for item in history], dtype=np.int32),
        candidates=np.array(rows, dtype=np.int32).reshape(-1, N_CANDIDATES),
    )
    return queries, Answers(columns)


def task_of(domain: Domain, validation: tuple[Queries, Answers], folder: Path, seed: int = 0) -> Task:
    """Return a warm task that trains on the whole of a domain and keeps its artifacts in a folder."""
    queries, answers = validation
    return Task(domain, queries, answers, setting="warm", seed=seed, artifacts=ArtifactStore(folder))


def planted_groups(
    n_users: int = 160,
    group_size: int = 10,
    *,
    touched: int = 8,
    n_liked: int | None = None,
    topics: Sequence[str] = (),
    shuffled: bool = False,
    seed: int = 0,
    name: str = "toy",
) -> Domain:
    """Return users who each stay in one group of items; ``shuffled``: in none.

    Args:
        n_users: Users, in turn of each liked group.
        group_size: Items of a group; a divisor of 60.
        touched: Items of a history, in random order.
        n_liked: Groups that anybody touches; the items of the others are cold. None: all.
        topics: Word before the title's noun, one a group; without, nothing but the histories ties a group together.
        shuffled: Whether histories are drawn from all liked groups alike.
        seed: Seed of the groups and the histories.
        name: The domain's name.
    """
    rng = np.random.default_rng(seed)
    groups = rng.permutation(len(NOUNS)).reshape(-1, group_size)
    liked = groups[:n_liked]
    histories = []
    for user in range(n_users):
        pool = liked.ravel() if shuffled else liked[user % len(liked)]
        histories.append([int(item) for item in rng.permutation(pool)[:touched]])
    return domain_of(histories, _titles(groups, topics), name)


def _candidates(
    history: Sequence[int], positive: int, column: int, n_items: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    untouched = np.setdiff1d(np.arange(n_items), [*history, positive])
    return np.insert(rng.choice(untouched, N_CANDIDATES - 1, replace=False), column, positive)


def _titles(groups: NDArray[np.int64], topics: Sequence[str]) -> list[str]:
    titles = list(NOUNS)
    for topic, group in zip(topics, groups, strict=bool(topics)):
        for item in group:
            titles[item] = f"{topic} {NOUNS[item]}"
    return titles
