"""Planted catalogues whose titles are nouns, for recommenders that train the pico encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data.domain import Domain
from bench.plugin import Answers, Queries, Task
from tests.support.recbole_toy import planted_blocks, queries_of, task_of
from tests.support.text_toys import NOUNS, domain_of, planted_groups

Planted = tuple[Task, Queries, Answers]

NUMBERS = tuple(str(number) for number in range(40, 100))
"""Titles of a source's items: words that the targets do not use."""


def numbered_source() -> Domain:
    """Return a source domain in which each user stays in one group of numbers."""
    return replace(planted_groups(n_users=40, seed=7, name="source"), titles=NUMBERS)


def text_task(planted: Planted, encoder: Path) -> Planted:
    """Give a planted task titles, the pico encoder and a source domain."""
    task, queries, answers = planted
    target = replace(task.target, titles=tuple(NOUNS))
    return replace(task, target=target, backbone=str(encoder), sources=(numbered_source(),)), queries, answers


def text_blocks(folder: Path, encoder: Path, *, n_users: int = 80, shuffled: bool = False) -> Planted:
    """Return a task in which each half of the users likes one half of the nouns."""
    return text_task(planted_blocks(folder, n_users=n_users, shuffled=shuffled), encoder)


def cold_text(folder: Path, encoder: Path) -> Planted:
    """Return a task with ten kinds of ten numbered goods; a user buys one kind, and positives were never bought.

    An item's kind is the first word of its title, and the held-out numbers are new to the encoder.
    """
    rng = np.random.default_rng(0)
    kinds, numbers = 10, 10
    titles = [f"{NOUNS[kind]} {number}" for kind in range(kinds) for number in range(numbers)]
    histories, positives, hidden = [], [], []
    for user in range(100):
        own = np.arange(numbers) + (user % kinds) * numbers
        histories.append([int(item) for item in rng.permutation(own[:-2])[:6]])
        positives.append(int(rng.choice(own[-2:])))
        hidden.append([int(item) for item in own])
    queries, answers = queries_of(hidden, positives, len(titles), rng)
    lengths = [len(history) for history in histories]
    queries = replace(
        queries,
        history_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        history_items=np.concatenate(histories).astype(np.int32),
    )
    train = [history[:-1] for history in histories]
    validation = queries_of(train, [history[-1] for history in histories], len(titles), rng)
    task = task_of(domain_of(train, titles), validation, folder)
    return replace(task, backbone=str(encoder), sources=(numbered_source(),)), queries, answers


def permuted(queries: Queries, order: np.ndarray) -> Queries:
    """Return the queries with the candidates' columns in another order."""
    return replace(queries, candidates=queries.candidates[:, order])
