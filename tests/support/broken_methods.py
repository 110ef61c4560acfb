"""A recommender that follows the contract, and several that each break it in one way."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import bench.contract.worlds
import bench.registry
from bench.contract.worlds import TARGET
from bench.errors import BenchError
from bench.plugin import FitReport, Queries, Recommender, Task, TrainingReport
from bench.protocol.candidate_files import read_lists
from bench.protocol.task import PreparedTask, prepare_task
from bench.registry import register, registry

SEEN: list[PreparedTask] = []
"""The prepared tasks that a hook on the engine left in memory."""


@register("neighbors", family="general", cold_rule="zero")
class Neighbors(Recommender):
    """Scores a candidate by the number of users it shares with the history."""

    def fit(self, task: Task) -> None:
        self.task = task
        self.touched = np.zeros((task.target.n_items, task.target.n_users))
        self.touched[task.target.items, task.target.users_of_interactions()] = 1

    def score(self, queries: Queries) -> Any:
        rows = range(len(queries))
        users = np.array([self.touched[queries.history(row)].sum(axis=0) for row in rows])
        return np.einsum("ncu,nu->nc", self.touched[queries.candidates], users)


@register("in-order", family="general", cold_rule="zero")
class InOrder(Neighbors):
    """Scores the first candidates slightly higher."""

    def score(self, queries: Queries) -> Any:
        return super().score(queries) - 0.01 * np.arange(queries.candidates.shape[1])


@register("restless", family="general", cold_rule="zero")
class Restless(Neighbors):
    """Draws without a seed."""

    def fit(self, task: Task) -> None:
        super().fit(task)
        self.touched = self.touched + 0.01 * np.random.default_rng().random(self.touched.shape)


@register("not-a-number", family="general", cold_rule="undefined")
class NotANumber(Neighbors):
    """Divides by the zero count of an item without interactions."""

    def score(self, queries: Queries) -> Any:
        with np.errstate(invalid="ignore"):
            return super().score(queries) / self.task.target.item_counts()[queries.candidates]


@register("crowd-follower", family="general", cold_rule="zero")
class CrowdFollower(Neighbors):
    """Uses how often an item is a candidate of other queries."""

    def score(self, queries: Queries) -> Any:
        counts = np.bincount(queries.candidates.ravel(), minlength=self.task.target.n_items)
        return super().score(queries) + 0.1 * counts[queries.candidates]


@register("scribbler", family="general", cold_rule="zero")
class Scribbler(Neighbors):
    """Sorts the histories in place."""

    def fit(self, task: Task) -> None:
        super().fit(task)
        task.target.items[:] = np.sort(task.target.items)


@register("absent-minded", family="general", cold_rule="zero")
class AbsentMinded(Neighbors):
    """Loads something other than what it stored."""

    def fit(self, task: Task) -> None:
        super().fit(task)
        was_made = task.artifacts.made("models", "mine")
        task.artifacts.get_or_make("models", "mine", lambda folder: None)
        if was_made:
            self.touched = self.touched[:, ::2]


@register("mute", family="general")
class Mute(Neighbors):
    """States no cold rule."""


@register("boaster", family="general", cold_rule="zero")
class Boaster(Neighbors):
    """Reports a value that JSON cannot represent."""

    def report(self) -> FitReport:
        return FitReport(extra={"loss": float("inf")})


@register("secretive", family="general", cold_rule="zero")
class Secretive(Neighbors):
    """Trains, but does not report it."""

    def fit(self, task: Task) -> None:
        import torch

        super().fit(task)
        weight = torch.nn.Parameter(torch.ones(1))
        weight.sum().backward()  # type: ignore[no-untyped-call]
        torch.optim.SGD([weight]).step()


@register("unchecked", family="general", cold_rule="zero")
class Unchecked(Neighbors):
    """Trains by hand, without validation."""

    def report(self) -> FitReport:
        return FitReport(training=TrainingReport(epochs=3, curves={"losses": (3.0, 2.0, 1.0)}))


@register("ignorant", family="general", cold_rule="zero (no interactions)")
class Ignorant(Neighbors):
    """Counts interactions, which does not depend on the user."""

    def score(self, queries: Queries) -> Any:
        return self.task.target.item_counts()[queries.candidates].astype(float)


@register("clumsy", family="general", cold_rule="zero")
class Clumsy(Neighbors):
    """Fails to fit."""

    def fit(self, task: Task) -> None:
        raise ZeroDivisionError("by nothing")


@register("demanding", family="general", cold_rule="zero")
class Demanding(Neighbors):
    """Raises an error that asks the user for something."""

    def fit(self, task: Task) -> None:
        raise BenchError("There is no model 'big'. Use --backbone small.")


@register("adjustable", family="general", cold_rule="zero")
class Adjustable(Neighbors):
    """Learns only if a parameter is set."""

    @dataclass(frozen=True)
    class Params:
        learns: bool = False
        """Whether it learns."""

    def score(self, queries: Queries) -> Any:
        return super().score(queries) * float(self.params.learns)


@register("cold-only", family="general", settings=("cold",), cold_rule="zero (no interactions)")
class ColdOnly(Ignorant):
    """Runs only in the cold setting."""

    settings_seen: ClassVar[list[str]] = []

    def fit(self, task: Task) -> None:
        super().fit(task)
        self.settings_seen.append(task.setting)


class Peeker(Neighbors):
    """Adds what it finds out about the answers to its scores."""

    def score(self, queries: Queries) -> Any:
        positives = self.positives(queries)
        if positives is None:
            return super().score(queries)
        return super().score(queries) + 1000 * (np.arange(queries.candidates.shape[1]) == positives[:, None])

    def positives(self, queries: Queries) -> Any:
        raise NotImplementedError


@register("hooked", family="general", cold_rule="zero")
class Hooked(Peeker):
    """Reads a global that a hook on the engine fills."""

    def positives(self, queries: Queries) -> Any:
        return SEEN[0].test.answers.positive_column


@register("rummager", family="general", cold_rule="zero")
class Rummager(Peeker):
    """Searches the memory for the prepared task."""

    def positives(self, queries: Queries) -> Any:
        gc.collect()
        found = [thing for thing in gc.get_objects() if type(thing) is PreparedTask]  # type() is safe on lazy objects
        toys = [thing for thing in found if thing.spec.dataset == TARGET and len(thing.test) == len(queries)]
        return toys[-1].test.answers.positive_column if toys else None


@register("burglar", family="general", cold_rule="zero")
class Burglar(Peeker):
    """Opens the candidate files in the cache folder."""

    def positives(self, queries: Queries) -> Any:
        for path in self.task.artifacts.root.glob("candidates/*/candidates.parquet"):
            _, lists, _ = read_lists(path)
            if np.array_equal(lists.items, queries.candidates):
                return lists.positive_column
        return None


METHODS: tuple[Any, ...] = (
    *(Neighbors, InOrder, Restless, NotANumber, CrowdFollower, Scribbler, AbsentMinded, Mute, Boaster, Ignorant),
    *(Secretive, Unchecked),
    *(Clumsy, Demanding, Adjustable, ColdOnly, Hooked, Rummager, Burglar),
)


@dataclass(frozen=True)
class Point:
    """An entry point of another package."""

    name: str
    load: Callable[[], Any]


@contextmanager
def broken_methods_installed() -> Iterator[None]:
    """Register the recommenders of this file like another package, and let a hook record the toy tasks."""

    def watched(*words: Any) -> PreparedTask:
        SEEN[:] = [prepare_task(*words)]
        return SEEN[0]

    points = [Point(method.entry.name, lambda method=method: method) for method in METHODS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.registry, "entry_points", lambda group: points)
        patch.setattr(bench.contract.worlds, "prepare_task", watched)
        registry.cache_clear()
        yield
    registry.cache_clear()
    SEEN.clear()
