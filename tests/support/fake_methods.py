"""Recommenders that record what the engine does, and some that break their contract."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from bench.plugin import FitReport, Queries, Recommender, Steps, Task, tell
from bench.registry import Registry, register, registry


class Zeros(Recommender):
    """Scores all candidates 0."""

    def fit(self, task: Task) -> None: ...

    def score(self, queries: Queries) -> Any:
        return np.zeros(queries.candidates.shape)


@register("spy", family="general")
class Spy(Zeros):
    """Keeps everything it is given."""

    seen: ClassVar[list[tuple[Task, Queries]]] = []

    def fit(self, task: Task) -> None:
        self.task = task

    def score(self, queries: Queries) -> Any:
        self.seen.append((self.task, queries))
        return super().score(queries)


@register("reader", family="general", needs_titles=True)
class Reader(Zeros):
    """Reads titles."""


@register("learner", family="transferable", needs_sources=True)
class Learner(Spy):
    """Learns from other domains."""


@register("reading-learner", family="transferable", needs_sources=True, needs_titles=True)
class ReadingLearner(Zeros):
    """Reads titles of other domains."""


@register("warm-only", family="general", settings=("warm",))
class WarmOnly(Zeros):
    """Has no cold setting."""


@register("slow", family="general")
class Slow(Zeros):
    """Says nothing for seconds, as a method of a user may."""

    def fit(self, task: Task) -> None:
        time.sleep(4)
        task.progress("half of it is done")
        tell(task.progress, Steps("the other half", 1, 2, "halves"))


@register("undecided", family="general")
class Undecided(Zeros):
    """Returns NaN for the first users."""

    def score(self, queries: Queries) -> Any:
        return np.where(queries.users[:, None] < 3, np.nan, super().score(queries))


@register("narrow", family="general")
class Narrow(Zeros):
    """Leaves out a candidate."""

    def score(self, queries: Queries) -> Any:
        return super().score(queries)[:, 1:]


@register("forgetful", family="general")
class Forgetful(Zeros):
    """Leaves out a query."""

    def score(self, queries: Queries) -> Any:
        return super().score(queries)[1:]


@register("ragged", family="general")
class Ragged(Zeros):
    """Returns rows of different lengths."""

    def score(self, queries: Queries) -> Any:
        return [[0.0] * (1 + query % 3) for query in range(len(queries))]


@register("ordinal", family="general")
class Ordinal(Zeros):
    """Returns integers."""

    def score(self, queries: Queries) -> Any:
        return super().score(queries).astype(int)


@register("silent", family="general")
class Silent(Zeros):
    """Returns nothing."""

    def score(self, queries: Queries) -> Any:
        return None


@register("talkative", family="general")
class Talkative(Zeros):
    """Reports a value that JSON cannot represent."""

    def report(self) -> FitReport:
        return FitReport(extra={"loss": float("nan")})


@register("old-fashioned", family="general")
class OldFashioned(Zeros):
    """Reports a dictionary."""

    def report(self) -> Any:
        return {"loss": 1.0}


@register("noisy", family="general")
class Noisy(Zeros):
    """Prints to standard output."""

    def fit(self, task: Task) -> None:
        print("standard output is mine")


FAKES: tuple[Any, ...] = (
    *(Spy, Reader, Learner, ReadingLearner, WarmOnly),
    *(Undecided, Narrow, Forgetful, Ragged, Ordinal, Silent, Slow, Talkative, OldFashioned, Noisy),
)


@dataclass(frozen=True)
class WithFakes(Registry):
    """The installed recommenders and those of this file."""

    classes: Mapping[str, type[Recommender]] = field(default_factory=dict)

    def recommender(self, name: str) -> type[Recommender]:
        return self.classes.get(name) or super().recommender(name)


def registry_with_fakes() -> WithFakes:
    """Return the installed registry with the recommenders of this file added."""
    classes = {fake.entry.name: fake for fake in FAKES}
    own = registry()
    return WithFakes({**own.entries, **{name: fake.entry for name, fake in classes.items()}}, own.broken, classes)


def know_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the recommenders of this file known to every module that looks up methods."""
    known = registry_with_fakes()
    for name in ("registry", "runs.engine", "runs.complete", "runs.tasks", "runs.freshness", "experiments.complete"):
        monkeypatch.setattr(f"bench.{name}.registry", lambda: known)


def engine_with_fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make these recommenders known to the engine and to the completion of specs; the body of a fixture."""
    know_fakes(monkeypatch)
    Spy.seen.clear()
    yield
    Spy.seen.clear()
