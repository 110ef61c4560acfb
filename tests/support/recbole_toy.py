"""Small catalogues with a planted pattern that a learner must find, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.contract import checks, toys
from bench.contract.toys import queries_of as queries_of
from bench.contract.toys import task_of as task_of
from bench.data.domain import Domain
from bench.plugin import Answers, Queries, Recommender, Task


def domain_of(histories: list[list[int]], n_items: int) -> Domain:
    return toys.domain_of(histories, [f"item {item}" for item in range(n_items)])


def planted_successors(
    folder: Path, n_users: int = 120, n_items: int = 60, shuffled: bool = False, seed: int = 0
) -> tuple[Task, Queries, Answers]:
    """Return a task in which the next item is the current one plus one, or any item if ``shuffled``."""
    rng = np.random.default_rng(seed)
    starts = rng.permutation(n_users) * n_items // n_users  # evenly, so that every item has training interactions
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
    """Return a task in which each half of the users likes one half of the items; negatives are from the other half."""
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
    return checks.ndcg_at_1(recommender.score(queries), answers.positive_column)
