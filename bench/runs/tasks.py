"""Create the tasks of runs; this is the only place, so each dataset is read and each protocol prepared only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from bench.data.missing import naming_missing_files
from bench.data.prepare import card_of, load_domain, prepared_hash
from bench.errors import BenchError
from bench.plugin import Answers, LastLoaded, Planned, ProgressHook, Queries, Recommender, Task
from bench.progress import Relay
from bench.protocol.sources import check_source
from bench.protocol.splits import share_of_training, source_protocol, source_training, users_of_training
from bench.protocol.task import PreparedTask, prepare_task
from bench.registry import registry
from bench.runs.params import build_params
from bench.runs.progress.run_log import RunLog

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bench.data.domain import Domain
    from bench.files.folders import Folders
    from bench.spec import ProtocolSpec, RunSpec


class Tasks:
    """The tasks of runs; reads and prepares data on first use, and keeps it."""

    def __init__(
        self, folders: Folders, progress: ProgressHook, device: str = "cpu", held: LastLoaded | None = None
    ) -> None:
        self.folders, self.progress = folders, Relay(progress)
        progress = self.progress
        self.device, self.held = device, held or LastLoaded()
        self.domain: Callable[[str], Domain] = cache(
            lambda name: load_domain(name, folders.data_dir, folders.cache_dir, progress)
        )
        self.content_hash: Callable[[str], str] = cache(
            lambda name: prepared_hash(name, folders.data_dir, folders.cache_dir) or self.domain(name).content_hash
        )
        self._source: Callable[[ProtocolSpec, frozenset[str]], Domain] = cache(self._trained_source)
        self.prepared: Callable[[ProtocolSpec], PreparedTask] = cache(
            lambda protocol: prepare_task(
                self.domain(protocol.dataset), protocol, replace(folders.artifacts, progress=progress)
            )
        )

    @contextmanager
    def logged(self) -> Iterator[RunLog]:
        """Keep what is told in the block in a log as well."""
        before = self.progress.onto
        self.progress.onto = log = RunLog(before)
        try:
            yield log
        finally:
            self.progress.onto = before

    def task(self, spec: RunSpec) -> Task:
        """Return the task of a run."""
        prepared = self.prepared(spec.protocol)
        sources = [self.source(name, prepared) for name in spec.sources]
        task = task_of(spec, prepared, sources, self.folders, self.progress, self.device, self.held)
        return replace(task, source_validation=partial(self._source_validation, spec))

    def source(self, name: str, prepared: PreparedTask) -> Domain:
        """Return the training data of a source dataset, without items that share a title with a cold item."""
        return self._source(replace(prepared.spec, dataset=name), prepared.cold_titles)

    def _source_validation(self, spec: RunSpec, source: str) -> tuple[Queries, Answers] | None:
        """Return a source's own validation queries; None if the source is too small to have any."""
        try:
            validation = self.prepared(source_protocol(source, spec.protocol)).validation
        except BenchError:
            return None
        sampled = validation.sample(spec.limit_validation, spec.protocol.seed)
        return sampled.queries, sampled.answers

    def _trained_source(self, protocol: ProtocolSpec, cold_titles: frozenset[str]) -> Domain:
        training = source_training(self.domain(protocol.dataset), protocol, cold_titles)
        check_source(training, cold_titles)
        return training

    def adapters(self, spec: RunSpec) -> Sequence[Planned]:
        """Return the adapters that a run's method plans; no data is read for a method that plans none.

        Raises:
            BenchError: unknown dataset, missing or damaged source data, or a backbone that the method cannot use.
        """
        for name in datasets_of(spec):
            card_of(name, self.folders.data_dir)
        recommender = recommender_of(spec)
        if not recommender.plans_adapters():
            return ()
        with self.naming_missing_files(spec):
            return recommender.adapters(self.task(spec))

    def naming_missing_files(self, spec: RunSpec) -> AbstractContextManager[None]:
        """Return a context in which a failed download names the missing files of all datasets of a run."""
        return naming_missing_files(datasets_of(spec), self.folders.data_dir, self.folders.cache_dir)


def datasets_of(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of a run's target and sources."""
    return (spec.protocol.dataset, *spec.sources)


def recommender_of(spec: RunSpec) -> Recommender:
    """Return the unfitted recommender that a spec describes."""
    recommender = registry().recommender(spec.method)
    return recommender(build_params(spec.method, recommender.Params, spec.params))


def task_of(
    spec: RunSpec,
    prepared: PreparedTask,
    sources: Sequence[Domain],
    folders: Folders,
    progress: ProgressHook,
    device: str = "cpu",
    held: LastLoaded | None = None,
) -> Task:
    """Return the task that the recommender of a spec may learn from; ``sources`` are the spec's, in the same order.

    Raises:
        BenchError: the method needs titles and too many are missing.
    """
    for domain in (prepared.domain, *sources) if registry().entry(spec.method).needs_titles else ():
        require_titles(spec.method, domain)
    validation = prepared.validation.sample(spec.limit_validation, spec.protocol.seed)
    return Task(
        target=learned_part(spec, prepared.training),
        validation=validation.queries,
        validation_answers=validation.answers,
        setting=spec.protocol.setting,
        seed=spec.seed,
        artifacts=replace(folders.artifacts, progress=progress),
        sources=tuple(sources),
        backbone=spec.backbone,
        ranking=spec.ranking,
        engine=spec.engine,
        device=device,
        progress=progress,
        held=held or LastLoaded(),
    )


def learned_part(spec: RunSpec, training: Domain) -> Domain:
    """Return the part of the target's training data that a run uses.

    Raises:
        BenchError: the spec requests more users than there are.
    """
    seed = spec.protocol.seed
    if spec.train_users is not None:
        return users_of_training(training, spec.train_users, spec.train_subset, seed)
    return share_of_training(training, spec.train_share, seed)


def require_titles(method: str, domain: Domain) -> None:
    """Raise BenchError if too many titles are missing for a method that needs them."""
    if not domain.titled:
        raise BenchError(
            f"Method '{method}' needs titles, but {domain.n_untitled:,} of the {domain.n_items:,} items of "
            f"'{domain.name}' have none. Add an items.csv with titles next to its interactions. See "
            f"'bench data stats {domain.name}'."
        )
