"""Users with timestamps, and their parts in the user-split setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.protocol.task import PreparedTask, prepare_task
from bench.protocol.user_split import UserParts
from bench.spec import ProtocolSpec
from tests.support.text_toys import domain_of

DAY = 86_400
N_ITEMS = 120


def timed_domain(histories: list[list[tuple[int, int]]], titles: list[str] | None = None, name: str = "toy") -> Domain:
    """Return a domain of (item, day) histories; events of the same day are minutes apart."""
    domain = domain_of([[item for item, _ in history] for history in histories], titles or numbered(), name)
    times = [day * DAY + 60 * place for history in histories for place, (_, day) in enumerate(history)]
    return replace(domain, timestamps=np.array(times, dtype=np.int64))


def numbered(n_items: int = N_ITEMS) -> list[str]:
    return [f"title {item}" for item in range(n_items)]


def random_timed(n_users: int = 400, seed: int = 0, n_items: int = N_ITEMS, longest: int = 22) -> Domain:
    """Return a domain of users with 3 to ``longest`` - 1 events, some on the same day; low items are popular."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, n_items + 1) ** 0.7
    histories = []
    for _ in range(n_users):
        n = int(rng.integers(3, longest))
        items = rng.choice(n_items, size=n, p=chances / chances.sum())
        days = 10_000 + np.cumsum(rng.integers(0, 4, size=n))
        histories.append([(int(item), int(day)) for item, day in zip(items, days, strict=True)])
    return timed_domain(histories, numbered(n_items))


def prepared(domain: Domain, folder: Path, seed: int = 0) -> PreparedTask:
    return prepare_task(domain, ProtocolSpec(domain.name, "user-split", seed=seed), ArtifactStore(folder))


def sequence(domain: Domain, parts: UserParts, user: int) -> list[int]:
    rows = slice(domain.indptr[user], domain.indptr[user + 1])
    return [int(item) for item in domain.items[rows][parts.kept[rows]]]
