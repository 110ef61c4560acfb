"""The recommender under examination."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from bench.contract.worlds import World, planted_world
from bench.plugin import Entry, Queries, Recommender, Task
from bench.registry import registry
from bench.runs.engine import checked_scores
from bench.runs.tasks import recommender_of
from bench.spec import RunSpec

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Fit:
    """A recommender fitted to a task."""

    recommender: Recommender
    seconds: float
    """Duration of the fit."""
    n_steps: int = 0
    """Number of steps taken by torch optimizers."""


@dataclass(frozen=True)
class Subject:
    """A recommender fitted once, and its scores, which later fits are compared with."""

    spec: RunSpec
    """The method and its parameters, on a toy dataset."""
    folder: Path
    """An empty directory for everything that is stored."""
    device: str
    """Torch device."""

    @property
    def entry(self) -> Entry:
        """Return the entry of the method in the registry."""
        return registry().entry(self.spec.method)

    @cached_property
    def world(self) -> World:
        """Return the planted task."""
        return self.new_world("planted")

    @cached_property
    def first_fit(self) -> Fit:
        """Fit it to the planted task; what is stored then is there for every later fit to the same task."""
        return self.fitted(self.world.task)

    @property
    def recommender(self) -> Recommender:
        """Return what the first fit learned."""
        return self.first_fit.recommender

    @cached_property
    def scores(self) -> NDArray[np.floating]:
        """Return its scores of the planted queries."""
        return self.scored(self.recommender, self.world.queries)

    def new_world(self, name: str, *, shuffled: bool = False) -> World:
        """Return the planted task made anew, with a folder of its own; ``shuffled``: with nothing planted."""
        return planted_world(self.spec, self.folder / name, self.device, shuffled=shuffled)

    def fitted(self, task: Task) -> Fit:
        """Fit another one to a task."""
        began = time.perf_counter()
        recommender = recommender_of(self.spec)
        with counted_steps() as steps:
            recommender.fit(task)
        return Fit(recommender, time.perf_counter() - began, len(steps))

    def scored(self, recommender: Recommender, queries: Queries) -> NDArray[np.floating]:
        """Return a copy of the scores; raise BenchError where the engine would refuse them."""
        return checked_scores(self.spec.method, recommender.score(queries), queries).copy()

    def let_go(self) -> None:
        """Forget the planted task and what was fitted to it; the scores stay."""
        for name in ("world", "first_fit"):
            self.__dict__.pop(name, None)


@contextmanager
def counted_steps() -> Iterator[list[None]]:
    """Collect an entry for each step of an optimizer inside the block, if torch is loaded: what takes steps trains."""
    steps: list[None] = []
    if "torch" not in sys.modules:
        yield steps
        return
    from torch.optim.optimizer import register_optimizer_step_post_hook

    hook = register_optimizer_step_post_hook(lambda *_: steps.append(None))
    try:
        yield steps
    finally:
        hook.remove()
