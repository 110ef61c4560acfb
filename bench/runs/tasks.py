"""The tasks of many runs: each dataset is read once, and each protocol prepared once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from bench.data.domain import Domain
from bench.data.prepare import card_of, load_domain
from bench.plugin import Planned, ProgressHook, Recommender, Task
from bench.protocol.task import PreparedTask, prepare_task, source_training
from bench.runs.engine import Folders, recommender_of, task_of
from bench.runs.plan import Plan, plan_runs
from bench.runs.store import RunStore
from bench.spec import ProtocolSpec, RunSpec


class Tasks:
    """Reads and prepares on first demand, and keeps what it has read."""

    def __init__(self, folders: Folders, progress: ProgressHook) -> None:
        self.folders, self.progress = folders, progress
        self._domain: Callable[[str], Domain] = cache(
            lambda name: load_domain(name, folders.data_dir, folders.cache_dir, progress)
        )
        self._source: Callable[[ProtocolSpec], Domain] = cache(
            lambda protocol: source_training(self._domain(protocol.dataset), protocol)
        )
        self._prepared: Callable[[ProtocolSpec], PreparedTask] = cache(
            lambda protocol: prepare_task(self._domain(protocol.dataset), protocol, folders.artefacts)
        )

    def task(self, spec: RunSpec) -> Task:
        """Return the task of a run."""
        sources = [self._source(replace(spec.protocol, dataset=name)) for name in spec.sources]
        return task_of(spec, self._prepared(spec.protocol), sources, self.folders, self.progress)

    def adapters(self, spec: RunSpec) -> Sequence[Planned]:
        """Return the adapters that a run's method plans; no data are read for a method that plans none.

        Raises:
            BenchError: unknown dataset, missing or damaged source data, or a backbone that the method cannot use.
        """
        for name in (spec.protocol.dataset, *spec.sources):
            card_of(name, self.folders.data_dir)
        recommender = recommender_of(spec)
        if type(recommender).adapters is Recommender.adapters:
            return ()
        return recommender.adapters(self.task(spec))


def plan_of(
    specs: Iterable[RunSpec],
    folders: Folders,
    progress: ProgressHook,
    reads_data: Callable[[RunSpec], bool] = lambda _spec: True,
) -> Plan:
    """Plan completed specs with what the folders hold; nothing but prepared data is written.

    A run for which ``reads_data`` is false is planned without its adapters.
    """
    tasks, runs = Tasks(folders, progress), RunStore(folders.results_dir)
    return plan_runs(
        specs,
        adapters_of=lambda spec: tasks.adapters(spec) if reads_data(spec) else (),
        is_cached=lambda adapter: folders.artefacts.made(adapter.kind, adapter.key()),
        is_stored=lambda spec: runs.exists(spec.hash()),
    )
