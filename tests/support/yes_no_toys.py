"""A catalogue in which one title word decides, and a decoder that knows the form of the answer but not its content."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from bench.plugin import Answers, Queries, Task
from tests.support.recbole_toy import queries_of, task_of
from tests.support.text_toys import GOODS, MAKERS, domain_of

INDOOR, OUTDOOR = np.arange(14), np.arange(14, 70)
_PRODUCTS = [f"{maker} {goods}" for goods in GOODS for maker in MAKERS]
TITLES = [f"{name}, indoor" for name in _PRODUCTS[:14]] + [
    f"{name}, outdoor{extra}" for extra in ("", " set") for name in _PRODUCTS[14:42]
]


def one_word_decides(
    folder: Path, backbone: Path, n_users: int = 80, *, shuffled: bool = False
) -> tuple[Task, Queries, Answers]:
    """Return a task in which all users start with an outdoor product and then buy indoor ones; negatives are outdoor.

    With ``shuffled``, all users buy random products.
    """
    rng = np.random.default_rng(0)
    whole = [
        [*rng.choice(OUTDOOR, 1), *rng.choice(INDOOR, 4, replace=False)]
        if not shuffled
        else list(rng.choice(70, 5, replace=False))
        for _ in range(n_users)
    ]
    histories = [[int(item) for item in history] for history in whole]
    hidden = [history if shuffled else [*INDOOR, history[0]] for history in histories]
    validation = queries_of(hidden, [history[-2] for history in histories], 70, rng)
    queries, answers = queries_of(hidden, [history[-1] for history in histories], 70, rng)
    shown = [history[:-1] for history in histories]
    queries = dataclasses.replace(
        queries,
        history_indptr=np.arange(0, 4 * n_users + 1, 4, dtype=np.int64),
        history_items=np.array([item for history in shown for item in history], dtype=np.int32),
    )
    task = task_of(domain_of([history[:-2] for history in histories], TITLES), validation, folder)
    return dataclasses.replace(task, backbone=str(backbone)), queries, answers
