"""Small planted catalogues on which a learner must find what was planted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.domain import Domain
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Answers, Queries, Recommender, Task
from bench.store import ArtefactStore

N_NEGATIVES = 29


def domain_of(histories: list[list[int]], n_items: int) -> Domain:
    lengths = [len(history) for history in histories]
    return Domain(
        name="toy",
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        titles=tuple(f"item {item}" for item in range(n_items)),
        user_ids=np.array([str(user) for user in range(len(histories))]),
        item_ids=np.array([str(item) for item in range(n_items)]),
    )


def queries_of(
    histories: list[list[int]], positives: list[int], n_items: int, rng: np.random.Generator
) -> tuple[Queries, Answers]:
    """One query a user: the positive among 29 items that are neither it nor in the history."""
    candidates = np.empty((len(positives), N_NEGATIVES + 1), dtype=np.int32)
    columns = rng.integers(N_NEGATIVES + 1, size=len(positives))
    for row, (history, positive) in enumerate(zip(histories, positives, strict=True)):
        untouched = np.setdiff1d(np.arange(n_items), [*history, positive])
        drawn = rng.choice(untouched, N_NEGATIVES, replace=False)
        candidates[row] = np.insert(drawn, columns[row], positive)
    lengths = [len(history) for history in histories]
    queries = Queries(
        users=np.arange(len(histories)),
        history_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        history_items=np.array([item for history in histories for item in history], dtype=np.int32),
        candidates=candidates,
    )
    return queries, Answers(columns)


def task_of(domain: Domain, validation: tuple[Queries, Answers], folder: Path, seed: int = 0) -> Task:
    queries, answers = validation
    return Task(domain, queries, answers, setting="warm", seed=seed, artefacts=ArtefactStore(folder))


def planted_successors(
    folder: Path, n_users: int = 120, n_items: int = 60, shuffled: bool = False, seed: int = 0
) -> tuple[Task, Queries, Answers]:
    """Every history counts upwards; the next item is the current one plus one, or with ``shuffled`` any item."""
    rng = np.random.default_rng(seed)
    starts = rng.permutation(n_users) * n_items // n_users  # evenly, so that every item is touched in training
    lengths = rng.integers(6, 12, size=n_users)
    whole = [
        [int((start + step) % n_items) for step in range(length)] for start, length in zip(starts, lengths, strict=True)
    ]
    if shuffled:
        whole = [[int(item) for item in rng.permutation(n_items)[: len(history)]] for history in whole]
    train = [history[:-2] for history in whole]
    validation = queries_of(train, [history[-2] for history in whole], n_items, rng)
    test, answers = queries_of([history[:-1] for history in whole], [history[-1] for history in whole], n_items, rng)
    return task_of(domain_of(train, n_items), validation, folder), test, answers


def planted_blocks(
    folder: Path, n_users: int = 80, n_items: int = 60, shuffled: bool = False, seed: int = 0
) -> tuple[Task, Queries, Answers]:
    """Half of the users want the first half of the items and half the second; all negatives are of the other half."""
    rng = np.random.default_rng(seed)
    half = n_items // 2
    whole = [[int(item) + (user % 2) * half for item in rng.permutation(half)[:17]] for user in range(n_users)]
    if shuffled:
        whole = [[int(item) for item in rng.permutation(n_items)[:17]] for _ in range(n_users)]
    train = [history[:-2] for history in whole]
    hidden = [
        history if shuffled else range((user % 2) * half, (user % 2) * half + half)
        for user, history in enumerate(whole)
    ]
    validation = queries_of([list(block) for block in hidden], [history[-2] for history in whole], n_items, rng)
    test, answers = queries_of([list(block) for block in hidden], [history[-1] for history in whole], n_items, rng)
    return task_of(domain_of(train, n_items), validation, folder), test, answers


def ndcg_at_1(recommender: Recommender, queries: Queries, answers: Answers) -> float:
    ranks = rank_positive(recommender.score(queries), answers.positive_column)
    return float(per_user(ranks, Metric("ndcg", 1)).mean())
