"""Toy tasks, prepared like real ones: planted topics, random histories, or the same task with other test answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.contract.toys import planted_groups
from bench.files.folders import Folders
from bench.files.store import ArtifactStore
from bench.plugin import LastLoaded, Queries, Task
from bench.protocol.splits import source_training
from bench.protocol.task import PreparedTask, prepare_task
from bench.runs.tasks import task_of
from bench.spec import RunSpec

if TYPE_CHECKING:
    from bench.data.domain import Domain

TARGET = "toy"
SOURCES = ("toy-cars", "toy-pets")
TOPICS = {
    TARGET: ("garden", "kitchen", "music", "camping", "office", "bathroom"),
    "toy-cars": ("engine", "brake", "tyre", "dashboard", "gearbox", "paint"),
    "toy-pets": ("dog", "cat", "parrot", "goldfish", "hamster", "horse"),
}
"""First word of the titles of each group of a domain; no user interacts with the last group, whose items are cold."""
N_USERS, GROUP_SIZE, N_LIKED = 200, 10, 5


@dataclass(frozen=True, eq=False)
class World:
    """One toy task, with the parts that only the engine may know."""

    spec: RunSpec
    prepared: PreparedTask
    task: Task
    """The task that the recommender is fitted to."""

    @property
    def queries(self) -> Queries:
        """The queries that it scores."""
        return self.prepared.test.queries

    @property
    def positive_column(self) -> NDArray[np.int64]:
        """The answers, shape (n,)."""
        return self.prepared.test.answers.positive_column

    def anew(self, folder: Path) -> Task:
        """Return the same task with nothing trained, stored or loaded yet."""
        return replace(self.task, artifacts=ArtifactStore(folder), held=LastLoaded())


def planted_world(spec: RunSpec, folder: Path, device: str = "cpu", *, shuffled: bool = False) -> World:
    """Return the task of a spec on users who each stay in one topic, or in none if ``shuffled``."""
    prepared = prepare_task(toy_domain(TARGET, shuffled=shuffled), spec.protocol, ArtifactStore(folder))
    return World(spec, prepared, _task(spec, prepared, folder, device))


def with_other_answers(world: World, folder: Path) -> World:
    """Return a world with other test items; only the training and validation parts are the same.

    Each new answer was a candidate of the old query, so it can be an item that only occurs in the test part.
    """
    domain, queries = world.prepared.domain, world.queries
    n, n_candidates = queries.candidates.shape
    moved = (world.positive_column + np.random.default_rng(0).integers(1, n_candidates, size=n)) % n_candidates
    items = domain.items.copy()
    items[domain.indptr[queries.users + 1] - 1] = queries.candidates[np.arange(n), moved]
    prepared = prepare_task(replace(domain, items=items), world.spec.protocol, ArtifactStore(folder))
    return World(world.spec, prepared, world.anew(folder))


def toy_domain(name: str, *, shuffled: bool = False) -> Domain:
    """Return the toy target or a toy source; if ``shuffled`` no item is cold, since a cold item is never the answer."""
    domain = planted_groups(
        N_USERS,
        GROUP_SIZE,
        touched=GROUP_SIZE,
        n_liked=None if shuffled else N_LIKED,
        topics=TOPICS[name],
        shuffled=shuffled,
        seed=list(TOPICS).index(name),
        name=name,
    )
    return replace(domain, order_as_days=True)


def _task(spec: RunSpec, prepared: PreparedTask, folder: Path, device: str) -> Task:
    sources: Sequence[Domain] = [source_training(toy_domain(name), spec.protocol) for name in spec.sources]
    return task_of(spec, prepared, sources, Folders(folder, folder), lambda _line: None, device)
