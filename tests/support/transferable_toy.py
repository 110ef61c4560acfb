"""Planted text catalogues: a title is a noun and a number; the next item has the same noun and the next number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.plugin import Answers, Queries, Task
from tests.support.recbole_toy import queries_of
from tests.support.text_toys import NOUNS, domain_of

N_CHAINS, N_STEPS = 6, 10
N_ITEMS = N_CHAINS * N_STEPS


def titles_of(first_noun: int) -> list[str]:
    return [f"{NOUNS[first_noun + chain]} {step}" for chain in range(N_CHAINS) for step in range(N_STEPS)]


def counting(n_users: int, rng: np.random.Generator, shuffled: bool = False) -> list[list[int]]:
    """Return histories of five to eight items that count upwards within one noun, or any items if ``shuffled``."""
    histories = []
    for user in range(n_users):
        chain, start, length = user % N_CHAINS, user // N_CHAINS, int(rng.integers(5, 9))
        histories.append([chain * N_STEPS + (start + step) % N_STEPS for step in range(length)])
    if shuffled:
        return [[int(item) for item in rng.permutation(N_ITEMS)[: len(history)]] for history in histories]
    return histories


def source(first_noun: int, name: str, n_users: int = 90) -> Domain:
    return domain_of(counting(n_users, np.random.default_rng(first_noun)), titles_of(first_noun), name)


def planted_titles(
    folder: Path, backbone: Path, n_users: int = 120, shuffled: bool = False, **fields: object
) -> tuple[Task, Queries, Answers]:
    """Return a task whose next title is the same noun with the next number, and two sources of other nouns."""
    rng = np.random.default_rng(0)
    whole = counting(n_users, rng, shuffled)
    train = [history[:-2] for history in whole]
    validation, validation_answers = queries_of(train, [history[-2] for history in whole], N_ITEMS, rng)
    test, answers = queries_of([history[:-1] for history in whole], [history[-1] for history in whole], N_ITEMS, rng)
    task = Task(
        target=domain_of(train, titles_of(0)),
        validation=validation,
        validation_answers=validation_answers,
        setting="warm",
        seed=0,
        artifacts=ArtifactStore(folder),
        sources=(source(10, "first"), source(20, "second")),
        backbone=str(backbone),
    )
    return replace(task, **fields), test, answers


def cold_steps(folder: Path, backbone: Path) -> tuple[Task, Queries, Answers]:
    """Return a task whose positives, one number per noun, are absent from the training part, like what follows them."""
    cold = [chain * N_STEPS + (3 * chain + 2) % N_STEPS for chain in range(N_CHAINS)]
    task, _, _ = planted_titles(folder, backbone)
    is_cold, users = np.isin(task.target.items, cold), task.target.users_of_interactions()
    cold_so_far = np.cumsum(is_cold) - np.concatenate([[0], np.cumsum(is_cold)])[task.target.indptr[users]]
    keep = cold_so_far == 0
    rng = np.random.default_rng(1)
    histories = [
        [item // N_STEPS * N_STEPS + (item + back) % N_STEPS for back in range(-length, 0)]
        for item in cold
        for length in (1, 2, 3, 4)
    ]
    queries, answers = queries_of(histories, [item for item in cold for _ in range(4)], N_ITEMS, rng)
    return replace(task, target=task.target.keeping(keep), setting="cold"), queries, answers


def cold_twins(folder: Path, backbone: Path) -> tuple[Task, Queries, Answers]:
    """Return a task in which each item has a cold twin with one more title word; positives are successors' twins."""
    task, test, answers = planted_titles(folder, backbone)
    titles = (*task.target.titles, *(f"{title} {NOUNS[-1]}" for title in task.target.titles))
    target = replace(task.target, titles=titles, item_ids=np.array([f"item {item}" for item in range(2 * N_ITEMS)]))
    return replace(task, target=target, setting="cold"), replace(test, candidates=test.candidates + N_ITEMS), answers
